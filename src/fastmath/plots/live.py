"""Curves that redraw in a notebook while a training writes its log."""

import contextlib
import contextvars
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from IPython.display import display, update_display

from fastmath.plots.curves import plot_curves
from fastmath.plots.lines import read_curve_set
from fastmath.plots.panels import MAIN_METRICS, Training
from fastmath.plots.plotly_style import make_bundle

REDRAW_SECONDS = 3.0
"""Time between two drawings, in seconds."""
_LARGEST_SHARE = 0.1
"""Largest share of the time that drawing may take; a long log is drawn less often."""


@contextlib.contextmanager
def redraw_curves(folders: Mapping[str, Path], training: Training) -> Iterator[None]:
    """Show the main curves of trainings in a cell, and draw them again every few seconds until the block ends.

    The last drawing stays in the cell and needs no kernel; a block that trains nothing leaves what there is.

    Args:
        folders: name of a run → folder of its training, with `metrics.jsonl`, which need not exist yet.
        training: which stage they are of.
    """

    def draw() -> dict[str, object]:
        return make_bundle(plot_curves(read_curve_set(folders, training, metrics=MAIN_METRICS[training])))

    def redraw() -> None:
        pause = REDRAW_SECONDS
        while not ended.wait(pause):
            began = time.monotonic()
            update_display(draw(), display_id=name, raw=True)
            pause = max(REDRAW_SECONDS, (time.monotonic() - began) / _LARGEST_SHARE)

    name, ended = uuid.uuid4().hex, threading.Event()
    display(draw(), display_id=name, raw=True)
    # The context says to which cell the drawings belong.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(redraw,), name="curves", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        update_display(draw(), display_id=name, raw=True)
