"""The plan of a recipe on a machine: what each stage costs, whether it fits, and which setting to change if not."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastmath.planning.engine_plan import plan_evaluate, plan_kernel, plan_quantize
from fastmath.planning.machine import Machine
from fastmath.planning.memory import GIB
from fastmath.planning.shapes import ModelShape, find_shape
from fastmath.planning.stage_plan import StagePlan
from fastmath.planning.training_plan import plan_grpo, plan_sft
from fastmath.recipe.load import override_recipe
from fastmath.recipe.sections import Recipe
from fastmath.runs.stages import MODEL_SECTIONS, list_stages


@dataclass(frozen=True)
class Plan:
    """What a recipe costs on a machine.

    Attributes:
        recipe: name of the recipe.
        parameters: parameters of its model.
        machine: what it is planned for.
        stages: the plans of its stages; the data and the curves cost little and are left out.
        download: GiB of a Hub model, which go to the cache of `huggingface_hub`.
    """

    recipe: str
    parameters: int
    machine: Machine
    stages: tuple[StagePlan, ...]
    download: float

    @property
    def fits(self) -> bool:
        """Whether every stage can run."""
        return all(stage.fits for stage in self.stages)

    @property
    def disk(self) -> float:
        """GiB that all stages leave on the disk of the run folder."""
        return sum(stage.disk for stage in self.stages)


def make_plan(
    recipe: Recipe, machine: Machine, root: Path, run_dir: Path | None = None, stages: Sequence[str] | None = None
) -> Plan:
    """Plan a recipe.

    Args:
        recipe: the recipe.
        machine: the machine to plan for.
        root: folder at which relative paths in the recipe start.
        run_dir: run folder whose data, where they have been built, are counted; None assumes them.
        stages: names of the stages to plan; None plans all.

    Raises:
        fastmath.planning.shapes.UnknownShapeError: the shape of the base model is not known.
        fastmath.recipe.errors.SettingsError: an accelerate file cannot be read.
    """
    shape = find_shape(recipe, root)
    wanted = [stage for stage in list_stages(recipe) if stages is None or stage in stages]
    plans = []
    for stage in wanted:
        if stage not in (*MODEL_SECTIONS, "evaluate", "kernel"):
            continue
        plan = _plan_stage(stage, recipe, shape, machine, run_dir)
        if not plan.fits:
            plan = replace(plan, hours=None, mends=tuple(_find_mends(stage, recipe, shape, machine, run_dir)))
        plans.append(plan)
    local = recipe.model.nano is not None or (root / recipe.model.name).is_dir()
    download = 0.0 if local else shape.weight_bytes() / GIB
    return Plan(recipe.name, shape.parameters, machine, tuple(plans), download)


def _plan_stage(stage: str, recipe: Recipe, shape: ModelShape, machine: Machine, run_dir: Path | None) -> StagePlan:
    if stage == "sft":
        return plan_sft(recipe, shape, machine, run_dir)
    if stage == "grpo":
        return plan_grpo(recipe, shape, machine, run_dir)
    of_engine: dict[str, Callable[[Recipe, ModelShape, Machine], StagePlan]] = {
        "quantize_awq": plan_quantize,
        "evaluate": plan_evaluate,
        "kernel": plan_kernel,
    }
    return of_engine[stage](recipe, shape, machine)


def _find_mends(stage: str, recipe: Recipe, shape: ModelShape, machine: Machine, run_dir: Path | None) -> Iterator[str]:
    """Settings with which a stage fits: one that suffices, or the first of them that do together; none if none do."""
    changes = list(_list_changes(stage, recipe, machine))
    together: dict[str, Any] = {}
    for change in changes:
        if _plan_stage(stage, override_recipe(recipe, change), shape, machine, run_dir).fits:
            yield from map(_word, change.items())
            return
    for change in changes:
        together |= change
        if _plan_stage(stage, override_recipe(recipe, together), shape, machine, run_dir).fits:
            yield from map(_word, together.items())
            return


def _word(change: tuple[str, Any]) -> str:
    value = str(change[1]).lower() if isinstance(change[1], bool) else change[1]
    return f"{change[0]}={value}"


def _list_changes(stage: str, recipe: Recipe, machine: Machine) -> Iterator[dict[str, Any]]:
    """Changes of a recipe that need less memory, those that change the result least first."""
    settings = recipe.trainings.get(stage)
    if settings is not None:
        trainer, prefix = settings.trainer, f"{stage}.trainer"
        batch = trainer.get("per_device_train_batch_size", 8)
        if not trainer.get("gradient_checkpointing", True):
            yield {f"{prefix}.gradient_checkpointing": True}
        if batch > 1:
            yield {
                f"{prefix}.per_device_train_batch_size": 1,
                f"{prefix}.gradient_accumulation_steps": batch * trainer.get("gradient_accumulation_steps", 1),
            }
        if trainer.get("use_vllm") and not trainer.get("vllm_enable_sleep_mode"):
            yield {f"{prefix}.vllm_enable_sleep_mode": True}
        if trainer.get("use_vllm"):
            for share in (0.2, 0.3, 0.4, 0.5):
                yield {f"{prefix}.vllm_gpu_memory_utilization": share}
        if trainer.get("optim") != "paged_adamw_8bit":
            yield {f"{prefix}.optim": "paged_adamw_8bit"}
        if settings.accelerate == "zero2":
            yield {f"{stage}.accelerate": "zero3"}
        length = "max_length" if stage == "sft" else "max_completion_length"
        for divisor in (2, 4, 8):
            if trainer.get(length, 0) >= 512 * divisor:
                yield {f"{prefix}.{length}": trainer[length] // divisor}
        return
    if stage in ("evaluate", "kernel"):
        arguments = getattr(recipe, stage).engine.arguments
        prefix = f"{stage}.engine.arguments"
        parallel = arguments.get("tensor_parallel_size", 1)
        for wider in (2, 4, 8):
            if wider != parallel and wider <= max(1, machine.gpus):
                yield {f"{prefix}.tensor_parallel_size": wider}
        if parallel > 1:
            yield {f"{prefix}.tensor_parallel_size": 1}
        yield {f"{name}.engine.arguments.kv_cache_dtype": "fp8" for name in ("evaluate", "kernel")}
        for divisor in (2, 4):
            if "max_model_len" in arguments:
                yield {f"{prefix}.max_model_len": arguments["max_model_len"] // divisor}
