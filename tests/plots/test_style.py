"""The style that all printed figures share."""

import itertools
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from fastmath.plots.style import (
    MODEL_STYLES,
    SERIES,
    STYLE,
    add_legend,
    choose_model_styles,
    choose_styles,
    save_figure,
)


def make_figure() -> Figure:
    figure, axis = plt.subplots()
    axis.plot([1, 2], [3, 4], label="one")
    axis.set_title("title")
    return figure


def test_models_of_any_name_have_styles_of_their_own() -> None:
    styles = choose_model_styles(["grpo", "one", "two", "three", "four", "five"])
    assert len({style.colour for style in styles.values()}) == 6
    assert styles["grpo"] == MODEL_STYLES["grpo"]


def test_more_series_than_styles_begin_again() -> None:
    names = [str(number) for number in range(len(SERIES) + 1)]
    assert list(choose_styles(names).values()) == [*SERIES, SERIES[0]]


@pytest.mark.parametrize("part", ["line", "marker", "hatch"])
def test_series_differ_without_their_colours(part: str) -> None:
    assert len({getattr(style, part) for style in SERIES}) == len(SERIES)


def test_the_models_of_a_run_differ_without_their_colours() -> None:
    assert len({(style.line, style.marker) for style in MODEL_STYLES.values()}) == len(MODEL_STYLES)


def see_without_green(colour: str) -> tuple[float, float, float]:
    """What an eye without green cones sees of a colour: Viénot, Brettel and Mollon 1999, in linear RGB."""
    red, green, blue = (((value + 0.055) / 1.055) ** 2.4 if value > 0.04 else value / 12.92 for value in to_rgb(colour))
    seen = 0.29275 * red + 0.70725 * green
    return seen, seen, -0.02234 * red + 0.02234 * green + blue


def test_colours_are_told_apart_without_green_cones() -> None:
    seen = [see_without_green(style.colour) for style in SERIES]
    distances = [
        sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) for one, other in itertools.combinations(seen, 2)
    ]
    assert min(distances) > 0.03**2


def test_a_figure_is_written_in_both_forms_and_closed(tmp_path: Path) -> None:
    figure = make_figure()
    save_figure(figure, tmp_path / "figure.png")
    assert {path.name for path in tmp_path.iterdir()} == {"figure.png", "figure.svg"}
    assert not plt.fignum_exists(figure.number)


def test_the_same_figure_gives_the_same_svg(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save_figure(make_figure(), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_legend_stands_above_its_panel() -> None:
    with plt.rc_context(dict(STYLE)):
        figure = make_figure()
        (axis,) = figure.axes
        add_legend(axis)
        figure.draw_without_rendering()
    title = next(text for text in axis.findobj(Text) if text.get_text() == "title")
    legend = axis.get_legend().get_window_extent()
    assert axis.get_window_extent().y1 <= legend.y0
    assert legend.y1 <= title.get_window_extent().y0
    plt.close(figure)


def test_a_panel_without_labels_has_no_legend() -> None:
    figure, axis = plt.subplots()
    add_legend(axis)
    assert axis.get_legend() is None
    plt.close(figure)
