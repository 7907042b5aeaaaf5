"""The guard of a GRPO training: it warns when a signal goes wrong, ends the training before a night is lost, and says
why.

The paper's own run collapsed after step 60 of a night, and its authors chose an earlier checkpoint by hand. What is
wrong is a pure function of the logged rows, so that a training that is resumed is judged as if it had gone on, and a
training of the past can be judged again. Signals are means over windows, because single steps are noisy; a validation
counts by itself, because it has hundreds of samples.

The validation and the share of right rollouts are compared with their own best. The length, the entropy, the KL
divergence and the others tell earlier and less surely, and have wide limits.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from fastmath.recipe.grpo import GuardSettings, Limits
from fastmath.runs.metrics import read_metrics
from fastmath.training.callbacks import tell_all
from fastmath.training.findings import GUARD_FILE, Finding, read_findings, write_line
from fastmath.training.metric_names import LOG_RATIO, RIGHT, WITHOUT_SPREAD
from fastmath.training.selection import PASS_1

logger = logging.getLogger(__name__)

Row: TypeAlias = Mapping[str, float | None]


@dataclass(frozen=True)
class Signal:
    """How one signal is read from the rows.

    Attributes:
        name: name of its limits in `grpo.guard`.
        measure: how far the rows are on the way to a limit, from the rows and the window; None where they cannot tell.
        text: what is said of it, with `{value}` for the measure.
    """

    name: str
    measure: Callable[[Sequence[Row], int], float | None]
    text: str


def judge_rows(rows: Sequence[Row], settings: GuardSettings) -> list[Finding]:
    """What is wrong after the last of these rows.

    Args:
        rows: rows of `metrics.jsonl` in order.
        settings: limits of the signals.

    Example: with a validation limit of 0.1 and validations of 0.80, 0.84 and 0.73 the last is 0.11 below the best.
    """
    findings = _find_not_finite(rows[-1])
    for signal in SIGNALS:
        limits: Limits = getattr(settings, signal.name)
        value = signal.measure(rows, settings.window)
        if value is None:
            continue
        # A sum that ends in 0.30000000000000004 is not beyond 0.3.
        for level, limit in (("stop", limits.stop), ("warn", limits.warn)):
            if limit is not None and value > limit - 1e-9:
                message = signal.text.format(value=value)
                findings.append(Finding(int(rows[-1]["step"]), level, signal.name, message))
                break
    return findings


def _find_not_finite(row: Row) -> list[Finding]:
    """A loss or a gradient that is no number, after which the weights are none either."""
    wrong = [name for name in ("loss", "grad_norm") if not math.isfinite(row.get(name) or 0.0)]
    message = " and ".join(f"`{name}` is {row[name]}" for name in wrong)
    return [Finding(int(row["step"]), "stop", "finite", message)] if wrong else []


def _list_values(rows: Sequence[Row], name: str) -> list[float]:
    return [float(value) for row in rows if (value := row.get(name)) is not None and math.isfinite(value)]


def _list_windows(rows: Sequence[Row], name: str, window: int) -> list[float]:
    """The means of a metric over `window` steps in a row, from the first such window to the last."""
    values = _list_values(rows, name)
    return [sum(values[start : start + window]) / window for start in range(len(values) - window + 1)]


def _measure_validation(rows: Sequence[Row], window: int) -> float | None:
    values = _list_values(rows, PASS_1)
    return max(values) - values[-1] if values else None


def _measure_fall(name: str) -> Callable[[Sequence[Row], int], float | None]:
    def measure(rows: Sequence[Row], window: int) -> float | None:
        means = _list_windows(rows, name, window)
        return max(means) - means[-1] if means else None

    return measure


def _measure_reward(rows: Sequence[Row], window: int) -> float | None:
    means, spread = _list_windows(rows, "reward", window), _list_values(rows, "reward_std")
    typical = sum(spread) / len(spread) if spread else 0.0
    return (max(means) - means[-1]) / typical if means and typical > 0 else None


def _measure_last(name: str) -> Callable[[Sequence[Row], int], float | None]:
    def measure(rows: Sequence[Row], window: int) -> float | None:
        means = _list_windows(rows, name, window)
        return abs(means[-1]) if means else None

    return measure


def _measure_multiple(name: str) -> Callable[[Sequence[Row], int], float | None]:
    def measure(rows: Sequence[Row], window: int) -> float | None:
        means = _list_windows(rows, name, window)
        return means[-1] / means[0] if len(means) > 1 and means[0] > 0 else None

    return measure


def _measure_rise(name: str) -> Callable[[Sequence[Row], int], float | None]:
    def measure(rows: Sequence[Row], window: int) -> float | None:
        means = _list_windows(rows, name, window)
        return means[-1] - min(means) if means else None

    return measure


SIGNALS: Sequence[Signal] = (
    Signal("validation", _measure_validation, "the validation's pass@1 is {value:.3f} below its best so far"),
    Signal(
        "correct",
        _measure_fall(RIGHT),
        "the share of right rollouts is {value:.3f} below its best window so far",
    ),
    Signal("reward", _measure_reward, "the reward is {value:.2f} standard deviations below its best window so far"),
    Signal("kl", _measure_last("kl"), "the KL divergence from the start is {value:.2f} nats a token"),
    Signal(
        "length", _measure_multiple("completions/mean_length"), "completions are {value:.2f} times as long as at first"
    ),
    Signal(
        "clipped",
        _measure_rise("completions/clipped_ratio"),
        "{value:.0%} more of the completions are cut off than at best",
    ),
    Signal("entropy", _measure_multiple("entropy"), "the entropy is {value:.2f} times that of the first steps"),
    Signal("flat", _measure_last(WITHOUT_SPREAD), "{value:.0%} of the groups have no spread in their rewards"),
    Signal(
        "log_ratio",
        _measure_last(LOG_RATIO),
        "policy and sampler differ by {value:.3f} nats a token: vLLM's weights are others, or it leaves out tokens",
    ),
)
"""Every signal of the guard."""


class Guard(TrainerCallback):
    """Judges every logged row, writes findings that are new to `guard.jsonl`, and ends the training where one says so.

    The end is no failure: the stage's product is the best of the models that were validated. The first process decides
    for all.
    """

    def __init__(self, folder: Path, settings: GuardSettings) -> None:
        """Set what to judge by.

        Args:
            folder: the stage's folder.
            settings: the limits.
        """
        self._folder, self._settings = folder, settings
        self._rows: list[Row] = []
        self._known: set[tuple[str, str]] = set()

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        path = self._folder / GUARD_FILE
        self._rows = [row for row in read_metrics(self._folder / "metrics.jsonl") if row["step"] <= state.global_step]
        kept = [finding for finding in read_findings(self._folder) if finding.step <= state.global_step]
        if state.is_world_process_zero and state.global_step < state.max_steps:
            path.write_text("".join(write_line(finding) for finding in kept))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if not logs or "train_runtime" in logs:  # the training's end, which logs once more
            return
        self._rows.append({"step": state.global_step} | logs)
        findings = judge_rows(self._rows, self._settings) if state.is_world_process_zero else []
        for finding in findings:
            if (finding.signal, finding.level) not in self._known:
                logger.warning("step %d: %s", finding.step, finding.message)
                with (self._folder / GUARD_FILE).open("a") as file:
                    file.write(write_line(finding))
        self._known = {(finding.signal, finding.level) for finding in findings}
        if tell_all(any(finding.level == "stop" for finding in findings), args.device):
            control.should_training_stop = True
