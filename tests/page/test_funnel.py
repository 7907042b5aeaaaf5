"""What became of the rows of a run's sources."""

from pathlib import Path

from fastmath.page.funnel import read_funnel
from fastmath.page.run_folders import Run, read_runs
from helpers.reported_run import HOSTILE


def test_the_kept_rows_come_first_and_then_the_most_frequent_rule(run: Run) -> None:
    nano = read_funnel(run).sources[0]
    assert [(outcome.name, outcome.rows, outcome.share) for outcome in nano.outcomes] == [
        ("kept", 70, 0.7), ("outside the rules", 20, 0.2), ("no correct generation", 10, 0.1),
    ]  # fmt: skip


def test_a_rule_has_examples_of_what_it_dropped(run: Run) -> None:
    nano = read_funnel(run).sources[0]
    assert nano.outcomes[2].examples == ((HOSTILE, "of 2"),)


def test_the_sets_are_counted(run: Run) -> None:
    assert list(read_funnel(run).sets.values()) == [70, 12]


def test_a_run_without_data_has_no_funnel(tmp_path: Path) -> None:
    assert read_funnel(read_runs([tmp_path])[0]) is None
