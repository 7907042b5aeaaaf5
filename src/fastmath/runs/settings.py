"""Which settings decide the result of a stage, and how two versions of them differ."""

import ast
import re
from collections.abc import Mapping
from typing import Any

from fastmath.recipe.inference import NEUTRAL_ENGINE_ARGUMENTS

NEUTRAL_TRAINER_SETTINGS = frozenset(
    {
        "dataloader_num_workers",
        "dataloader_pin_memory",
        "dataloader_prefetch_factor",
        "ddp_timeout",
        "disable_tqdm",
        "num_completions_to_print",
        "project",
        "report_to",
        "save_total_limit",
        "skip_memory_metrics",
        "trackio_space_id",
    }
)
"""Settings of TRL's trainers that change what is logged or kept and never the weights, as all that begin with `log`."""
MEETING_PLACE = frozenset({"main_process_ip", "main_process_port"})
"""Where the processes of a launch meet, which is another place in every job of a cluster."""
CHECKPOINT_SETTINGS = frozenset({"save_steps", "save_strategy"})
"""Settings that change the weights only where the best of the saved checkpoints becomes the model."""


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted key; lists of mappings are entered by index, other lists are values.

    Example: `{"a": {"b": 1}, "c": [{"d": 2}]}` gives `{"a.b": 1, "c.0.d": 2}`.
    """
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            value = {str(index): item for index, item in enumerate(value)}
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def keep_deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, by dotted key, that can change a stage's result.

    Left out are the numbers of worker processes and what a training logs, prints and keeps. With
    `load_best_model_at_end` the steps at which checkpoints are saved decide which one is chosen, so they stay.
    Accelerate files are compared by their contents (`fastmath.runs.sources`), so their names are left out. None is no
    setting, so that a run does not grow old by a setting that is new.
    """
    flat = flatten(settings)
    return {key: value for key, value in flat.items() if value is not None and not _is_neutral(key, flat)}


def _is_neutral(key: str, flat: Mapping[str, Any]) -> bool:
    section, _, name = key.rpartition(".")
    if section.endswith(".launch"):
        return name in MEETING_PLACE
    if not section.endswith(".trainer"):
        return name in ("workers", "accelerate", "logged_completions")
    if name in CHECKPOINT_SETTINGS:
        return not flat.get(f"{section}.load_best_model_at_end")
    return name in NEUTRAL_TRAINER_SETTINGS or name.startswith("log")


def list_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """The keys in which two flat mappings differ, each with `old → new`; `(not set)` stands for a missing key."""
    keys = sorted(then.keys() | now.keys())
    return {key: f"{_show(then, key)} → {_show(now, key)}" for key in keys if _show(then, key) != _show(now, key)}


NOT_SET = "(not set)"
"""How `list_differences` shows a key that one side does not have."""
_NEUTRAL_TO_SAMPLES = frozenset(
    {"evaluate.budgets", "evaluate.budget_shares", "evaluate.engines", "evaluate.models", "evaluate.shard_samples"}
    | {f"evaluate.engine.arguments.{name}" for name in NEUTRAL_ENGINE_ARGUMENTS}
)


def drop_additions(differences: Mapping[str, str]) -> dict[str, str]:
    """The differences without those that only add to what an evaluation has drawn, or read and report it otherwise.

    More samples, problems, sets or models leave the samples that are there as they are; models and sets may also be
    left out. Another path, or other contents, under the name of a model or a set are no addition.

    Args:
        differences: differences from `list_differences`.
    """
    listed = {key: change for key, change in differences.items() if key.startswith("evaluate.models.")}
    moved = {_name_model(key) for key, change in listed.items() if key.endswith(".path") and NOT_SET in change}
    return {
        key: change
        for key, change in differences.items()
        if not (_name_model(key) in moved if key in listed else _is_addition(key, change))
    }


def _name_model(key: str) -> str:
    """The name in `evaluate.models.NAME.path`, or in `evaluate.models.NAME: FILE`."""
    return re.split("[.:]", key.removeprefix("evaluate.models."))[0]


def _is_addition(key: str, change: str) -> bool:
    then, _, now = change.partition(" → ")
    if key in ("evaluate.samples", "evaluate.problems"):
        return now == NOT_SET or (then.isdigit() and now.isdigit() and int(now) > int(then))
    if key == "evaluate.sets":
        return then != "[]" and set(ast.literal_eval(then)) <= set(ast.literal_eval(now))
    if key.startswith("evaluate.sets."):
        return then == NOT_SET
    return key in _NEUTRAL_TO_SAMPLES or key.endswith(".answers.answer_place")


def _show(settings: Mapping[str, Any], key: str) -> str:
    return str(settings[key]) if key in settings else NOT_SET


def is_resumable(key: str, change: str) -> bool:
    """Whether a stage that was interrupted can go on although this setting has changed.

    So it is with more steps, and with another launch: what to do after a lack of memory, for example.

    Args:
        key: key from `list_differences`.
        change: its value there.
    """
    section, _, name = key.rpartition(".")
    if section.endswith(".trainer") and name == "max_steps":
        then, now = change.split(" → ")
        return then.isdigit() and now.isdigit() and int(now) > int(then)
    return name == "accelerate" or section.endswith((".environment", ".launch"))
