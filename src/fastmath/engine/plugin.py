"""A plugin of vLLM (entry point `vllm.general_plugins`), which it loads in every process of an engine.

vLLM's engine process does not notice when the process that started it is killed: it would go on and keep its memory, on
a GPU until somebody finds it.
"""

import multiprocessing
import os
import signal
import threading
import time

POLL_SECONDS = 1.0
"""Time between two looks at the parent, in seconds."""


def end_with_parent() -> None:
    """Kill this process when its parent has gone, if multiprocessing has started it; otherwise do nothing."""
    if multiprocessing.parent_process() is not None:
        threading.Thread(target=_watch, args=(os.getppid(),), name="end-with-parent", daemon=True).start()


def _watch(parent: int) -> None:
    # By the parent's number, as pipes to it may be held open by its other children.
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
