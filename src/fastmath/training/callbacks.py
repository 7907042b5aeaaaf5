"""Callbacks of every trainer: metrics, progress, and an end of the training on request or when it has diverged."""

import contextlib
import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from fastmath.runs.environment import PARENT_VARIABLE
from fastmath.runs.metrics import read_metrics
from fastmath.runs.progress import TOKENS_PER_SECOND, ProgressFile
from fastmath.training.launch import STOP_FILE
from fastmath.training.metric_names import TOKENS

SHOWN_METRICS: Mapping[str, str] = {
    "loss": "loss",
    "mean_token_accuracy": "token accuracy",
    "reward": "reward",
    "validation/pass@1": "validation",
    "completions/mean_length": "mean length",
    "kl": "KL",
}
"""Metrics that stand in the progress, and their labels there."""


class NotFiniteError(ArithmeticError):
    """The loss or the weights are no numbers any more; the training cannot recover from that."""


class MetricsWriter(TrainerCallback):
    """Appends one JSON object per logged step to `metrics.jsonl`, under TRL's own metric names.

    A resumed run first removes the lines after the step from which it resumes, so that no step is listed twice. NaN and
    infinities, for which JSON has no words, are written as null.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        kept = []
        if self.path.exists() and state.global_step > 0:
            # A killed process can leave an incomplete line, or a series of zero bytes, at the end.
            lines = [line for line in self.path.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
            kept = [line for line in lines if json.loads(line)["step"] <= state.global_step]
        self.path.write_text("".join(f"{line}\n" for line in kept))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if not state.is_world_process_zero or not logs:
            return
        numbers = {name: _to_json(float(value)) for name, value in logs.items() if _is_number(value)}
        record = {"step": state.global_step, "max_steps": state.max_steps} | numbers
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")


class ProgressWriter(TrainerCallback):
    """Tells after every step how far the training is, with the last logged metrics and the tokens a second.

    TRL counts the tokens of this process's life in `num_tokens`, so that the pace does not depend on what an earlier,
    interrupted run has done.
    """

    def __init__(self, folder: Path, label: str = "") -> None:
        """Set where to write.

        Args:
            folder: the stage's folder.
            label: name of this training where the stage has several.
        """
        self._folder, self._label = folder, label
        self._file: ProgressFile | None = None
        self._began = time.monotonic()

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_world_process_zero:
            self._began = time.monotonic()
            begin = state.global_step
            self._file = ProgressFile(self._folder, "step", state.max_steps, began_at=begin, label=self._label)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if self._file is None or not logs:
            return
        figures = {label: float(logs[name]) for name, label in SHOWN_METRICS.items() if name in logs}
        if "num_tokens" in logs:
            figures[TOKENS_PER_SECOND] = float(logs["num_tokens"]) / (time.monotonic() - self._began)
        self._file.update(state.global_step, figures)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._file is not None:
            self._file.update(state.global_step)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._file is not None:
            self._file.update(state.global_step, last=True)


class FiniteGuard(TrainerCallback):
    """Ends a training whose loss is NaN or infinite, as the weights then are or become NaN, too."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(float(loss)):
            raise NotFiniteError(f"the loss is {loss} at step {state.global_step} of {state.max_steps}")


class StopGuard(TrainerCallback):
    """Saves a checkpoint and stops after the current step if the stop file exists or the launching process is gone.

    A notebook kernel that is killed cannot stop its trainer, which would otherwise run on unnoticed. Rank 0 decides for
    all ranks, so that none of them waits for another in a collective operation.

    Attributes:
        stop_file: path of the stop file.
        stopped: whether the training has been stopped in this way.
    """

    def __init__(self, folder: Path) -> None:
        self.stop_file = folder / STOP_FILE
        self.stopped = False
        self._has_parent = PARENT_VARIABLE in os.environ
        self._parent: psutil.Process | None = None
        with contextlib.suppress(psutil.NoSuchProcess):  # gone already
            self._parent = psutil.Process(int(os.environ[PARENT_VARIABLE])) if self._has_parent else None

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._must_stop(args.device):
            self.stopped = True
            control.should_save = True
            control.should_training_stop = True

    def _must_stop(self, device: torch.device) -> bool:
        return tell_all(self.stop_file.exists() or (self._has_parent and not self._parent_lives()), device)

    def _parent_lives(self) -> bool:
        if self._parent is None:
            return False
        try:
            # `is_running` also compares the time of the start: another process may have got the number meanwhile.
            return self._parent.is_running() and self._parent.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:  # it ended between the two questions
            return False


class TokenLimit(TrainerCallback):
    """Ends a GRPO training after a number of generated tokens, those of the life before a resume included."""

    def __init__(self, limit: int, path: Path) -> None:
        """Set the limit.

        Args:
            limit: tokens of completions on all processes together.
            path: the training's `metrics.jsonl`.
        """
        self._limit, self._path = limit, path
        self._generated = 0.0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        rows = read_metrics(self._path)
        self._generated = sum(row.get(TOKENS) or 0.0 for row in rows if row["step"] <= state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        self._generated += (logs or {}).get(TOKENS) or 0.0
        if self._generated >= self._limit:
            control.should_training_stop = True


def tell_all(decision: bool, device: torch.device) -> bool:
    """The first process's decision, on every process, so that none waits for another in a collective operation."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return decision
    flag = torch.tensor(int(decision), device=device)  # ()
    torch.distributed.broadcast(flag, src=0)
    return bool(flag.item())


def _to_json(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True
