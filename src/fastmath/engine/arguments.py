"""Check of a recipe's engine arguments against those that the installed vLLM accepts."""

from collections.abc import Mapping
from typing import Any

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.foreign import find_fault


def check_engine_arguments(section: str, arguments: Mapping[str, Any]) -> None:
    """Check a recipe's engine arguments against vLLM's own `EngineArgs`, before any model is loaded.

    Args:
        section: recipe section that the arguments belong to, such as `evaluate`; named in error messages.
        arguments: `engine.arguments` of that section, by vLLM's own names.

    Raises:
        SettingsError: vLLM has no such argument or does not accept its value; the message names the nearest valid one.
    """
    from vllm.engine.arg_utils import EngineArgs  # its import takes seconds

    if "model" in arguments:
        raise SettingsError(f"`{section}.engine.arguments.model` is set by the run itself; leave it out")
    for name, value in arguments.items():
        fault = find_fault(EngineArgs, name, value)
        if fault is not None:
            raise SettingsError(f"`{section}.engine.arguments.{name}` {fault}")
