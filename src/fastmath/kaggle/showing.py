"""What the notebook shows of a contest: the replay over limits, where votes were recorded, and interactive figures.

IPython is imported late: the contest's process knows this module for the files' names, and has no Jupyter on Kaggle.
The notebook's own interpreter in turn has no plotly, or another one than was pinned: figures come as files.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.display import DisplayObject

LIMITS_TABLE, LIMITS_FIGURE = "limits.md", "limits.png"
"""Files in the folder of a contest; there is no figure where there was nothing to replay."""


TIMELINE_FIGURE, VOTES_FIGURE = "timeline.plotly.json", "votes.plotly.json"
"""Files in the folder of a contest: interactive figures as a notebook keeps them, by MIME type."""


def show_figure(path: Path) -> None:
    """Show an interactive figure, from a file in the folder of a contest; it is drawn without a kernel, too."""
    from IPython.display import display

    display(json.loads(path.read_text()), raw=True)


def show_limits(folder: Path) -> list["DisplayObject"]:
    """The replay in words and as a table, and its figure; where there was nothing to replay, the reason alone.

    Args:
        folder: folder of the contest, from `fastmath.kaggle.installation.play_contest`.
    """
    from IPython.display import Image, Markdown

    figure = folder / LIMITS_FIGURE
    image = [Image(figure, width=1000)] if figure.exists() else []
    return [Markdown((folder / LIMITS_TABLE).read_text()), *image]
