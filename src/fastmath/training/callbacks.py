"""What every trainer does beside training: write metrics, and stop cleanly when it is asked to."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from fastmath.runs.process import PARENT_VARIABLE

STOP_FILE = "stop"
"""A file of this name in the stage's folder asks the trainer to save a checkpoint and end."""
INTERRUPTED_EXIT_CODE = 130


class MetricsWriter(TrainerCallback):
    """Append one JSON object a logged step to `metrics.jsonl`, under TRL's own metric names.

    A resumed run first drops the lines after the step it resumes from, so that no step is listed twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        kept = []
        if self.path.exists() and state.global_step > 0:
            # A killed process can leave half a line, or a run of zeros, at the end.
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
        numbers = {name: float(value) for name, value in logs.items() if _is_number(value)}
        record = {"step": state.global_step, "max_steps": state.max_steps} | numbers
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")


class StopGuard(TrainerCallback):
    """Save and stop after the current step when the stop file appears or the launching process is gone.

    A notebook kernel that is killed cannot pass its end on; without this its trainer would run on unseen. All ranks
    follow the first one's view, so that none waits for another in a collective.
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


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True
