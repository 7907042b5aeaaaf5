"""Validation of GRPO: samples of problems that are not trained on, drawn from the policy every few steps.

They are drawn and judged by the evaluation's own sampler, and read as the trained model's samples will be. Every
validation is kept as a table of samples, `validation/step-00015.parquet` in the stage's folder, and its figures stand
in `metrics.jsonl`, with 95 % intervals over problems.
"""

from pathlib import Path
from typing import Any

import polars as pl
import torch
from accelerate.utils import gather_object
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from fastmath.prompts import SYSTEM_PROMPTS
from fastmath.recipe.grpo import ValidationSettings
from fastmath.recipe.sections import Recipe
from fastmath.runs.files import write_parquet
from fastmath.sampling.sampler import make_drawing, sample_problems
from fastmath.training.callbacks import StopGuard
from fastmath.training.checkpoints import CandidateKeeper
from fastmath.training.metric_names import VALIDATION
from fastmath.training.policy_engine import PolicyEngine
from fastmath.training.selection import Validation, list_validation_files, measure_samples, read_validations
from fastmath.training.sets import choose_validation_sampling
from fastmath.training.timing import TimedGRPOTrainer


class Validator:
    """Measures the policy of a trainer, on all its processes together."""

    def __init__(self, trainer: TimedGRPOTrainer, recipe: Recipe, problems: pl.DataFrame, folder: Path) -> None:
        """Set what to measure.

        Args:
            trainer: the trainer.
            recipe: the recipe, whose `grpo.validation`, `grpo.answers` and `evaluate` say how samples are drawn.
            problems: table of `id, problem, answer`.
            folder: the stage's folder.
        """
        self._trainer, self._folder = trainer, folder
        self._settings: ValidationSettings = recipe.grpo.validation
        self._problems = problems
        self._answer_place = recipe.grpo.answers.answer_place
        self._system_prompt = SYSTEM_PROMPTS[recipe.evaluate.system_prompt or recipe.model.system_prompt]
        sampling = choose_validation_sampling(recipe, trainer.args.max_completion_length)
        self.drawing = make_drawing(sampling, recipe.grpo.answers)
        self._seed = recipe.seed

    def is_due(self, step: int) -> bool:
        """Whether the policy is to be measured after this many steps, and has not been."""
        return step % self._settings.every == 0 and not self.is_measured(step)

    def is_measured(self, step: int) -> bool:
        """Whether the policy has been measured after this many steps."""
        return self._path(step).exists()

    def measure(self, step: int) -> Validation:
        """Draw the samples, each process its part, write them and tell all processes what they show."""
        accelerator = self._trainer.accelerator
        with self._trainer.measure(VALIDATION):
            mine = _divide(self._problems, accelerator.num_processes)[accelerator.process_index]
            engine = PolicyEngine(self._trainer, self._seed)
            drawn = sample_problems(
                engine, mine, self._settings.samples, self.drawing, self._system_prompt, self._answer_place
            )
            # a problem that was drawn twice, so that all draw as many, counts once
            samples = pl.concat(gather_object([drawn])).unique(["problem_id", "sample"], maintain_order=True)
            samples = self._problems.select(problem_id="id").join(samples, on="problem_id", maintain_order="left_right")
            if accelerator.is_main_process:
                self._path(step).parent.mkdir(exist_ok=True)
                write_parquet(samples, self._path(step))
            accelerator.wait_for_everyone()
        self._trainer.model.train()
        self._trainer._last_loaded_step = -1  # vLLM forgets what it has cached, as it would in a resumed training
        return measure_samples(step, samples)

    def read_until(self, step: int) -> list[Validation]:
        """The validations up to this many steps; later ones, of a training that was interrupted, are removed."""
        accelerator = self._trainer.accelerator
        if accelerator.is_main_process:
            for later, path in list_validation_files(self._folder).items():
                if later > step:
                    path.unlink()
        accelerator.wait_for_everyone()
        return read_validations(self._folder)

    def _path(self, step: int) -> Path:
        return self._folder / "validation" / f"step-{step:05d}.parquet"


class ValidationCallback(TrainerCallback):
    """Measures the policy before the first step, every few steps and at the end, and keeps the models to choose from.

    The figures are logged with the step's own.
    """

    def __init__(
        self, trainer: TimedGRPOTrainer, validator: Validator, keeper: CandidateKeeper, stop: StopGuard
    ) -> None:
        """Set what measures and what keeps.

        Args:
            trainer: the trainer.
            validator: measures its policy.
            keeper: keeps its models.
            stop: knows whether the training was interrupted, so that its last step is none.
        """
        self._trainer, self._validator, self._keeper, self._stop = trainer, validator, keeper, stop
        self._validations: list[Validation] = []

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        self._validations = self._validator.read_until(state.global_step)
        if self._validator.is_due(state.global_step):
            self._validate_and_log(state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._validator.is_due(state.global_step):
            self._validate(state.global_step)
            control.should_log = True

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not self._stop.stopped and not self._validator.is_measured(state.global_step):
            self._validate_and_log(state.global_step)

    def _validate_and_log(self, step: int) -> None:
        self._validate(step)
        self._trainer.log({})

    def _validate(self, step: int) -> None:
        if not _is_finite(self._trainer):  # nothing can be sampled; the guard finds it in the step's row
            return
        validation = self._validator.measure(step)
        self._validations.append(validation)
        self._trainer.record(validation.tell(self._validator.drawing.token_budget))
        self._keeper.keep(self._validations)


def _is_finite(trainer: TimedGRPOTrainer) -> bool:
    """Whether all weights are numbers, also those that other processes hold."""
    sums = [weights.detach().sum(dtype=torch.float32).isfinite() for weights in trainer.model.parameters()]
    return bool(trainer.accelerator.gather(torch.stack(sums).all().to(trainer.accelerator.device)).all())


def _divide(problems: pl.DataFrame, parts: int) -> list[pl.DataFrame]:
    """Parts of equal height, for which the first problems stand twice where the number does not divide.

    Example: of 5 problems and 2 parts these are 0, 2, 4 and 1, 3, 0.
    """
    height = -(-problems.height // parts) * parts
    indices = [index % problems.height for index in range(height)]
    return [problems[indices[part::parts]] for part in range(parts)]
