"""What leaves the house: the files of a model, and a card whose example runs without this project."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from fastmath.evaluation.model_card import CARD, export_model, write_example
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import load_recipe


@pytest.fixture(scope="module")
def exported(tiny_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "model"
    export_model(tiny_run[0], "grpo", folder)
    return folder


def read_card(folder) -> tuple[dict[str, object], str]:
    header, _, text = (folder / CARD).read_text().removeprefix("---\n").partition("---\n")
    return yaml.safe_load(header), text


def test_weights_tokenizer_template_and_generation_config_leave_and_nothing_else(exported):
    assert sorted(path.name for path in exported.iterdir()) == [
        *("README.md", "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer_config.json"),
    ]


def test_the_card_is_made_from_the_run(exported):
    header, text = read_card(exported)
    assert header["license"] == "apache-2.0"
    assert "made from scratch by the recipe `nano`, seed 0" in text
    assert re.search(r"\| grpo \| 48 \| \d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", text)
    assert "6 held-out problems x 4 samples" in text
    assert "| nano | nano |  | Apache-2.0 |" in text
    assert re.search(r"fastmath at commit `[0-9a-f]{40}`", text)


def test_the_quantised_model_leaves_as_compressed_tensors_too(tiny_run, tmp_path):
    export_model(tiny_run[0], "compressed", tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "compressed-tensors"
    _, text = read_card(tmp_path / "model")
    assert "1. 4-bit AWQ quantisation (`quantize`)\n1. the same weights packed as compressed-tensors" in text


def test_compressed_tensors_are_asked_as_the_awq_model_is():
    recipe = load_recipe("fast_math_r1_14b")
    assert write_example(recipe, "compressed") == write_example(recipe, "awq")


def test_its_recipe_is_the_run_s(exported):
    recipe = yaml.safe_load(re.search(r"```yaml\n(.*)```", read_card(exported)[1], re.DOTALL)[1])
    assert recipe["grpo"]["trainer"]["max_steps"] == 2


def test_the_example_samples_as_the_evaluation_does():
    example = write_example(load_recipe("fast_math_r1_14b"), "awq")
    assert len(example.splitlines()) == 5
    assert "top_p=0.9, min_p=0.05, max_tokens=32768, stop=['</think>']" in example
    assert "put your final answer within" in example
    # what GRPO has not moved ends where the model itself ends
    assert "stop=" not in write_example(load_recipe("fast_math_r1_14b"), "sft")


def test_a_folder_with_something_in_it_is_refused(tiny_run, exported):
    with pytest.raises(SettingsError, match="is not empty"):
        export_model(tiny_run[0], "grpo", exported)


def test_a_model_that_the_run_does_not_have_is_refused(tiny_run, tmp_path):
    with pytest.raises(SettingsError, match="the model is 'gptq'"):
        export_model(tiny_run[0], "gptq", tmp_path / "model")


@pytest.mark.slow
def test_the_card_s_example_runs_without_this_project(exported):
    example = re.search(r"```python\n(.*?)```", read_card(exported)[1], re.DOTALL)[1]
    alone = 'import sys\nassert not any(name.startswith("fastmath") for name in sys.modules)\n'
    program = f"def main():\n    {example.strip().replace(chr(10), chr(10) + '    ')}\n"
    finished = subprocess.run(
        [sys.executable, "-c", f'{program}\nif __name__ == "__main__":\n    main()\n{alone}'],
        cwd=exported,
        env=os.environ | {"VLLM_PLUGINS": "", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert finished.stdout.strip()
