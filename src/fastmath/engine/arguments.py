"""Check of a recipe's engine arguments against those that the installed vLLM accepts."""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
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
    with _import_unnoticed():
        from vllm.engine.arg_utils import EngineArgs  # late: it takes seconds

    if "model" in arguments:
        raise SettingsError(f"`{section}.engine.arguments.model` is set by the run itself; leave it out")
    for name, value in arguments.items():
        fault = find_fault(EngineArgs, name, value)
        if fault is not None:
            raise SettingsError(f"`{section}.engine.arguments.{name}` {fault}")


@contextlib.contextmanager
def _import_unnoticed() -> Iterator[None]:
    """Let vLLM be imported without the traces that it leaves in a process which only asks for its settings.

    It sets environment variables, which every stage started later would inherit, and warns of what a laptop lacks.
    """
    environment, vllm_logger = dict(os.environ), logging.getLogger("vllm")
    level = vllm_logger.level
    vllm_logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        vllm_logger.setLevel(level)
        os.environ.clear()
        os.environ.update(environment)
