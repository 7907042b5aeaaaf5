"""The benchmark of the demo: which runs it makes, how it starts them, and what it refuses to measure."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from fastmath.recipe.load import REPOSITORY_FOLDER
from fastmath.runs.memory import SAMPLE_SECONDS
from helpers.benchmarks import load_benchmark


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(REPOSITORY_FOLDER / "benchmarks")
    return load_benchmark("demo")


def run_of(outcome: str) -> list[str]:
    """A command that prints what `fastmath run --json` does, and lives until its memory has been looked at again."""
    stage = {"stage": "build_data", "outcome": outcome, "seconds": 1.23, "peak_memory_gib": 0.5}
    told = json.dumps({"run_dir": "x", "stages": [stage]})
    return [sys.executable, "-c", f"import time; print({told!r}); time.sleep({1.5 * SAMPLE_SECONDS})"]


def test_a_checkout_is_run_as_its_own_project_file_says(demo: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project.scripts]\nfastmath = "fastmath.cli:main"\n')
    assert demo.find_command(tmp_path)[1:] == ["-c", "from fastmath.cli import main; main()"]


@pytest.mark.parametrize(
    ("named", "against", "chosen"),
    [
        (None, None, ["alone", "beside"]),
        (None, "09bad92", ["alone", "alone-against", "beside", "beside-against"]),
        ("beside,alone", None, ["alone", "beside"]),
        ("alone-against", "09bad92", ["alone-against"]),
    ],
)
def test_the_runs_are_those_that_are_named(demo, named, against, chosen) -> None:
    assert demo.choose_runs(named, against) == chosen


@pytest.mark.parametrize(("named", "told"), [("idle", "names idle"), ("alone-against", "--against")])
def test_runs_that_cannot_be_made_are_refused(demo, named, told) -> None:
    with pytest.raises(SystemExit, match=told):
        demo.choose_runs(named, None)


def test_runs_are_compared_where_both_were_made(demo: ModuleType) -> None:
    # 840 s / 600 s = 1.4.
    assert demo.compare({"alone": {"total_seconds": 600.0}, "beside": {"total_seconds": 840.0}}) == {
        "beside_to_alone": 1.4
    }


@pytest.mark.parametrize("beside", [False, True])
def test_a_run_is_measured_by_stage_with_all_of_its_processes(demo, tmp_path, beside) -> None:
    measured = demo.measure(run_of("done"), tmp_path, beside)
    assert measured["seconds"] == {"build_data": 1.2}
    assert 0 < measured["total_seconds"] < 30
    assert 0 < measured["peak_memory_gib"] < 0.5


def test_a_run_that_found_its_stages_done_is_no_measure(demo, tmp_path) -> None:
    with pytest.raises(RuntimeError, match="build_data had been run before"):
        demo.measure(run_of("unchanged"), tmp_path, beside=False)


def test_a_run_that_failed_is_no_measure(demo, tmp_path) -> None:
    with pytest.raises(RuntimeError, match="exit code 3"):
        demo.measure([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, beside=False)
