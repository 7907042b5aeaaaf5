"""The page as a file: whole, escaped, and silent about nothing that is missing."""

import json
import re
import shutil
from pathlib import Path

import pytest

from fastmath.page.document import render_page, write_page
from fastmath.page.run_folders import Run, read_runs
from helpers.reported_run import HOSTILE

SECTIONS = ("overview", "accuracy", "comparisons", "training", "samples", "contest", "data", "settings")


@pytest.fixture(scope="module")
def text(run: Run) -> str:
    return render_page([run])


@pytest.fixture(scope="module")
def markup(text: str) -> str:
    """The page without what stands in its scripts and styles."""
    return re.sub(r"<(script|style)\b[^>]*>.*?</\1>", "", text, flags=re.DOTALL)


def test_every_section_is_there_and_the_navigation_leads_to_it(markup: str) -> None:
    assert re.findall(r'<section id="(\w+)"', markup) == list(SECTIONS)
    assert re.findall(r'<li><a href="#(\w+)"', markup) == list(SECTIONS)


def test_no_text_of_a_run_becomes_markup(text: str, markup: str) -> None:
    assert HOSTILE not in text
    assert "<img" not in markup


def test_nothing_is_fetched_from_anywhere(markup: str) -> None:
    assert re.findall(r'(?:src|href)="(?!#)', markup) == []
    assert "@import" not in markup


def test_a_finished_run_misses_nothing(markup: str) -> None:
    assert '<p class="absent">' not in re.sub("<noscript>.*?</noscript>", "", markup)


def test_a_run_that_has_not_begun_says_so_everywhere(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    markup = render_page(read_runs([tmp_path / "empty"])).partition("<main>")[2].partition("</main>")[0]
    for said in (
        "This run has not been evaluated",
        "No run has been evaluated yet",
        "no two models to compare",
        "empty has logged no step of Supervised fine-tuning",
        "empty has logged no step of GRPO",
        "empty has not been evaluated: there are no samples",
        "No contest of this run has been played",
        "The data of this run have not been built",
    ):
        assert said in markup


def test_several_runs_stand_in_one_table(runs: list[Run]) -> None:
    text = render_page(runs)
    assert ">mean ± σ</td>" in text


def test_half_a_surrogate_pair_in_a_log_spoils_no_page(run_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "copy")
    path = copy / "grpo" / "completions.jsonl"
    row = json.loads(path.read_text().splitlines()[0]) | {"text": "\ud800"}
    path.write_text(json.dumps(row) + "\n")
    assert write_page([copy], tmp_path / "out.html") < 15e6
