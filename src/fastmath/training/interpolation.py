"""A model between the start model and the trained one: brief, and still as various as a vote needs it.

GRPO makes the samples of a problem agree, in what is wrong, too: pass@1 rises while the majority and pass@k fall. On
the way from one set of weights to the other most of the brevity is won at the beginning, and most of the variety lost
at the end. So the product may be start + share · (trained - start), weight by weight (WiSE-FT, arXiv 2109.01903; for
pass@k of reasoning models arXiv 2504.10478). It costs no training.
"""

import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import polars
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from fastmath.prompts import SYSTEM_PROMPTS
from fastmath.recipe.inference import EvaluateSettings
from fastmath.recipe.launches import read_launch
from fastmath.runs.files import write_aside, write_json, write_parquet
from fastmath.runs.stage import Stage
from fastmath.runs.start_model import find_start_model
from fastmath.sampling.jobs import make_job
from fastmath.sampling.processes import run_jobs
from fastmath.training.selection import (
    INTERPOLATION_FILE,
    Validation,
    is_no_worse,
    measure_samples,
    read_choice,
    read_interpolation,
    read_validations,
)
from fastmath.training.sets import choose_validation_sampling, read_validation_set
from fastmath.training.trainers import build_grpo_config

INTERPOLATION = "interpolation"
"""Folder, in that of a GRPO stage, of the interpolation: the trained weights in `trained/`, and the samples."""
ENGINE_TOKENS = 200_000
"""Tokens that are worth a further engine: fewer are drawn by the others before it has started."""


class InterpolationError(RuntimeError):
    """Two models have not the same weights by name and shape."""


def is_trained(folder: Path) -> bool:
    """Whether the training of a GRPO stage has saved its model, in `model/` or, by now, among the interpolation's."""
    return any((model / "tokenizer.json").exists() for model in (folder / "model", _trained(folder)))


def interpolate_product(stage: Stage) -> None:
    """Put the model between start and trained model in the place of the trained one, which is kept.

    Where the training was validated, the interpolated model is sampled on the same problems by the same sampler, and it
    is taken only if it is not worse than the trained one beyond the noise, in pass@1 and in the majority. What an
    interrupted call has done is not done again.

    Args:
        stage: the stage `grpo`, which has trained, of a recipe with `grpo.interpolation`.

    Raises:
        InterpolationError: the models have other weights.
        fastmath.runs.process.ChildFailedError: a sampling process failed; what was drawn is kept.
    """
    folder = stage.folder / INTERPOLATION
    product, trained = stage.folder / "model", _trained(stage.folder)
    found = read_interpolation(stage.folder)
    if found is None:
        share = stage.recipe.grpo.interpolation
        interpolate_weights(find_start_model(stage).fetch(), product, share, folder / "model")
        found = {"share": share, "taken": True}
        if stage.recipe.grpo.validation is not None:
            problems = read_validation_set(stage.run_dir, stage.recipe.grpo.validation)
            sampling = limit_engines(_choose_sampling(stage), problems.height)
            validation = _validate(stage, folder, problems, sampling)
            found["taken"] = is_no_worse(validation, _read_chosen(stage.folder))
            found |= validation.tell(sampling.token_budget)
        write_json(stage.folder / INTERPOLATION_FILE, found)
    if not found["taken"]:
        shutil.rmtree(folder / "model", ignore_errors=True)
        return
    if not trained.exists():
        product.rename(trained)
    if (folder / "model").exists():
        (folder / "model").rename(product)


def limit_engines(sampling: EvaluateSettings, problems: int) -> EvaluateSettings:
    """The settings of a sampling with as many engines as its tokens are worth, at most those of the settings.

    Args:
        sampling: settings of a sampling.
        problems: number of problems, each with `sampling.samples` samples of up to `sampling.token_budget` tokens.

    Example: 100 problems with 4 samples of 256 tokens are worth one engine, with 4 of 16,384 tokens 33.
    """
    worth = math.ceil(problems * sampling.samples * sampling.token_budget / ENGINE_TOKENS)
    return sampling.model_copy(update={"engines": min(sampling.engines, worth)})


def interpolate_weights(start: Path, trained: Path, share: float, destination: Path) -> None:
    """Write the model start + share · (trained - start), with the configuration and tokenizer of the trained one.

    Sums are made in float32, tensor by tensor, and rounded to the trained model's type; a file of weights is held in
    memory at a time.

    Args:
        start: folder of a model.
        trained: folder of what was trained from it.
        share: share of the trained weights; 0 is the start, 1 the trained model.
        destination: the new folder.

    Raises:
        InterpolationError: a weight of the trained model is missing from the start model, or has another shape there.

    Example: a weight of 1.0 that training has brought to 2.0 is 1.7 at a share of 0.7.
    """
    places = _find_tensors(start)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with write_aside(destination) as aside:
        shutil.copytree(trained, aside, ignore=shutil.ignore_patterns("*.safetensors"))
        for file in sorted(trained.glob("*.safetensors")):
            with safe_open(file, framework="pt") as tensors:
                mixed = {
                    name: _mix(name, _read_tensor(places, name, start), tensors.get_tensor(name), share)
                    for name in tensors.keys()  # noqa: SIM118 (a safetensors file is no mapping)
                }
                save_file(mixed, aside / file.name, metadata=tensors.metadata())


def _mix(name: str, start: torch.Tensor, trained: torch.Tensor, share: float) -> torch.Tensor:
    if start.shape != trained.shape:
        raise InterpolationError(
            f"the weights {name!r} have the shape {tuple(start.shape)} in the start model and {tuple(trained.shape)} "
            "in the trained one; want the model from which it was trained"
        )
    if not trained.is_floating_point():
        return trained
    return start.float().lerp(trained.float(), share).to(trained.dtype)


def _find_tensors(folder: Path) -> dict[str, Path]:
    places = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            places |= dict.fromkeys(tensors.keys(), file)
    return places


def _read_tensor(places: Mapping[str, Path], name: str, folder: Path) -> torch.Tensor:
    if name not in places:
        raise InterpolationError(
            f"the weights {name!r} of the trained model are not in the start model {folder}; want the model from which "
            "it was trained, or train without `grpo.interpolation`"
        )
    with safe_open(places[name], framework="pt") as tensors:
        return tensors.get_tensor(name)


def _validate(stage: Stage, folder: Path, problems: polars.DataFrame, sampling: EvaluateSettings) -> Validation:
    """Sample the interpolated model as the trained one was in its validations."""
    recipe = stage.recipe
    write_parquet(problems, folder / "problems.parquet")
    job = make_job(
        INTERPOLATION,
        folder / "model",
        folder / "problems.parquet",
        sampling,
        recipe.grpo.answers,
        SYSTEM_PROMPTS[recipe.evaluate.system_prompt or recipe.model.system_prompt],
        recipe.seed,
        folder / "samples.parquet",
    )
    run_jobs([job], stage.folder)
    return measure_samples(0, polars.read_parquet(job.destination))


def _choose_sampling(stage: Stage) -> EvaluateSettings:
    processes = read_launch(stage.recipe.grpo).processes
    config = build_grpo_config(stage.recipe, stage.folder, processes=processes)
    return choose_validation_sampling(stage.recipe, config.max_completion_length)


def _read_chosen(folder: Path) -> Validation:
    """The validation of the model that the training has chosen."""
    step = (read_choice(folder) or {})["step"]
    return next(each for each in read_validations(folder) if each.step == step)


def _trained(folder: Path) -> Path:
    return folder / INTERPOLATION / "trained"
