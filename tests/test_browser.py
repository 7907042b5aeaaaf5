"""Notebooks in a real browser: what is drawn, and how it answers to a mouse and to a keyboard."""

import json
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from fastmath.plots.curves import plot_curves
from fastmath.plots.lines import read_curve_set
from fastmath.plots.plotly_style import make_bundle
from fastmath.recipe.load import REPOSITORY_FOLDER
from helpers.jupyter_lab import CHROMIUM, Visit, open_browser, run_all_cells, serve_lab, visit
from helpers.made_training import make_grpo_rows, write_finished_run, write_rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="wants Debian's Chromium: apt-get install chromium"),
]

FIGURES = ".js-plotly-plot"
PATHS = """place => [...document.querySelectorAll('.js-plotly-plot')[place]
    .querySelectorAll('.scatterlayer path.js-line')].map(path => path.getAttribute('d')).join(' ')"""
"""The lines of a figure as they are drawn."""
LAST_STEP = """place => Math.max(0, ...(document.querySelectorAll('.js-plotly-plot')[place]?._fullData ?? [])
    .filter(trace => trace.meta?.metric === 'reward').map(trace => Math.max(...trace.x)))"""
LIVE = """
import time
from pathlib import Path
from fastmath.plots.live import redraw_curves

folder = Path({folder!r})
with redraw_curves({{"run": folder}}, "grpo"):
    while not (folder / "end").exists():
        time.sleep(0.1)
"""
"""A cell that trains until the file `end` is there."""


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 60 steps, with another one of 40 beside it."""
    folder = tmp_path_factory.mktemp("runs")
    write_finished_run(folder / "beside", steps=40)
    return write_finished_run(folder / "run", steps=60)


@pytest.fixture(scope="module")
def notebooks(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 04 on this run, a figure that was drawn earlier, and curves that redraw."""
    folder = tmp_path_factory.mktemp("notebooks")
    curves = nbformat.read(REPOSITORY_FOLDER / "notebooks" / "04_reward_curves.ipynb", as_version=4)
    parameters = next(cell for cell in curves.cells if "parameters" in cell.metadata.get("tags", []))
    parameters.source += f"\nrun_dir = {str(run_dir)!r}"
    nbformat.write(curves, folder / "curves.ipynb")
    bundle = make_bundle(plot_curves(read_curve_set({"run": run_dir / "grpo"}, "grpo")))
    drawn = new_code_cell("1 / 0  # never run here", outputs=[new_output("display_data", data=bundle)])
    nbformat.write(new_notebook(cells=[drawn], metadata=curves.metadata), folder / "drawn.ipynb")
    live = new_code_cell(LIVE.format(folder=str(run_dir.parent / "live")))
    nbformat.write(new_notebook(cells=[live], metadata=curves.metadata), folder / "live.ipynb")
    return folder


@pytest.fixture(scope="module")
def lab(notebooks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple]:
    """The browser, and the address of a notebook in JupyterLab."""
    settings = tmp_path_factory.mktemp("settings")
    with open_browser() as browser, serve_lab(notebooks, settings) as address:
        yield browser, address


@pytest.fixture(scope="module")
def curves(lab: tuple) -> Iterator[Visit]:
    """04 with all cells run, and the explorer opened."""
    browser, address = lab
    seen = visit(browser, address.format("curves.ipynb"))
    run_all_cells(seen.page)
    button = seen.page.get_by_role("button", name="Explore the curves")
    button.click(timeout=120_000)
    seen.page.locator(FIGURES).nth(2).locator(".scatterlayer").first.wait_for(timeout=60_000)
    yield seen
    seen.page.close()


@pytest.fixture(scope="module")
def drawn(lab: tuple) -> Iterator[Visit]:
    """A figure of an earlier session, in a notebook that is not trusted and of which no cell is run."""
    browser, address = lab
    seen = visit(browser, address.format("drawn.ipynb"))
    seen.page.locator(FIGURES).locator(".scatterlayer").first.wait_for(timeout=60_000)
    yield seen
    seen.page.close()


def count_lines(seen: Visit, place: int) -> int:
    return seen.page.locator(FIGURES).nth(place).locator(".scatterlayer path.js-line").count()


def move_slider(seen: Visit, place: int) -> None:
    """Drag the smoothing of a figure to its left end, where nothing is smoothed."""
    slider = seen.page.locator(FIGURES).nth(place).locator(".slider-container")
    slider.scroll_into_view_if_needed()
    seen.page.locator(".jp-InputArea-prompt").first.click()  # selecting a cell moves its figure a little
    seen.page.wait_for_timeout(1000)
    grip, rail = slider.locator(".slider-grip-rect").bounding_box(), slider.locator(".slider-rail-rect").bounding_box()
    middle = grip["y"] + grip["height"] / 2
    seen.page.mouse.move(grip["x"] + grip["width"] / 2, middle)
    seen.page.mouse.down()
    seen.page.mouse.move(rail["x"] + 2, middle, steps=5)
    seen.page.mouse.up()


def test_a_figure_of_an_earlier_session_is_smoothed_without_a_kernel(drawn: Visit) -> None:
    before = drawn.page.evaluate(PATHS, 0)
    move_slider(drawn, 0)
    drawn.page.wait_for_function(f"before => ({PATHS})(0) !== before", arg=before, timeout=10_000)


def test_pointing_at_a_step_tells_all_its_values(drawn: Visit) -> None:
    panel = drawn.page.locator(FIGURES).locator(".nsewdrag").nth(2)
    panel.scroll_into_view_if_needed()
    panel.hover()
    label = drawn.page.locator(f"{FIGURES} .hoverlayer .legend")
    label.wait_for(timeout=10_000)
    told = label.text_content()
    assert all(
        title in told for title in ("Reward, weighted sum", "Length of completions", "Entropy", "Groups without")
    )


def test_the_legend_hides_a_run_in_every_panel(drawn: Visit) -> None:
    before = count_lines(drawn, 0)
    drawn.page.locator(f"{FIGURES} .infolayer .legend .legendtoggle").first.click()
    # what is left are the spreads: of the reward and three rewards, of the length, and of three validations
    drawn.page.wait_for_function(
        f"document.querySelectorAll('{FIGURES} .scatterlayer path.js-line').length === 8", timeout=10_000
    )
    assert before > 8


def test_an_earlier_figure_needs_no_other_machine_and_complains_of_nothing(drawn: Visit) -> None:
    assert (drawn.errors, drawn.outside) == ([], [])


def test_smoothing_with_a_kernel_changes_the_lines(curves: Visit) -> None:
    before = curves.page.evaluate(PATHS, 2)
    curves.page.locator(".noUi-handle").first.focus()
    curves.page.keyboard.press("Home")
    curves.page.wait_for_function(f"before => ({PATHS})(2) !== before", arg=before, timeout=10_000)


def test_a_click_shows_the_completions_of_the_step(curves: Visit) -> None:
    panel = curves.page.locator(FIGURES).nth(2).locator(".nsewdrag").nth(2)
    panel.scroll_into_view_if_needed()
    panel.hover()
    panel.click()
    curves.page.locator(".completion").nth(2).wait_for(timeout=10_000)
    step = int(curves.page.get_by_role("spinbutton").input_value())
    assert 1 < step < 60
    assert f"What is 2 + {step}?" in curves.page.locator(".completion").first.text_content()


def test_completions_are_filtered(curves: Visit) -> None:
    curves.page.get_by_role("button", name="wrong", exact=True).click()
    curves.page.wait_for_function("document.querySelectorAll('.completion').length === 1", timeout=10_000)
    assert "<script>alert(1)</script>" in curves.page.locator(".completion").text_content()


def test_another_run_is_drawn_beside_this_one(curves: Visit) -> None:
    before = count_lines(curves, 2)
    curves.page.locator("select[multiple]").first.select_option(["run", "beside"])
    curves.page.wait_for_function(
        f"n => document.querySelectorAll('{FIGURES}')[2].querySelectorAll('.scatterlayer path.js-line').length > n",
        arg=before,
        timeout=10_000,
    )


def test_a_run_that_is_being_written_is_drawn_within_ten_seconds(curves: Visit, run_dir: Path) -> None:
    with (run_dir / "grpo" / "metrics.jsonl").open("a") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in list(make_grpo_rows(90))[61:91])
    curves.page.wait_for_function(f"({LAST_STEP})(2) === 90", timeout=10_000)


def test_the_notebook_needs_no_other_machine_and_complains_of_nothing(curves: Visit) -> None:
    assert (curves.errors, curves.outside) == ([], [])


def test_curves_redraw_within_ten_seconds_while_a_cell_trains(lab: tuple, run_dir: Path) -> None:
    browser, address = lab
    path = run_dir.parent / "live" / "metrics.jsonl"
    rows = list(make_grpo_rows(30))
    write_rows(path, iter(rows[:12]))
    seen = visit(browser, address.format("live.ipynb"))
    run_all_cells(seen.page)
    picture = seen.page.locator(".jp-OutputArea-output img").first
    picture.wait_for(timeout=60_000)
    before = picture.get_attribute("src")
    write_rows(path, iter(rows))
    changed = "before => document.querySelector('.jp-OutputArea-output img').getAttribute('src') !== before"
    seen.page.wait_for_function(changed, arg=before, timeout=10_000)
    (path.parent / "end").touch()
    seen.page.wait_for_function(f"({LAST_STEP})(0) === 30", timeout=30_000)  # the figure to explore
    assert (seen.errors, seen.outside) == ([], [])
    seen.page.close()
