"""What the notebook shows where it may be there or not: the replay over limits, which wants recorded votes.

IPython is imported late: the contest's process knows this module for the files' names, and has no Jupyter on Kaggle.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.display import DisplayObject

LIMITS_TABLE, LIMITS_FIGURE = "limits.md", "limits.png"
"""Files in the folder of a contest; there is no figure where there was nothing to replay."""


def show_limits(folder: Path) -> list["DisplayObject"]:
    """The replay in words and as a table, and its figure; where there was nothing to replay, the reason alone.

    Args:
        folder: folder of the contest, from `fastmath.kaggle.installation.play_contest`.
    """
    from IPython.display import Image, Markdown

    figure = folder / LIMITS_FIGURE
    image = [Image(figure, width=1000)] if figure.exists() else []
    return [Markdown((folder / LIMITS_TABLE).read_text()), *image]
