"""The stages of a run, in order: what each is told, what it reads and the notebook that runs it."""

from collections.abc import Mapping

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

STAGE_INPUTS: Mapping[str, tuple[str, ...]] = {
    "build_data": (),
    "sft": ("build_data",),
    "grpo": ("build_data", "sft"),
    "reward_curves": ("sft", "grpo"),
    "quantize_awq": ("build_data", "grpo"),
    "evaluate": ("build_data", "sft", "grpo", "quantize_awq"),
    "kernel": ("build_data", "quantize_awq"),
}
"""The earlier stages whose products each stage reads."""


def list_dependents(name: str) -> list[str]:
    """The later stages that read this one's products, directly or through other stages, in order.

    Example: of `quantize_awq` they are `evaluate` and `kernel`.
    """
    found = [name]
    for later, inputs in STAGE_INPUTS.items():
        if not set(inputs).isdisjoint(found):
            found.append(later)
    return found[1:]
