"""Executing a notebook by papermill, so that it can be interrupted in an orderly way and keeps the terminal clean."""

import contextlib
import errno
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nbclient.exceptions import DeadKernelError
from papermill import execute_notebook
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from fastmath.runs.interrupts import Interrupts

KERNEL_NAME = "python3"
"""Jupyter kernel that executes the notebooks."""
ENGINE_NAME = "fastmath"
STOPS = ("KeyboardInterrupt", "StageStoppedError")
"""Errors of a cell that was asked to stop."""


class InterruptibleEngine(NBClientEngine):
    """papermill's engine, which also looks between two cells whether to stop: an idle kernel ignores interrupts."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, interrupts: Interrupts | None = None, **options: Any
    ) -> Any:
        """Execute the notebook; `interrupts` is looked at before every cell."""
        start = nb_man.cell_start

        def start_unless_stopped(cell: Any, cell_index: int | None = None, **rest: Any) -> Any:
            if interrupts is not None:
                interrupts.check()
            return start(cell, cell_index, **rest)

        nb_man.cell_start = start_unless_stopped
        return super().execute_managed_notebook(nb_man, kernel_name, **options)


papermill_engines.register(ENGINE_NAME, InterruptibleEngine)


class NotebookFailedError(RuntimeError):
    """A cell of a notebook failed, or its kernel died; the executed notebook holds what there is to see."""


def execute(
    notebook: Path, output: Path, parameters: Mapping[str, Any], folder: Path, interrupts: Interrupts | None = None
) -> None:
    """Execute a notebook in a kernel of its own; what libraries write past Jupyter goes to `notebooks.log`.

    Args:
        notebook: notebook to execute.
        output: path of the executed notebook, which is kept after a failure, too.
        parameters: values for the cell tagged `parameters`.
        folder: working directory of the kernel.
        interrupts: requests to stop; None lets Ctrl-C end the kernel within five seconds, as papermill does.

    Raises:
        NotebookFailedError: a cell failed, or the kernel died.
        KeyboardInterrupt: a stop was requested.
    """
    try:
        with _redirect_output(output.with_name("notebooks.log")), tempfile.TemporaryDirectory() as sockets:
            execute_notebook(
                str(notebook),
                str(output),
                parameters=dict(parameters),
                engine_name=ENGINE_NAME,
                kernel_name=KERNEL_NAME,
                cwd=str(folder),
                progress_bar=False,
                interrupts=interrupts,
                # Unix sockets, because every user of the machine could connect to TCP ports; in a folder of their own,
                # because jupyter_client names them alike for every kernel, and two runs would talk to one kernel.
                config=Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}}),
            )
    except PapermillExecutionError as error:
        if error.ename in STOPS or (interrupts is not None and interrupts.requested):
            raise KeyboardInterrupt from error
        raise NotebookFailedError(f"in cell {error.exec_count}: {error.ename}: {error.evalue}") from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise NotebookFailedError(
            f"as no space is left in {output.parent}; make room, or keep fewer checkpoints (`save_total_limit`), and "
            "run the same command again: it goes on from what is saved"
        ) from error
    except (DeadKernelError, RuntimeError) as error:
        if interrupts is not None and interrupts.requested:
            raise KeyboardInterrupt from error
        if not isinstance(error, DeadKernelError):
            raise
        raise NotebookFailedError(
            "as its Jupyter kernel died, for lack of memory or by a signal; the same command goes on from what is saved"
        ) from error


@contextlib.contextmanager
def _redirect_output(path: Path) -> Iterator[None]:
    """Redirect both outputs of this process, and of the Jupyter kernels that it starts, to a file.

    Libraries in a kernel write to the file descriptors directly, past Jupyter, and would break the progress lines,
    which have a descriptor of their own (`fastmath.cli.live`).
    """
    sys.stdout.flush()
    saved = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    try:
        with path.open("ab") as log:
            for descriptor in saved:
                os.dup2(log.fileno(), descriptor)
            yield
    finally:
        sys.stdout.flush()
        for descriptor, original in saved.items():
            os.dup2(original, descriptor)
            os.close(original)
