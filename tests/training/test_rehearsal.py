"""The rehearsal of the largest step: it leaves no trace, and says what to lower where the memory does not suffice."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from fastmath.training.failure import explain_failure, read_errors
from fastmath.training.optimizer_states import reserve_states
from helpers.two_processes import largest_difference

PROGRAM = Path(__file__).parents[1] / "helpers" / "rehearsed_training.py"
CLOCKS = ("time", "per_second")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from helpers.rehearsed_training import make_model

    folder = tmp_path_factory.mktemp("rehearsal")
    make_model(folder)
    return folder


def train(
    folder: Path, name: str, rehearse: bool, checkpoint: Path | None = None, **settings: Any
) -> list[dict[str, float]]:
    """Train, and return every logged step without what the clock says."""
    from helpers.rehearsed_training import build_trainer

    trainer = build_trainer(folder, name, rehearse, **settings)
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    trainer.save_model(str(folder / name / "model"))
    rows = trainer.state.log_history
    return [{key: row[key] for key in row if not any(part in key for part in CLOCKS)} for row in rows]


def read_weights(folder: Path, name: str) -> dict[str, torch.Tensor]:
    return load_file(folder / name / "model" / "model.safetensors")


def test_a_training_goes_on_as_if_nothing_had_been_rehearsed(folder):
    # Dropout draws from the random states, and two micro batches make a step.
    settings = {"gradient_accumulation_steps": 2, "beta": 0.04}
    rehearsed = train(folder, "rehearsed", rehearse=True, **settings)
    assert rehearsed == train(folder, "plain", rehearse=False, **settings)
    assert largest_difference(read_weights(folder, "rehearsed"), read_weights(folder, "plain")) == 0.0


@pytest.mark.slow
def test_a_training_that_resumes_goes_on_as_if_nothing_had_been_rehearsed(folder):
    settings = {"gradient_checkpointing": True, "steps_per_generation": 2, "save_strategy": "steps", "save_steps": 2}
    train(folder, "whole", rehearse=False, **settings)
    checkpoint = folder / "whole" / "checkpoint-2"
    train(folder, "resumed", rehearse=True, checkpoint=checkpoint, **settings)
    assert largest_difference(read_weights(folder, "resumed"), read_weights(folder, "whole")) == 0.0


def test_the_report_tells_the_sizes_of_the_largest_batches(folder):
    train(folder, "report", rehearse=True, max_steps=1, gradient_accumulation_steps=2)
    report = json.loads((folder / "report" / "rehearsal.json").read_text())
    # 4 rows in a micro batch, 2 micro batches in a generation
    assert (report["rows"], report["generated_rows"], report["completion_tokens"]) == (4, 8, 24)
    assert report["prompt_tokens"] == json.loads((folder / "longest_prompt.json").read_text())
    assert report["rehearsal_seconds"] > 0
    assert report["rehearsal_peak_gib"] >= 0


def test_adamw_s_states_are_twice_as_large_as_the_parameters_and_are_not_given_to_it():
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(3, 5)), torch.nn.Parameter(torch.ones(7))], fused=True)
    reserved = reserve_states(optimizer)
    # 2 x (15 + 7) numbers of 4 bytes
    assert sum(each.nbytes for each in reserved) == 176
    assert not optimizer.state


def test_states_that_are_there_are_not_reserved_again():
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([parameter])
    parameter.grad = torch.ones(3)
    optimizer.step()
    assert reserve_states(optimizer) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("generates", "part", "advice"),
    [
        # 8 rows x 2 heads x 16 x 2 10^6 x 4 bytes = 2 GB for the keys of the one layer, and 0.8 GB are allowed
        ("generates", "key-value cache of a generation, with 8 rows", "`grpo.trainer.steps_per_generation` (now 2)"),
        # 4 rows x 32 x 2 10^6 x 4 bytes = 1 GB for the embeddings
        (
            "receives",
            "the loss and its gradients, with 4 rows",
            "raise `grpo.trainer.gradient_accumulation_steps` (now 2)",
        ),
    ],
)
def test_too_little_memory_is_told_with_the_sizes_and_what_to_lower(folder, tmp_path, generates, part, advice):
    (tmp_path / "errors").mkdir()
    finished = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder), generates],
        env=os.environ | {"TORCHELASTIC_ERROR_FILE": str(tmp_path / "errors" / "rank-0.json"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 1, finished.stderr[-3000:]
    told = explain_failure(read_errors(tmp_path), finished.stderr, "grpo", {}).splitlines()
    assert told[0].startswith("rank 0: RehearsalMemoryError: the memory does not suffice")
    assert part in told[0]
    assert "2000000 completion tokens" in told[0]
    assert "you tried to allocate" in told[1]
    assert "- lower `grpo.trainer.max_completion_length` (now 2000000)" in told
    assert advice in "\n".join(told)
    assert told[-1] == "- train adapters (`grpo.lora`)"  # no other advice, which knows less, and no traceback
