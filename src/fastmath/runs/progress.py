"""How far a stage has come: a small file in its folder that whoever does the work writes, and that everybody reads.

The training, sampling and contest processes write it; the notebook's bar, the line of `fastmath run` and
`fastmath status` say what stands there.
"""

import json
import logging
import math
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tqdm.auto import tqdm

logger = logging.getLogger(__name__)

PROGRESS_FILE = "progress.json"
WRITE_SECONDS = 1.0
"""Shortest time between two writes of the file, in seconds; the last state is always written."""
TOKENS_PER_SECOND = "tokens/s"
"""Name of the figure that also becomes the manifest's `tokens_per_second`."""


@dataclass(frozen=True)
class Progress:
    """How far the work of a stage has come.

    Attributes:
        unit: what is counted, in the singular: `step`, `sample`, `question` or `row`.
        done: how many are done, those before an interruption included.
        total: how many there will be; None where that is not known.
        began: wall-clock time, in seconds since the epoch, when this process began to count.
        began_at: how many were done then; more than 0 after an interruption.
        updated: wall-clock time of this state, in seconds since the epoch.
        label: part of the stage that is being worked on, such as the name of a model; empty where there is one only.
        figures: figures to show, by their labels, in order; a figure that is no finite number is None.
    """

    unit: str
    done: int
    total: int | None
    began: float
    began_at: int
    updated: float
    label: str = ""
    figures: Mapping[str, float | None] = field(default_factory=dict)

    def seconds_left(self, now: float) -> float | None:
        """Expected time to the end, in seconds; None where nothing has been done yet or the total is not known.

        The pace is that of this process alone, so the estimate is right at once after an interruption.

        Example: begun at step 40, step 50 of 90 after 20 s: 2 s a step, 40 steps to go, 80 s less what has passed since
        the last update.
        """
        if self.total is None or self.done <= self.began_at:
            return None
        pace = (self.updated - self.began) / (self.done - self.began_at)
        return max(0.0, pace * (self.total - self.done) - (now - self.updated))

    def describe_figures(self) -> str:
        """The figures, each behind its label."""
        return " · ".join(f"{name} {format_figure(value)}" for name, value in self.figures.items())

    def describe(self, now: float, since: float | None = None) -> str:
        """One line: what is done of what, the figures, the time that has passed, and the time that is left.

        Args:
            now: the present, in seconds since the epoch.
            since: when the time began to pass, likewise; None takes the time when this process began to count.
        """
        total = "" if self.total is None else f" of {self.total:,}"
        parts = [f"{self.unit} {self.done:,}{total}" + (f" ({self.label})" if self.label else "")]
        parts += [self.describe_figures()] if self.figures else []
        parts.append(f"{format_seconds(now - (self.began if since is None else since))} elapsed")
        left = self.seconds_left(now)
        if left is not None:
            parts.append(f"{format_seconds(left)} left")
        return " · ".join(parts)


class ProgressFile:
    """Writes the progress of one piece of work, at most once in `WRITE_SECONDS`."""

    def __init__(self, folder: Path, unit: str, total: int | None, *, began_at: int = 0, label: str = "") -> None:
        """Begin to count.

        Args:
            folder: the stage's folder.
            unit: what is counted, in the singular.
            total: how many there will be; None where that is not known.
            began_at: how many are done already.
            label: part of the stage that is being worked on.
        """
        now = time.time()
        self._path = folder / PROGRESS_FILE
        self._progress = Progress(unit, began_at, total, now, began_at, now, label)
        self._written = -math.inf
        self.update(began_at)

    def update(
        self,
        done: int,
        figures: Mapping[str, float | None] | None = None,
        *,
        label: str | None = None,
        last: bool = False,
    ) -> None:
        """Tell how many are done; the file is written if its last writing is long enough ago.

        Args:
            done: how many are done now.
            figures: figures that replace those of the same names; None changes none.
            label: part of the stage that is being worked on; None changes nothing.
            last: whether this is the last state, which is written in any case.
        """
        finite = {
            name: value if value is not None and math.isfinite(value) else None
            for name, value in (figures or {}).items()
        }
        self._progress = replace(
            self._progress,
            done=done,
            updated=time.time(),
            label=self._progress.label if label is None else label,
            figures={**self._progress.figures, **finite},
        )
        if last or time.monotonic() - self._written >= WRITE_SECONDS:
            self._written = time.monotonic()
            self._write()

    def _write(self) -> None:
        # Whole at every moment, but without the wait for the disk that `runs.files` takes: a clock may be running.
        aside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            aside.write_text(json.dumps(asdict(self._progress)))
            aside.replace(self._path)
        except OSError as error:  # the work itself is worth more than word of it
            logger.warning("the progress cannot be written: %s", error)


class ProgressBar:
    """A notebook's bar, which shows what stands in a stage's progress file; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened = time.time()
        self._bar: tqdm[Any] | None = None
        self._began: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.show()
        self.close()

    def show(self) -> None:
        """Draw the present state; each piece of work of the stage gets a bar of its own."""
        progress = read_progress(self._folder)
        if progress is None or progress.updated < self._opened:  # an earlier run's
            return
        if self._bar is None or progress.began != self._began:
            self.close()
            # The bar's pace, like that of the file, counts from where this process began.
            self._bar = tqdm(unit=progress.unit, total=progress.total, initial=progress.began_at, dynamic_ncols=True)
            self._bar.start_t = self._began = progress.began
        self._bar.set_description(progress.label or self._folder.name, refresh=False)
        self._bar.set_postfix_str(progress.describe_figures(), refresh=False)
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        """Draw the last state and end the bar."""
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()
            self._bar = None


class ProgressCounter:
    """Counts what is done in this very process, both in the stage's progress file and in the notebook's bar."""

    def __init__(self, folder: Path, unit: str, total: int | None, label: str = "") -> None:
        """Begin to count; the arguments are those of `ProgressFile`."""
        self._bar = ProgressBar(folder)
        self._file = ProgressFile(folder, unit, total, label=label)
        self._done = 0

    def add(self, count: int, figures: Mapping[str, float | None] | None = None, *, label: str | None = None) -> None:
        """Count some more; `figures` and `label` as in `ProgressFile.update`."""
        self._done += count
        self._file.update(self._done, figures, label=label)
        self._bar.show()

    def close(self, figures: Mapping[str, float | None] | None = None) -> None:
        """Write and draw the last state, with these figures."""
        self._file.update(self._done, figures, last=True)
        self._bar.show()
        self._bar.close()


def read_progress(folder: Path) -> Progress | None:
    """The last written progress of the stage in this folder; None if there is none."""
    path = folder / PROGRESS_FILE
    try:
        return Progress(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None


def format_seconds(seconds: float) -> str:
    """A duration as `0:42`, `12:05` or `3:04:05`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_figure(value: float | None) -> str:
    """A figure with three significant digits, or all digits before its point; `?` where it is no finite number."""
    if value is None:
        return "?"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
