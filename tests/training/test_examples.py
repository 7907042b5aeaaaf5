"""Training examples of real traces, with the prompts of real models and a real vocabulary."""

import json
from importlib.resources import files

import pytest
from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import TikTokenConverter

from fastmath.prompts import render_prompt, write_prompt
from fastmath.training.examples import encode_examples
from helpers.files import SHARED, needs_shared
from helpers.registry import QWEN_VOCABULARY, fetch, read_smollm2_tokenizer

# Qwen2's pattern (transformers, models/qwen2/tokenization_qwen2.py): every digit is a word of its own.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PROBLEM, SYSTEM = "What is 3 + 4?", "Reason."
TRACE = "<think>\nSo 7.\n</think>\n\n\\boxed{7}"
R1 = {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"}
CHATML = {"bos_token": None, "eos_token": "<|im_end|>"}
CHATML_PROMPT = (
    f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{PROBLEM}<|im_end|>\n<|im_start|>assistant\n"
)
MODELS = {
    # template (trl/chat_templates, copies of the models' own), special tokens, rendered prompt, start of the completion
    "DeepSeek-R1-Distill": (
        "deepseek_r1_distill",
        R1,
        f"<｜begin▁of▁sentence｜>{SYSTEM}<｜User｜>{PROBLEM}<｜Assistant｜><think>\n",
        "So 7.",
    ),
    "Qwen3": ("qwen3", CHATML, CHATML_PROMPT, "<think>\nSo 7."),
    "OpenMath-Nemotron, a Qwen2.5": ("qwen2_5", CHATML, CHATML_PROMPT, "<think>\nSo 7."),
    # The template is in the file of the weights; TRL has no copy.
    "SmolLM2": (None, CHATML, CHATML_PROMPT, "<think>\nSo 7."),
}


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> object:
    path = fetch(*QWEN_VOCABULARY, tmp_path_factory.mktemp("vocabulary"))
    return TikTokenConverter(vocab_file=str(path), pattern=PATTERN).converted()


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    return read_smollm2_tokenizer(tmp_path_factory.mktemp("smollm2"))


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow if name == "SmolLM2" else ()) for name in MODELS])
def model(request: pytest.FixtureRequest) -> tuple[PreTrainedTokenizerFast, str, str]:
    template, special, prompt, begins = MODELS[request.param]
    if template is None:
        return request.getfixturevalue("smollm2"), prompt, begins
    vocabulary = request.getfixturevalue("vocabulary")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=vocabulary, **special)
    marks = ["<｜User｜>", "<｜Assistant｜>"] if special is R1 else ["<|im_start|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    if request.param != "OpenMath-Nemotron, a Qwen2.5":  # for which `</think>` is several tokens
        tokenizer.add_tokens([AddedToken(mark, normalized=False) for mark in ("<think>", "</think>")])
    tokenizer.chat_template = (files("trl") / "chat_templates" / f"{template}.jinja").read_text()
    return tokenizer, prompt, begins


def test_the_prompt_is_the_models_own(model):
    tokenizer, prompt, _ = model
    assert write_prompt(tokenizer, PROBLEM, SYSTEM) == prompt


def test_the_completion_goes_on_where_the_prompt_ends(model):
    tokenizer, prompt, begins = model
    (example,) = encode_examples(tokenizer, [PROBLEM], [TRACE], SYSTEM)
    assert tokenizer.decode(example["input_ids"]).startswith(prompt + begins)


def test_an_example_ends_with_the_end_of_the_text(model):
    tokenizer, *_ = model
    (example,) = encode_examples(tokenizer, [PROBLEM], [TRACE], SYSTEM)
    assert tokenizer.decode(example["input_ids"]).endswith("</think>\n\n\\boxed{7}" + tokenizer.eos_token)


def test_the_mask_covers_what_the_model_is_to_write(model):
    tokenizer, *_ = model
    (example,) = encode_examples(tokenizer, [PROBLEM], [TRACE], SYSTEM)
    prompt = render_prompt(tokenizer, PROBLEM, SYSTEM)
    assert example["completion_mask"] == [0] * len(prompt) + [1] * (len(example["input_ids"]) - len(prompt))


@needs_shared
def test_the_prompt_of_inference_is_a_prefix_of_every_real_example(model):
    tokenizer, *_ = model
    problems, traces = read_real_traces()
    examples = encode_examples(tokenizer, problems, traces, SYSTEM)
    prompts = [render_prompt(tokenizer, problem, SYSTEM) for problem in problems]
    assert len(traces) > 80
    assert all(example["input_ids"][: len(ids)] == ids for example, ids in zip(examples, prompts, strict=True))


@needs_shared
def test_every_real_example_reads_as_prompt_and_trace(model):
    tokenizer, *_ = model
    problems, traces = read_real_traces()
    for problem, trace, example in zip(
        problems, traces, encode_examples(tokenizer, problems, traces, SYSTEM), strict=True
    ):
        text = write_prompt(tokenizer, problem, SYSTEM)
        text = text.removesuffix("<think>\n") + trace + tokenizer.eos_token
        assert tokenizer.decode(example["input_ids"]) == text


def read_real_traces() -> tuple[list[str], list[str]]:
    """Problems and whole traces of the shared files, normalised as the data stage does it."""
    from fastmath.data.schemas import read_row

    pairs = []
    for name, kind in (
        ("openr1_schema_rows", "openr1"),
        ("openr1_schema_rows_r1distill", "openr1"),
        ("light_r1_schema_rows", "light_r1"),
    ):
        lines = (SHARED / "traces" / f"{name}.jsonl").read_text().splitlines()
        rows = [read_row(kind, name, index, json.loads(line)) for index, line in enumerate(lines)]
        pairs += [
            (row.problem, trace)
            for row in rows
            for trace, complete in zip(row.generations, row.complete, strict=True)
            if "</think>" in trace
        ]
    return [problem for problem, _ in pairs], [trace for _, trace in pairs]
