"""Judging completions: extracted, verified, and whether the reasoning ended."""

import pytest

from fastmath.answers.judge import judge_completions
from fastmath.answers.verifier import Verifier


@pytest.mark.parametrize(
    ("text", "where", "answer", "correct", "finished"),
    [
        ("So \\boxed{7}.\n</think>", "reasoning", "7", True, True),
        ("So \\boxed{8}.\n</think>", "reasoning", "8", False, True),
        ("So \\boxed{7}. wait", "reasoning", None, False, False),
        ("So 7.\n</think>\n\\boxed{7}", "reasoning", None, False, True),
        ("So 7.\n</think>\n\\boxed{7}", "anywhere", "7", True, True),
        ("\\boxed{8}\n</think>\n\\boxed{7}", "after", "7", True, True),
    ],
)
def test_a_completion_is_judged_by_the_part_that_it_is_read_in(text, where, answer, correct, finished):
    with Verifier(workers=1) as verifier:
        (judgement,) = judge_completions([text], ["7"], verifier, where)
    assert (judgement.answer, judgement.correct, judgement.finished) == (answer, correct, finished)
