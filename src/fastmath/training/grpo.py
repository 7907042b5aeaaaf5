"""Stage 2: GRPO by TRL's GRPOTrainer, with rewards that keep the model's answers right and make them shorter.

`run` is called from the notebook and launches this module under accelerate; `python -m fastmath.training.grpo FOLDER`
is the training process itself. Differences from the published code: the rewards count tokens and compare lengths
within the completions of one prompt, the recipe says where rollouts end and where their answers are read, and the
learning-rate schedule ends where the training ends. Beyond it a recipe may leave out prompts by their pass rates, and
sample further ones in the place of those whose completions all earn the same.
"""

from pathlib import Path

import datasets
import polars

from fastmath.prompts import SYSTEM_PROMPTS, build_messages
from fastmath.recipe.launches import read_launch
from fastmath.recipe.load import load_recipe
from fastmath.runs.model_folder import check_model_folder, require_finite
from fastmath.runs.pipeline import make_stage
from fastmath.runs.stage import Stage
from fastmath.runs.start_model import find_start_model
from fastmath.training.callbacks import FiniteGuard, MetricsWriter, ProgressWriter, StopGuard, TokenLimit
from fastmath.training.interpolation import interpolate_product, is_trained
from fastmath.training.judge import make_judge
from fastmath.training.launch import launch, run_training_process
from fastmath.training.pass_rates import measure_pass_rates, read_kept_problems
from fastmath.training.rewards import build_rewards
from fastmath.training.sets import read_validation_set, require_kept_prompts, require_training_set
from fastmath.training.trainers import build_grpo_config


def run(stage: Stage) -> None:
    """Train the SFT model further, or the base model; the products are `model/` and `metrics.jsonl`.

    With `grpo.pass_rates` the start model's pass rates are measured first, see `measure_pass_rates`; with
    `grpo.interpolation` the product is a model between the start model and the trained one, see `interpolate_product`.

    Raises:
        fastmath.recipe.errors.SettingsError: the settings of the trainer or of the rewards cannot work, or the GRPO set
            is too small, or too few prompts of it have a pass rate within the bounds.
        fastmath.runs.process.ChildFailedError: training failed; its log is `train.log`.
        fastmath.runs.model_folder.ModelFolderError: the trained weights are not all finite numbers.
    """
    build_grpo_config(stage.recipe, stage.folder, processes=read_launch(stage.recipe.grpo).processes)
    require_training_set("grpo", stage.recipe, stage.run_dir)
    if stage.recipe.grpo.validation is not None:
        read_validation_set(stage.run_dir, stage.recipe.grpo.validation)
    find_start_model(stage).require_whole()
    if not is_trained(stage.folder):
        if stage.recipe.grpo.pass_rates is not None:
            require_kept_prompts(measure_pass_rates(stage), stage.recipe, stage.run_dir)
        launch("fastmath.training.grpo", stage, stage.recipe.grpo)
    if stage.recipe.grpo.interpolation is not None:
        interpolate_product(stage)
    check_model_folder(stage.folder / "model")
    require_finite(stage.folder / "model")


def build_prompts(problems: polars.DataFrame, system_prompt: str | None) -> datasets.Dataset:
    """The training set of a table of `problem, answer`: columns `prompt` (messages) and `answer` (str)."""
    return datasets.Dataset.from_list(
        [
            {"prompt": build_messages(problem, system_prompt), "answer": str(answer)}
            for problem, answer in problems.select("problem", "answer").iter_rows()
        ]
    )


def train(folder: Path, run_dir: Path) -> None:
    """Train in this process.

    Args:
        folder: folder of the stage, with the resolved recipe in `config.yaml`.
        run_dir: the run folder, with the products of the earlier stages.
    """
    # Late, for their weight: the notebook that launches this module imports it, too, and trains nothing itself.
    from fastmath.engine.colocation import keep_weights_loadable
    from fastmath.training.checkpoints import CandidateKeeper, train_from_last_checkpoint
    from fastmath.training.guard import Guard
    from fastmath.training.models import load_model, make_adapters
    from fastmath.training.policy import WatchedGRPOTrainer
    from fastmath.training.rehearsal import Rehearsal
    from fastmath.training.rollout_log import RolloutLog
    from fastmath.training.rollouts import end_rollouts
    from fastmath.training.validation import ValidationCallback, Validator

    recipe = load_recipe(str(folder / "config.yaml"))
    config = build_grpo_config(recipe, folder)
    start = find_start_model(make_stage("grpo", recipe, run_dir))
    model, tokenizer = load_model(start.name, config, start.revision)
    stop = StopGuard(folder)
    rollouts = recipe.grpo.rollouts
    judge = make_judge(recipe.grpo.verification, rollouts.answer_place)
    if config.use_vllm and config.device.type == "cpu":
        keep_weights_loadable()
    problems = read_kept_problems(run_dir, recipe.grpo.pass_rates)
    with end_rollouts(config, model, tokenizer, rollouts.generation_end):
        trainer = WatchedGRPOTrainer(
            model=model,
            reward_funcs=build_rewards(recipe.grpo.rewards, config.num_generations, judge),
            args=config,
            train_dataset=build_prompts(problems, SYSTEM_PROMPTS[recipe.model.system_prompt]),
            processing_class=tokenizer,
            peft_config=make_adapters(recipe.grpo.lora),
            callbacks=[MetricsWriter(folder / "metrics.jsonl"), ProgressWriter(folder), stop],
            oversampling=recipe.grpo.oversampling,
            rollout_log=RolloutLog(folder, recipe.grpo.logged_completions) if recipe.grpo.logged_completions else None,
        )
    if recipe.grpo.rehearsal:
        trainer.add_callback(Rehearsal(trainer, folder))
    if recipe.grpo.generated_tokens is not None:
        trainer.add_callback(TokenLimit(recipe.grpo.generated_tokens, folder / "metrics.jsonl"))
    keeper = None
    if recipe.grpo.validation is None:
        trainer.add_callback(FiniteGuard())  # there is no other model to go back to
    trainer.add_callback(Guard(folder, recipe.grpo.guard))
    if recipe.grpo.validation is not None:
        problems = read_validation_set(run_dir, recipe.grpo.validation)
        keeper = CandidateKeeper(trainer, folder)
        trainer.add_callback(ValidationCallback(trainer, Validator(trainer, recipe, problems, folder), keeper, stop))
    train_from_last_checkpoint(trainer, stop, folder, keeper)


if __name__ == "__main__":
    run_training_process(train)
