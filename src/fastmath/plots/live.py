"""Curves that redraw in a notebook while a training writes its log.

While the cell runs they are a picture: JupyterLab puts a new one in the place of the old one without a flicker, and
plotly's extension does not draw a figure again that is there already. At the end the picture gives way to the figure
that can be explored.
"""

import contextlib
import contextvars
import io
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import matplotlib.pyplot as plt
from IPython.display import display, update_display

from fastmath.plots.curves import plot_curves
from fastmath.plots.lines import read_curve_set
from fastmath.plots.panels import MAIN_METRICS, Training
from fastmath.plots.plotly_style import make_bundle
from fastmath.plots.training import plot_losses, plot_reward_curves
from fastmath.runs.metrics import read_metrics

REDRAW_SECONDS = 3.0
"""Time between two drawings, in seconds."""
_LARGEST_SHARE = 0.1
"""Largest share of the time that drawing may take; a long log is drawn less often."""
_DPI = 80


@contextlib.contextmanager
def redraw_curves(folders: Mapping[str, Path], training: Training) -> Iterator[None]:
    """Show the main curves of trainings in a cell, and draw them again every few seconds until the block ends.

    What stays in the cell can be explored and needs no kernel; a block that trains nothing leaves what there is.

    Args:
        folders: name of a run → folder of its training, with `metrics.jsonl`, which need not exist yet.
        training: which stage they are of.
    """

    def redraw() -> None:
        pause = REDRAW_SECONDS
        while not ended.wait(pause):
            began = time.monotonic()
            update_display({"image/png": draw_picture(folders, training)}, display_id=name, raw=True)
            pause = max(REDRAW_SECONDS, (time.monotonic() - began) / _LARGEST_SHARE)

    name, ended = uuid.uuid4().hex, threading.Event()
    display({"image/png": draw_picture(folders, training)}, display_id=name, raw=True)
    # The context says to which cell the drawings belong.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(redraw,), name="curves", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        drawn = plot_curves(read_curve_set(folders, training, metrics=MAIN_METRICS[training]))
        update_display(make_bundle(drawn), display_id=name, raw=True)


def draw_picture(folders: Mapping[str, Path], training: Training) -> bytes:
    """The curves as a PNG; arguments are those of `redraw_curves`. Of several GRPO trainings the first is drawn."""
    rows = {name: read_metrics(folder / "metrics.jsonl") for name, folder in folders.items()}
    if training == "sft":
        figure = plot_losses(rows)
    else:
        name, folder = next(iter(folders.items()))
        figure = plot_reward_curves(read_metrics(folder.parent / "sft" / "metrics.jsonl"), rows[name])
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_DPI)
    plt.close(figure)
    return buffer.getvalue()
