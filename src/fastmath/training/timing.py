"""TRL's GRPOTrainer that tells where its time goes, and how many tokens a second it generates."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from trl import GRPOTrainer

from fastmath.training.metric_names import GENERATION, PARTS, REWARDS, TOKENS, TOKENS_PER_SECOND, UPDATE


class TimedGRPOTrainer(GRPOTrainer):
    """A GRPOTrainer that logs `PARTS`, `TOKENS` and `TOKENS_PER_SECOND` with every logged step.

    TRL measures the same parts, and tells the trackers of `report_to` alone. The three methods that are overridden (trl
    1.16.0, trl/trainer/grpo_trainer.py) keep their results.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._generated = 0
        self._logged_at = time.perf_counter()
        super().__init__(*arguments, **options)

    def _inner_training_loop(self, *arguments: Any, **options: Any) -> Any:
        self._logged_at = time.perf_counter()  # the model was loaded before it
        return super()._inner_training_loop(*arguments, **options)

    def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
        with self.measure(GENERATION):
            result = super()._generate(prompts)
        lengths = torch.tensor([len(ids) for ids in result[1]], device=self.accelerator.device)  # (B,)
        self._generated += int(self.accelerator.gather(lengths.sum()).sum())
        return result

    def _calculate_rewards(self, *arguments: Any, **options: Any) -> torch.Tensor:
        with self.measure(REWARDS):
            return super()._calculate_rewards(*arguments, **options)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        now = time.perf_counter()
        if self._generated or self._seconds:  # not the end of the training, which logs once more
            self.record(self._tell_times(now - self._logged_at))
            self._seconds.clear()
            self._generated, self._logged_at = 0, now
        super().log(logs, start_time)

    @contextlib.contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Add the time within this context to a part."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[part] += time.perf_counter() - began

    def record(self, figures: Mapping[str, float]) -> None:
        """Log figures with the next logged step."""
        for name, value in figures.items():
            self._metrics["train" if self.model.training else "eval"][name].append(value)

    def _tell_times(self, passed: float) -> dict[str, float]:
        measured = {part: self._seconds[part] for part in PARTS if part != UPDATE}
        times = measured | {UPDATE: max(0.0, passed - sum(measured.values()))}
        return times | {TOKENS: self._generated, TOKENS_PER_SECOND: self._generated / max(measured[GENERATION], 1e-9)}
