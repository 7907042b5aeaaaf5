"""Where rollouts end, and that the model does not remember it."""

import pytest
from transformers import GenerationConfig, Qwen2Tokenizer
from trl import GRPOConfig

from fastmath.nano.model import build_model, train_tokenizer
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.sections import NanoModelSettings
from fastmath.training.rollouts import end_rollouts

SHAPE = NanoModelSettings(hidden_size=32, intermediate_size=64, layers=1, heads=2, vocabulary_size=320)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["So 7."])


@pytest.fixture
def model(tokenizer):
    model = build_model(tokenizer, SHAPE, seed=0)
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id)
    return model


def make_config(folder, **settings) -> GRPOConfig:
    return GRPOConfig(output_dir=str(folder), bf16=False, report_to=[], use_cpu=True, **settings)


def test_completions_end_at_the_end_of_reasoning_while_the_trainer_is_built(tmp_path, tokenizer, model) -> None:
    with end_rollouts(make_config(tmp_path), model, tokenizer, "think_end"):
        ends = model.generation_config.eos_token_id
    assert ends == [tokenizer.convert_tokens_to_ids("</think>"), tokenizer.eos_token_id]


def test_the_model_keeps_its_own_ends(tmp_path, tokenizer, model) -> None:
    with end_rollouts(make_config(tmp_path), model, tokenizer, "think_end"):
        pass
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id


def test_a_text_goes_on_to_its_own_end_where_the_recipe_says_so(tmp_path, tokenizer, model) -> None:
    with end_rollouts(make_config(tmp_path), model, tokenizer, "end_of_text"):
        assert model.generation_config.eos_token_id == [tokenizer.eos_token_id]


def test_an_end_of_several_tokens_is_refused_without_vllm(tmp_path, model) -> None:
    plain = Qwen2Tokenizer().train_new_from_iterator(["So 7."], 300, show_progress=False)
    ends = end_rollouts(make_config(tmp_path), model, plain, "think_end")
    with pytest.raises(SettingsError, match="several tokens for this tokenizer"), ends:
        pass
