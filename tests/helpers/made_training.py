"""Trainings that were never made: logs of the form that TRL, the validation and the guard write."""

import dataclasses
import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastmath.training.findings import Finding, write_line
from fastmath.training.rollout_log import LoggedCompletion, RolloutLog

Row = dict[str, Any]


def make_sft_rows(steps: int, seed: int = 0) -> Iterator[Row]:
    """Rows of an SFT training whose loss falls."""
    generator = random.Random(seed)
    for step in range(1, steps + 1):
        loss = 0.25 + 4 * math.exp(-6 * step / steps) + generator.gauss(0, 0.03)
        yield {
            "step": step,
            "max_steps": steps,
            "loss": loss,
            "grad_norm": abs(generator.gauss(0.6, 0.2)),
            "entropy": loss + 0.1,
            "mean_token_accuracy": 1 - loss / 6,
            "epoch": step / 100,
        }
    yield {"step": steps, "max_steps": steps, "train_runtime": 9.0, "train_loss": 0.5, "epoch": steps / 100}


def make_grpo_rows(steps: int, seed: int = 0, validated: int = 10) -> Iterator[Row]:
    """Rows of a GRPO training that becomes shorter, with noise; the KL divergence of step 7 is no number.

    Args:
        steps: number of steps.
        seed: seed of the noise.
        validated: steps between two validations.
    """
    generator = random.Random(seed)

    def noisy(value: float, spread: float) -> float:
        return value + generator.gauss(0, spread)

    yield {"step": 0, "max_steps": steps, **_validate(0.62, 0.70, 151.0)}
    for step in range(1, steps + 1):
        part = step / steps
        length = noisy(150 - 70 * part, 9)
        row = {
            "step": step,
            "max_steps": steps,
            "loss": noisy(0.01, 0.01),
            "reward": noisy(1.1 + 0.9 * part, 0.16),
            "reward_std": abs(noisy(0.5 - 0.2 * part, 0.05)),
            "rewards/boxed_before_think_end/mean": min(1.0, noisy(0.7 + 0.28 * part, 0.05)),
            "rewards/boxed_before_think_end/std": 0.2,
            "rewards/cosine/mean": noisy(0.3 + 0.4 * part, 0.1),
            "rewards/cosine/std": abs(noisy(0.4, 0.05)),
            "rewards/group_length/mean": noisy(0.02, 0.04),
            "rewards/group_length/std": 0.3,
            "completions/mean_length": length,
            "completions/min_length": length * 0.4,
            "completions/max_length": min(200.0, length * 1.9),
            "completions/clipped_ratio": max(0.0, noisy(0.12 - 0.1 * part, 0.02)),
            "entropy": abs(noisy(0.4 - 0.15 * part, 0.03)),
            "kl": None if step == 7 else abs(noisy(0.09 * part, 0.008)),
            "judge/correct": min(1.0, max(0.0, noisy(0.6 + 0.2 * part, 0.07))),
            "groups/without_spread": max(0.0, noisy(0.1 + 0.3 * part, 0.08)),
            "sampling/log_ratio/mean": noisy(-0.002, 0.001),
        }
        if step % validated == 0:
            row |= _validate(noisy(0.62 + 0.12 * part, 0.01), noisy(0.7 + 0.1 * part, 0.01), 150 - 68 * part)
        yield row
    yield {"step": steps, "max_steps": steps, "train_runtime": 99.0, "train_loss": 0.01}


def _validate(accuracy: float, majority: float, tokens: float) -> Row:
    measured = {"pass@1": (accuracy, 0.03), "majority@4": (majority, 0.035), "tokens": (tokens, 6.0)}
    return {
        f"validation/{name}{end}": value + sign * half
        for name, (value, half) in measured.items()
        for end, sign in (("", 0), ("/low", -1), ("/high", 1))
    }


def make_completion(step: int, **changes: Any) -> LoggedCompletion:
    """A right completion of a step, but for what is changed."""
    text = f"2 + {step} is {2 + step}, so \\boxed{{{2 + step}}}.\n</think>"
    right = LoggedCompletion(
        step, f"What is 2 + {step}?", str(2 + step), text, str(2 + step), True, False, 20, {"cosine": 0.75}, 1.5
    )
    return dataclasses.replace(right, **changes)


def write_completions(folder: Path, steps: int) -> None:
    """Three completions of every step: a right one, a wrong one with a tag of HTML, and one that was cut."""
    log = RolloutLog(folder, 3)
    for step in range(1, steps + 1):
        wrong = "<script>alert(1)</script> so \\boxed{0}.\n</think>"
        cut = {"text": "and again " * 30, "answer": None, "cut": True, "tokens": 256}
        log.write(
            step,
            [
                make_completion(step),
                make_completion(step, text=wrong, answer="0", correct=False, rewards={"cosine": -0.5}, reward=0.2),
                make_completion(step, correct=False, rewards={"cosine": -0.1}, reward=-0.1, **cut),
            ],
        )


def write_rows(path: Path, rows: Iterator[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def write_trainings(run_dir: Path, steps: int = 60, seed: int = 0) -> Path:
    """A run folder with the logs of an SFT and a GRPO training, whose guard warned and whose product is chosen."""
    write_rows(run_dir / "sft" / "metrics.jsonl", make_sft_rows(2 * steps, seed))
    grpo = run_dir / "grpo"
    write_rows(grpo / "metrics.jsonl", make_grpo_rows(steps, seed))
    for step in (steps // 3, 2 * steps // 3, steps):
        (grpo / "checkpoints" / f"checkpoint-{step}").mkdir(parents=True)
    finding = Finding(steps // 2, "warn", "flat", "80% of the groups have no spread in their rewards")
    (grpo / "guard.jsonl").write_text(write_line(finding))
    chosen = steps * 5 // 6 // 10 * 10
    write_completions(grpo, steps)
    (grpo / "chosen.json").write_text(json.dumps({"step": chosen, "steps": steps}))
    return run_dir
