"""Callbacks of every trainer: they write the metrics, and stop the training cleanly on request."""

import json
import math
import os
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from fastmath.runs.process import PARENT_VARIABLE

STOP_FILE = "stop"
"""A file of this name in the stage's folder asks the trainer to save a checkpoint and stop."""
INTERRUPTED_EXIT_CODE = 130
"""Exit code of a training process that stopped before the end because it was asked to."""


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


class StopGuard(TrainerCallback):
    """Saves a checkpoint and stops after the current step if the stop file exists or the launching process is gone.

    A notebook kernel that is killed cannot stop its trainer, which would otherwise run on unnoticed. Rank 0 decides for
    all ranks, so that none of them waits for another in a collective operation.

    Attributes:
        stop_file: path of the stop file.
        parent: id of the launching process, 0 if it is not known; then only the stop file is checked.
        stopped: whether the training has been stopped in this way.
    """

    def __init__(self, folder: Path) -> None:
        self.stop_file = folder / STOP_FILE
        self.parent = int(os.environ.get(PARENT_VARIABLE, "0"))
        self.stopped = False

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._must_stop(args.device):
            self.stopped = True
            control.should_save = True
            control.should_training_stop = True

    def _must_stop(self, device: torch.device) -> bool:
        must_stop = self.stop_file.exists() or (self.parent > 0 and not Path(f"/proc/{self.parent}").exists())
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return must_stop
        flag = torch.tensor(int(must_stop), device=device)  # ()
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
