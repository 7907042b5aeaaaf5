"""Judging completions: the answer of each is extracted and verified against the reference.

Data building judges traces with `judge_completions`, evaluation judges its samples, and GRPO's rewards judge the
completions of a training step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fastmath.answers.extract import AnswerPlace, extract_answer
from fastmath.answers.verifier import Verdict, Verifier
from fastmath.prompts import THINK_END


@dataclass(frozen=True)
class Judgement:
    """Result of judging one completion.

    Attributes:
        answer: content of the completion's box; None where it has no box, or was cut off before `</think>`.
        verdict: result of comparing the answer with the reference.
        finished: whether the completion ended its reasoning with `</think>`.
        boxed: whether the reasoning contains a box that is not empty.
    """

    answer: str | None
    verdict: Verdict
    finished: bool
    boxed: bool

    @property
    def correct(self) -> bool | None:
        """Whether the answer is correct; None where it cannot be judged."""
        return self.verdict.correct


def judge_completions(
    texts: Sequence[str],
    golds: Sequence[str],
    verifier: Verifier,
    where: AnswerPlace = "reasoning",
    deadline_seconds: float | None = None,
    *,
    require_finished: bool = True,
) -> list[Judgement]:
    """Judge many completions in parallel.

    Args:
        texts: completions, without their prompts.
        golds: reference answer of each completion.
        verifier: compares the answers with the references, in worker processes.
        where: part of a completion in which its answer is searched; see `extract_answer`.
        deadline_seconds: wall time allowed for all completions together, in seconds; completions that are not verified
            by then are not judged (`correct` is None). None sets no limit.
        require_finished: whether a completion without `</think>` counts as cut off, and has no answer.
    """
    boxes = [extract_answer(text) for text in texts]
    answers = boxes
    if where != "reasoning" or not require_finished:
        answers = [extract_answer(text, where, require_finished=require_finished) for text in texts]
    verdicts = verifier.verify_many(list(zip(golds, answers, strict=True)), deadline_seconds)
    return [
        Judgement(answer, verdict, THINK_END in text, boxed=box is not None)
        for text, answer, box, verdict in zip(texts, answers, boxes, verdicts, strict=True)
    ]
