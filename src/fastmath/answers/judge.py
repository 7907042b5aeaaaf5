"""Judging what a model wrote: its answer is extracted, and verified against the reference.

Data building judges traces by `judge_completions`, evaluation its samples, GRPO's rewards the completions of a step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fastmath.answers.extract import AnswerPlace, extract_answer
from fastmath.answers.verifier import Verdict, Verifier
from fastmath.prompts import THINK_END


@dataclass(frozen=True)
class Judgement:
    """What is known of one completion.

    Attributes:
        answer: content of its box; None where it has none, or was cut off before `</think>`.
        verdict: what verification says of the answer.
        finished: whether its reasoning was ended with `</think>`.
    """

    answer: str | None
    verdict: Verdict
    finished: bool

    @property
    def correct(self) -> bool | None:
        """Whether the answer is right; None where it cannot be judged."""
        return self.verdict.correct


def judge_completions(
    texts: Sequence[str],
    golds: Sequence[str],
    verifier: Verifier,
    where: AnswerPlace = "reasoning",
    deadline_seconds: float | None = None,
) -> list[Judgement]:
    """Judge completions side by side.

    Args:
        texts: what the model wrote behind each prompt.
        golds: the reference answer of each.
        verifier: compares the answers, in processes of its own.
        where: the part of a completion that its answer is looked for in.
        deadline_seconds: wall time for all of them; what is not verified by then is not judged. None sets no limit.
    """
    answers = [extract_answer(text, where) for text in texts]
    verdicts = verifier.verify_many(list(zip(golds, answers, strict=True)), deadline_seconds)
    return [
        Judgement(answer, verdict, finished=THINK_END in text)
        for text, answer, verdict in zip(texts, answers, verdicts, strict=True)
    ]
