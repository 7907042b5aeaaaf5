"""What needs a kernel, behind a button that says so.

An executed notebook then holds no controls that do nothing, and none of the megabytes of script that come with them.
"""

from collections.abc import Callable

import ipywidgets as widgets


def offer(what: str, build: Callable[[], widgets.Widget]) -> widgets.VBox:
    """A button that puts something interactive in its place.

    Args:
        what: what it opens, as the words on the button.
        build: makes it; called by the first press.
    """
    button = widgets.Button(description=what, button_style="primary", layout=widgets.Layout(width="max-content"))
    note = widgets.HTML(
        "<i>This needs a running kernel: in a notebook that was opened again, run this cell and those above it "
        "first.</i>"
    )
    box = widgets.VBox([button, note])

    def open_it(_: widgets.Button) -> None:
        button.disabled, button.description = True, "opening …"
        box.children = [build()]

    button.on_click(open_it)
    return box
