"""Fitting the rule's numbers: what counts as better, what is safe, and what is judged on what."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fastmath.cli.replay_fit import read_engine
from fastmath.policies.adaptive import Schedule, load_schedule
from fastmath.recipe.errors import SettingsError
from fastmath.replay.fitting import RISKS, Bench, FitSetting, choose_risk, fit_clock, measure_losses
from fastmath.replay.held_out import check_sets, judge, note_few, split_problems
from fastmath.replay.votes import RecordedSample, Recording, VotesFileError, read_votes
from helpers.command import fastmath
from helpers.made_votes import make_votes, write_votes

START = Schedule(risk=0.04, patience=1.3, first_wave=0.25, give_up=3.0)
QUICK = FitSetting(limits=(0.3,), contests=4, question_seeds=2)


def alike(problems: int = 12, samples: int = 16, model: str = "m") -> list[Recording]:
    """Questions whose samples are all right after a hundred tokens."""
    return [Recording(f"p{each}", model, 7, (RecordedSample(100, 7),) * samples) for each in range(problems)]


@pytest.fixture(scope="module")
def votes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_votes(tmp_path_factory.mktemp("votes") / "votes.jsonl", make_votes(models=1))


def scored(scores: dict[Schedule, dict[tuple[str, str], list[float]]]) -> Bench:
    """A bench that knows these scores already."""
    groups = next(iter(scores.values()))
    sets: dict[str, list[Recording]] = {}
    for name, model in groups:
        sets.setdefault(name, []).extend(alike(model=model))
    bench = Bench(sets, QUICK, 1)
    bench._scores.update(scores)
    return bench


def test_every_set_counts_alike_and_in_a_set_every_model():
    other = replace(START, patience=1.0)
    groups = [("a", "m"), ("a", "n"), ("b", "m")]
    mine = dict(zip(groups, ([4.0, 4.0], [2.0, 2.0], [1.0, 1.0]), strict=True))
    bench = scored({START: mine, other: {group: [0.0, 0.0] for group in groups}})
    # (4 + 2) / 2 in the first set and 1 in the second; no contest differs from another.
    assert bench.gain(START, other, groups) == (2.0, 0.0)


def test_the_error_of_a_gain_is_that_of_its_mean():
    other = replace(START, patience=1.0)
    bench = scored({START: {("a", "m"): [1.0, 3.0]}, other: {("a", "m"): [0.0, 0.0]}})
    # Variance 2 of two contests.
    assert bench.gain(START, other, bench.groups) == (2.0, 1.0)


def test_numbers_that_nothing_improves_stay():
    # There is time for every question at any values.
    assert fit_clock(Bench({"a": alike()}, replace(QUICK, limits=(9.0,)), 1), START) == START


def test_numbers_that_lose_are_replaced(votes: Path):
    # A first wave of 64 * 24 samples is all sixteen at once, which is what costs most where time is scarce.
    bench = Bench({"a": read_votes(votes)}, FitSetting(limits=(0.2,), contests=4), 1)
    start = replace(START, first_wave=64.0)
    fitted = fit_clock(bench, start)
    assert fitted.first_wave < 1
    assert bench.gain(fitted, start, bench.groups)[0] > 0


def test_the_largest_safe_risk_is_taken():
    losses = [{0.005: 0.0, 0.01: 0.1, 0.02: 0.2, 0.04: 0.21}, {0.005: 0.0, 0.01: 0.0, 0.02: 0.0, 0.04: 0.0}]
    assert choose_risk(losses, START).risk == 0.02


def test_a_risk_is_never_raised():
    assert choose_risk([dict.fromkeys(RISKS, 0.0)], replace(START, risk=0.03)).risk == 0.02


def test_where_every_risk_loses_the_smallest_is_taken():
    assert choose_risk([dict.fromkeys(RISKS, 1.0)], START).risk == 0.005


def test_samples_that_are_all_alike_lose_nothing():
    assert measure_losses(alike(), START, QUICK, 1) == {0.005: 0.0, 0.01: 0.0, 0.02: 0.0, 0.04: 0.0}


def test_halves_share_no_problem():
    first, second = split_problems({"a": alike(13), "b": alike(4)})
    problems = [{name: {row.id for row in rows} for name, rows in half.items()} for half in (first, second)]
    assert [len(half["a"]) for half in problems] == [7, 6]
    assert all(not problems[0][name] & problems[1][name] for name in "ab")


def test_a_fit_is_judged_beside_the_best_public_rule_and_the_start():
    (judged,) = judge([(alike(), START)], replace(START, first_wave=64.0), QUICK, 1)
    # Within 0.3 of the time of sixteen at once (1 + 16/24) six at a time (1 + 6/24) answer 0.4 of the questions.
    assert (judged.limit, 15 <= judged.score <= 25) == (0.3, True)
    assert judged.gain_on_start[0] > 0


def test_few_problems_are_refused():
    with pytest.raises(VotesFileError, match="a has 9 problems; want at least 10"):
        check_sets({"a": alike(9)}, 16)


def test_fewer_samples_than_a_draw_are_refused():
    with pytest.raises(VotesFileError, match="p0 of m has 15 recorded samples; want at least the 16"):
        check_sets({"a": alike(samples=15)}, 16)


@pytest.mark.parametrize(("samples", "notes"), [(16, 1), (31, 1), (32, 0)])
def test_little_more_than_one_draw_is_noted(samples: int, notes: int):
    assert len(note_few({"a": alike(samples=samples)}, 16)) == notes


@pytest.mark.slow
def test_a_schedule_is_fitted_written_and_played(votes: Path, tmp_path: Path):
    out, engine = tmp_path / "schedule.json", tmp_path / "slowdown.json"
    engine.write_text('{"slowdown": 12.5}')
    command = ("replay-fit", "--votes", str(votes), "--engine", str(engine), "--out", str(out), "--contests", "6")
    result = fastmath(*command, "--json")
    assert result.returncode == 0, result.stderr
    schedule = load_schedule(out)
    assert schedule.slowdown == 12.5
    assert [each["limit"] for each in json.loads(result.stdout)["held_out"]] == [0.2, 0.3, 0.5, 0.8, 1.0]
    played = fastmath("replay", "--votes", str(votes), "--schedule", str(out), "--contest", "--seeds", "2", "--json")
    assert json.loads(played.stdout)["policy"] == "default"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{}", "has no `slowdown`"),
        ("", "has no `slowdown`"),
        ('{"slowdown": 0}', "its `slowdown` is 0; want a number above 0"),
    ],
)
def test_an_engine_that_was_not_measured_is_refused(tmp_path: Path, content: str, complaint: str):
    engine = tmp_path / "slowdown.json"
    engine.write_text(content)
    with pytest.raises(SettingsError, match=complaint):
        read_engine(engine)


def test_an_engine_is_measured_by_the_last_line_of_a_benchmark(tmp_path: Path):
    engine = tmp_path / "slowdown.txt"
    engine.write_text('noise\n{"slowdown": 12.5, "interval": [11, 14]}\n')
    assert read_engine(engine) == 12.5
