"""Whether vLLM knows a recipe's engine arguments."""

from collections.abc import Mapping
from typing import Any

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.foreign import find_fault


def check_engine_arguments(section: str, arguments: Mapping[str, Any]) -> None:
    """Hold `SECTION.engine.arguments` against vLLM's own `EngineArgs`, before anything is loaded.

    Raises:
        SettingsError: vLLM knows no such argument, or takes no such value; the message names the nearest valid one.
    """
    from vllm.engine.arg_utils import EngineArgs  # its import takes seconds

    if "model" in arguments:
        raise SettingsError(f"`{section}.engine.arguments.model` is set by the run itself; leave it out")
    for name, value in arguments.items():
        fault = find_fault(EngineArgs, name, value)
        if fault is not None:
            raise SettingsError(f"`{section}.engine.arguments.{name}` {fault}")
