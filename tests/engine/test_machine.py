"""Engine arguments and environment that suit a machine, where the recipe names none."""

import os

import pytest

from fastmath.engine.machine import ENVIRONMENT, choose_arguments, prepare_environment

CAPABILITIES = [(7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), None]


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_every_machine_caches_in_the_model_s_own_type(capability: tuple[int, int] | None) -> None:
    assert "kv_cache_dtype" not in choose_arguments({}, capability)


def test_a_cache_type_that_the_recipe_names_is_kept() -> None:
    assert choose_arguments({"kv_cache_dtype": "fp8"}, (9, 0))["kv_cache_dtype"] == "fp8"


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_an_l4_alone_gets_the_attention_that_needs_no_compiler(capability: tuple[int, int] | None) -> None:
    chosen = choose_arguments({}, capability).get("attention_backend")
    assert chosen == ("TRITON_ATTN" if capability == (8, 9) else None)


def test_an_attention_that_the_recipe_names_is_kept() -> None:
    assert choose_arguments({"attention_backend": "FLASH_ATTN"}, (8, 9))["attention_backend"] == "FLASH_ATTN"


def test_prefixes_are_cached_unless_the_recipe_says_no() -> None:
    assert choose_arguments({}, None)["enable_prefix_caching"] is True
    assert choose_arguments({"enable_prefix_caching": False}, None)["enable_prefix_caching"] is False


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_the_environment_has_its_defaults(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name, raising=False)
    prepare_environment({})
    assert os.environ[name] == ENVIRONMENT[name]


def test_what_is_set_already_goes_before_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_WORKER_MULTIPROC_METHOD", "fork")
    prepare_environment({})
    assert os.environ["VLLM_WORKER_MULTIPROC_METHOD"] == "fork"


def test_what_the_recipe_sets_goes_before_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_USE_FLASHINFER_SAMPLER", "0")
    prepare_environment({"VLLM_USE_FLASHINFER_SAMPLER": "1"})
    assert os.environ["VLLM_USE_FLASHINFER_SAMPLER"] == "1"
