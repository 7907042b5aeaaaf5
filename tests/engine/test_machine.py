"""Engine arguments that suit a machine, where the recipe names none."""

import pytest

from fastmath.engine.machine import choose_arguments


@pytest.mark.parametrize(("capability", "dtype"), [((8, 9), "fp8"), ((9, 0), "fp8"), ((10, 0), "fp8")])
def test_a_gpu_that_computes_in_fp8_caches_in_fp8(capability: tuple[int, int], dtype: str) -> None:
    assert choose_arguments({}, capability)["kv_cache_dtype"] == dtype


@pytest.mark.parametrize("capability", [(7, 5), (8, 0), (8, 6), None])
def test_any_other_machine_caches_in_the_models_own_type(capability: tuple[int, int] | None) -> None:
    assert "kv_cache_dtype" not in choose_arguments({}, capability)


def test_a_cache_type_that_the_recipe_names_is_kept() -> None:
    assert choose_arguments({"kv_cache_dtype": "auto"}, (9, 0))["kv_cache_dtype"] == "auto"


def test_prefixes_are_cached_unless_the_recipe_says_no() -> None:
    assert choose_arguments({}, None)["enable_prefix_caching"] is True
    assert choose_arguments({"enable_prefix_caching": False}, None)["enable_prefix_caching"] is False
