"""The stages of a run, in order: what each is told, what it reads and the notebook that runs it.

A recipe need not have all of them. A stage that makes a model begins from the last model that is made before it, or
from the base model: so a run can begin with GRPO, with the quantisation or with the evaluation of any model.
"""

from collections.abc import Mapping
from typing import Any

from fastmath.recipe.inference import NEUTRAL_ENGINE_ARGUMENTS
from fastmath.recipe.sections import Recipe

NOTEBOOKS: Mapping[str, str] = {
    "build_data": "notebooks/01_build_data.ipynb",
    "sft": "notebooks/02_sft.ipynb",
    "grpo": "notebooks/03_grpo.ipynb",
    "reward_curves": "notebooks/04_reward_curves.ipynb",
    "quantize_awq": "notebooks/05_quantize_awq.ipynb",
    "evaluate": "notebooks/06_evaluate.ipynb",
    "kernel": "inference_kernel/kernel.ipynb",
}
"""Every stage in order, with the path of its notebook in the checkout."""

STAGE_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "build_data": ("model", "data"),
    "sft": ("model", "sft"),
    "grpo": ("model", "grpo"),
    "reward_curves": (),
    "quantize_awq": ("quantize",),
    "evaluate": ("evaluate",),
    "kernel": ("kernel",),
}
"""The sections of the recipe that each stage reads; only a change in these makes it stale."""

MODEL_SECTIONS: Mapping[str, str] = {"sft": "sft", "grpo": "grpo", "quantize_awq": "quantize"}
"""Each stage that makes a model, in order → the section of a recipe without which there is no such stage."""

STAGE_INPUTS: Mapping[str, tuple[str, ...]] = {
    "build_data": (),
    "sft": ("build_data",),
    "grpo": ("build_data", "sft"),
    "reward_curves": ("sft", "grpo"),
    "quantize_awq": ("build_data", "sft", "grpo"),
    "evaluate": ("build_data", "sft", "grpo", "quantize_awq"),
    "kernel": ("build_data", "sft", "grpo", "quantize_awq"),
}
"""The earlier stages whose products each stage reads in one recipe or another."""


def list_stages(recipe: Recipe) -> list[str]:
    """The stages that a recipe has, in order; the reward curves are those of GRPO."""
    models = [stage for stage, section in MODEL_SECTIONS.items() if getattr(recipe, section) is not None]
    return [
        stage
        for stage in NOTEBOOKS
        if (stage not in MODEL_SECTIONS or stage in models) and (stage != "reward_curves" or "grpo" in models)
    ]


def find_model_stage(name: str, recipe: Recipe) -> str | None:
    """The stage whose model this one begins from; None begins from the base model.

    Example: `quantize_awq` begins from `grpo`, in a recipe without GRPO from `sft`, without both from the base model.
    """
    before = [stage for stage in list_stages(recipe) if stage in MODEL_SECTIONS and comes_before(stage, name)]
    return before[-1] if before else None


def comes_before(name: str, other: str) -> bool:
    """Whether a stage stands before another."""
    order = list(NOTEBOOKS)
    return order.index(name) < order.index(other)


def list_inputs(name: str, recipe: Recipe) -> tuple[str, ...]:
    """The earlier stages whose products a stage of this recipe reads."""
    there = [stage for stage in STAGE_INPUTS[name] if stage in list_stages(recipe)]
    if name == "evaluate" and recipe.evaluate.sets and (there != ["build_data"] or recipe.evaluate.models):
        return tuple(stage for stage in there if stage != "build_data")  # whose problems are not asked
    if name in ("evaluate", "reward_curves"):  # what every model has brought
        return tuple(there)
    source = find_model_stage(name, recipe)
    return tuple(stage for stage in there if stage not in MODEL_SECTIONS or stage == source)


def select_settings(name: str, recipe: Recipe) -> dict[str, Any]:
    """The seed and the sections of a recipe that a stage reads, as JSON has them.

    How a model's samples end and are read, `answers` in the section that makes it, belongs to the evaluation alone, and
    a licence to nobody. What decides in the evaluation's engine belongs to GRPO, too, where this measures pass rates.
    """
    resolved = recipe.model_dump(mode="json")
    resolved["model"].pop("licence")
    answers = {f"{each}.answers": resolved[each].pop("answers") for each in ("model", *recipe.trainings)}
    settings = {section: resolved[section] for section in STAGE_SECTIONS[name]}
    if name == "grpo" and recipe.grpo is not None and recipe.grpo.pass_rates is not None:
        arguments = resolved["evaluate"]["engine"]["arguments"].items()
        deciding = {argument: value for argument, value in arguments if argument not in NEUTRAL_ENGINE_ARGUMENTS}
        settings["evaluate"] = {"engine": {"arguments": deciding}}
    return {"seed": resolved["seed"]} | settings | (answers if name == "evaluate" else {})


def list_dependents(name: str) -> list[str]:
    """The later stages that may read this one's products, directly or through other stages, in order.

    Example: of `quantize_awq` they are `evaluate` and `kernel`.
    """
    found = [name]
    for later, inputs in STAGE_INPUTS.items():
        if not set(inputs).isdisjoint(found):
            found.append(later)
    return found[1:]
