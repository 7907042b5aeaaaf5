"""Prompts, traces in one form, and what ends a generation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.nano.model import train_tokenizer
from fastmath.prompts import Ending, TraceError, continue_prompt, count_reasoning_tokens, find_ending, normalise_trace

NORMAL = "<think>\nSo 7.\n</think>\n\n7"


@pytest.mark.parametrize(
    "trace",
    [
        NORMAL,
        "<think>So 7.</think>7",
        "So 7.</think>7",
        "<think>\n\n So 7.\n\n</think>\n7\n",
        " <think>\nSo 7.</think> 7",
    ],
)
def test_a_trace_has_one_form(trace: str) -> None:
    assert normalise_trace(trace) == NORMAL


def test_a_trace_may_end_with_its_reasoning() -> None:
    assert normalise_trace("So 7.</think>") == "<think>\nSo 7.\n</think>"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<think>So 7.", "no </think>"),
        ("Sure. <think>So 7.</think>7", "text before <think>"),
        ("<think>So</think>7<think>or</think>8", "several reasonings"),
        ("<think>So</think>7</think>", "several reasonings"),
    ],
)
def test_a_text_that_is_no_trace_is_refused(text: str, reason: str) -> None:
    with pytest.raises(TraceError, match=reason):
        normalise_trace(text)


@given(st.text("ab \n", max_size=20), st.text("ab \n", max_size=20))
def test_normalising_twice_changes_nothing(reasoning: str, answer: str) -> None:
    once = normalise_trace(f"<think>{reasoning}</think>{answer}")
    assert normalise_trace(once) == once


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [
        ("<user>p<assistant><think>\n", "So 7.\n</think>\n\n7"),
        ("<assistant>\n", NORMAL),
        ("a<think>", "\nSo 7.\n</think>\n\n7"),
    ],
)
def test_a_completion_goes_on_where_its_prompt_ends(prompt: str, completion: str) -> None:
    assert continue_prompt(prompt, NORMAL) == completion


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["So 7."])


def test_the_end_of_reasoning_is_a_token_where_there_is_one(tokenizer) -> None:
    assert find_ending(tokenizer, "think_end") == Ending(token_ids=(tokenizer.convert_tokens_to_ids("</think>"),))


@pytest.fixture(scope="module")
def plain():
    from transformers import Qwen2Tokenizer

    return Qwen2Tokenizer().train_new_from_iterator(["So 7."], 300, show_progress=False)


def test_it_is_a_text_where_it_is_several_tokens(plain) -> None:
    assert find_ending(plain, "think_end") == Ending(strings=("</think>",))


def test_the_end_of_the_text_is_the_model_s_own(tokenizer) -> None:
    assert find_ending(tokenizer, "end_of_text") == Ending()


def test_reasoning_is_counted_to_its_end_marker(tokenizer) -> None:
    reasoning = tokenizer.encode("So 7.\n</think>")
    assert count_reasoning_tokens(tokenizer, [*reasoning, *tokenizer.encode("\n\n7")]) == len(reasoning)


def test_reasoning_is_counted_to_a_marker_of_several_tokens(plain) -> None:
    reasoning = plain.encode("So 7.\n</think>")
    assert count_reasoning_tokens(plain, [*reasoning, *plain.encode("\n\n7")]) == len(reasoning)


@pytest.mark.parametrize("kind", ["tokenizer", "plain"])
def test_reasoning_without_an_end_is_counted_whole(kind, request) -> None:
    tokenizer = request.getfixturevalue(kind)
    ids = tokenizer.encode("So 7, or is it")
    assert count_reasoning_tokens(tokenizer, ids) == len(ids)
