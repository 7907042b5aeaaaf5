"""The offline engine: what vLLM is given, and what is refused before anything is sampled."""

import json
from pathlib import Path

import pytest

from fastmath.engine.batch import TokenizerMismatchError, batch_arguments, require_same_ids
from fastmath.engine.drawing import require_room
from fastmath.nano.model import train_tokenizer
from fastmath.recipe.inference import EngineSettings

SETTINGS = EngineSettings(arguments={"dtype": "float32"})


def test_ordinary_weights_get_the_recipes_dtype(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert batch_arguments(tmp_path, SETTINGS, 0)["dtype"] == "float32"


def test_a_quantised_checkpoint_keeps_its_own_dtype(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": {"quant_method": "awq"}}))
    assert "dtype" not in batch_arguments(tmp_path, SETTINGS, 0)


def test_another_tokenizer_is_refused() -> None:
    ours, other = train_tokenizer(["compute 7 + 5"] * 9, 320), train_tokenizer(["ten thousand"] * 9, 320)
    with pytest.raises(TokenizerMismatchError, match="want the same ids"):
        require_same_ids(ours, other, ["compute ten thousand"])


def test_the_same_tokenizer_is_accepted() -> None:
    tokenizer = train_tokenizer(["compute 7 + 5"] * 9, 320)
    require_same_ids(tokenizer, tokenizer, ["compute 7"])


def test_a_prompt_and_a_budget_that_fill_the_context_fit() -> None:
    require_room([[1] * 30, [1] * 56], 200, 256)


def test_a_prompt_and_a_budget_beyond_the_context_are_refused() -> None:
    # 57 + 200 = 257
    with pytest.raises(ValueError, match="longest prompt has 57 tokens"):
        require_room([[1] * 57], 200, 256)
