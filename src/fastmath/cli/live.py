"""The line of `fastmath run` that says where the running stage stands, in a terminal and in a log."""

import os
import shutil
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from fastmath.runs.progress import format_seconds, read_progress

TERMINAL_SECONDS = 0.5
"""Time between two states of the line in a terminal, where it is drawn over, in seconds."""
LOG_SECONDS = 30.0
"""Time between two lines where the output is no terminal, in seconds."""
_CLEAR = "\r\x1b[2K"


class LiveLine:
    """Context manager that shows the progress of one stage, from a thread of its own."""

    def __init__(self, title: str, folder: Path, output: TextIO | None = None) -> None:
        """Set what to show.

        Args:
            title: beginning of the line.
            folder: the stage's folder, whose progress file is read.
            output: where to write; None takes the present standard output, also while that is redirected.
        """
        self._title, self._folder = title, folder
        self._output = output or os.fdopen(os.dup(1), "w")
        self._terminal = self._output.isatty()
        self._began = time.time()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-line", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self._terminal:
            self._write(_CLEAR)

    def say(self, text: str) -> None:
        """Write a line of its own, which stays."""
        self._write(f"{_CLEAR if self._terminal else ''}{text}\n")

    def describe(self) -> str:
        """The line at this moment."""
        now = time.time()
        progress = read_progress(self._folder)
        if progress is None or progress.updated < self._began:  # nothing has been counted yet
            return f"{self._title} · starting · {format_seconds(now - self._began)} elapsed"
        return f"{self._title} · {progress.describe(now, since=self._began)}"

    def _run(self) -> None:
        while not self._ended.wait(TERMINAL_SECONDS if self._terminal else LOG_SECONDS):
            width = shutil.get_terminal_size().columns - 1
            self._write(f"{_CLEAR}{self.describe()[:width]}" if self._terminal else f"{self.describe()}\n")

    def _write(self, text: str) -> None:
        self._output.write(text)
        self._output.flush()
