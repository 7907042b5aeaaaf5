"""A plugin of vLLM (entry point `vllm.general_plugins`), which it loads in every process of an engine.

vLLM's engine process does not notice when the process that started it is killed: it would go on and keep its memory, on
a GPU until somebody finds it.
"""

import multiprocessing
import os

from fastmath.runs.environment import end_with


def end_with_parent() -> None:
    """Kill this process when its parent has gone, if multiprocessing has started it; otherwise do nothing."""
    if multiprocessing.parent_process() is not None:
        end_with(os.getppid())
