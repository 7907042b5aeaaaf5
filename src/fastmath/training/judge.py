"""Judging the completions of a training step once, for all reward functions together."""

import collections
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from fastmath.answers.extract import AnswerPlace
from fastmath.answers.judge import Judgement, judge_completions
from fastmath.answers.verifier import Verifier
from fastmath.recipe.grpo import VerificationSettings
from fastmath.training.metric_names import RIGHT

LogMetric: TypeAlias = Callable[[str, float], None]
"""TRL's function that logs a metric by its name."""
LogExtra: TypeAlias = Callable[[str, list[Any]], None]
"""TRL's function that adds a column, one value per completion, to the logged completions."""
ANSWER = "extracted_answer"
"""Column of the logged completions: content of the box that was read, None for none."""
CORRECT = "correct"
"""Column of the logged completions: whether the answer is correct, None where it cannot be judged."""


@dataclass
class Judge:
    """Judges each completion of a step once, for all reward functions together.

    TRL calls the reward functions one after the other with the same batch, so the last batch's judgements are kept.

    Attributes:
        verifier: compares answers in worker processes; a pickled copy starts its own.
        deadline_seconds: wall time allowed for one batch, in seconds; completions that are not verified by then are
            not judged.
        where: part of a completion whose last box is its answer.
    """

    verifier: Verifier = field(default_factory=Verifier)
    deadline_seconds: float = 3.0
    where: AnswerPlace = "reasoning"
    _batch: tuple[tuple[str, ...], tuple[str, ...]] | None = field(default=None, repr=False)
    _judgements: list[Judgement] = field(default_factory=list, repr=False)

    def judge(
        self,
        texts: Sequence[str],
        golds: Sequence[object],
        log_metric: LogMetric | None = None,
        log_extra: LogExtra | None = None,
    ) -> list[Judgement]:
        """Judge the completions of one batch, and log a batch that is new.

        Args:
            texts: B completions.
            golds: B reference answers.
            log_metric: logs the shares `judge/…`, for example `judge/correct`; None logs none.
            log_extra: logs the columns `extracted_answer` and `correct`; None logs none.
        """
        batch = tuple(texts), tuple(map(str, golds))
        if batch != self._batch:
            self._judgements = judge_completions(*batch, self.verifier, self.where, self.deadline_seconds)
            self._batch = batch
            _log(self._judgements, log_metric, log_extra)
        return self._judgements


def make_judge(settings: VerificationSettings, where: AnswerPlace = "reasoning") -> Judge:
    """The judge of one training process, with the limits from the recipe; it reads answers at `where`."""
    verifier = Verifier(settings.workers, settings.cpu_seconds, settings.memory_gib)
    return Judge(verifier, settings.deadline_seconds, where)


def _log(judgements: Sequence[Judgement], log_metric: LogMetric | None, log_extra: LogExtra | None) -> None:
    if log_metric is not None and judgements:
        judged = [item.correct for item in judgements if item.correct is not None]
        log_metric("judge/cannot_judge", 1 - len(judged) / len(judgements))
        log_metric("judge/unfinished", sum(not item.finished for item in judgements) / len(judgements))
        reasons = collections.Counter(item.verdict.reason for item in judgements if item.correct is None)
        for reason, count in reasons.items():
            log_metric(f"judge/cannot_judge/{reason}".replace(" ", "_"), count / len(judgements))
        if judged:
            log_metric(RIGHT, sum(judged) / len(judged))
    if log_extra is not None:
        log_extra(ANSWER, [item.answer for item in judgements])
        log_extra(CORRECT, [item.correct for item in judgements])
