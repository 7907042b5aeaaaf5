"""Engine arguments against vLLM's own."""

import pytest

from fastmath.engine.arguments import check_engine_arguments
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import configs_folder, load_recipe


@pytest.mark.parametrize("name", sorted(path.stem for path in configs_folder().glob("*.yaml")))
def test_vllm_knows_the_arguments_of_every_shipped_recipe(name):
    recipe = load_recipe(name)
    check_engine_arguments("evaluate", recipe.evaluate.engine.arguments)
    check_engine_arguments("kernel", recipe.kernel.engine.arguments)


def test_one_engine_over_several_nodes_is_a_setting():
    nodes = {"distributed_executor_backend": "ray", "pipeline_parallel_size": 2, "tensor_parallel_size": 8}
    check_engine_arguments("evaluate", nodes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_model_length": 3}, "max_model_length` is no setting of EngineArgs; did you mean 'max_model_len'"),
        ({"max_model_len": "many"}, "is 'many': input should be a valid integer"),
        ({"kv_cache_dtype": "fp9"}, "is 'fp9': input should be 'auto', "),
        ({"model": "x"}, "is set by the run itself"),
    ],
    ids=["name", "type", "choice", "managed"],
)  # fmt: skip
def test_what_vllm_does_not_know_is_refused(arguments, message):
    with pytest.raises(SettingsError) as refused:
        check_engine_arguments("kernel", arguments)
    assert message in str(refused.value)
