"""Which prompts are left out by their pass rates, and a real measurement of them."""

import json
from pathlib import Path

import polars as pl
import pytest

from fastmath.recipe.grpo import PassRateSettings
from fastmath.recipe.load import load_recipe
from fastmath.runs.stage import Stage
from fastmath.sampling import processes
from fastmath.sampling.jobs import SamplingJob
from fastmath.training import grpo, pass_rates
from fastmath.training.grpo import build_prompts
from fastmath.training.pass_rates import (
    PASS_RATE_SCHEMA,
    choose_sampling,
    compute_pass_rates,
    count_prompts,
    read_kept_problems,
)
from fastmath.training.sets import TooFewRowsError
from helpers.tiny_jobs import ENGINE, make_tiny_model
from helpers.tiny_recipe import TINY
from helpers.two_processes import read_steps


def test_a_pass_rate_is_the_share_of_right_samples() -> None:
    problems = pl.DataFrame({"id": ["a", "b"], "problem": ["1 + 1", "1 + 2"], "answer": ["2", "3"]})
    samples = pl.DataFrame({"problem_id": ["b", "a", "a", "a", "a"], "correct": [False, True, False, True, True]})
    rates = compute_pass_rates(problems, samples)
    assert rates.schema == PASS_RATE_SCHEMA
    # three of four, and none of one
    assert rates.rows() == [("1 + 1", 0.75, 4), ("1 + 2", 0.0, 1)]


RATES = [0.0, 0.25, 0.5, 1.0, 1.0]


def make_rates() -> pl.DataFrame:
    rows = [(f"problem {index}", rate, 4) for index, rate in enumerate(RATES)]
    return pl.DataFrame(rows, schema=PASS_RATE_SCHEMA, orient="row")


@pytest.mark.parametrize(
    ("bounds", "counts"),
    [
        ({}, (2, 1, 2, 0)),
        ({"above": 0.25}, (1, 1, 2, 1)),  # bounds are left out themselves
        ({"below": 0.5}, (1, 1, 2, 1)),
    ],
)
def test_prompts_are_counted_by_what_becomes_of_them(bounds: dict[str, float], counts: tuple[int, ...]) -> None:
    names = ("kept", "never solved", "always solved", "otherwise out of bounds")
    assert count_prompts(make_rates(), PassRateSettings(**bounds)) == dict(zip(names, counts, strict=True))


def test_the_training_reads_the_prompts_within_the_bounds_in_the_order_of_the_set(tmp_path: Path) -> None:
    rows = pl.DataFrame({"problem": [f"problem {index}" for index in (4, 2, 0, 1, 3)], "answer": ["1"] * 5})
    for folder in ("build_data", "grpo"):
        (tmp_path / folder).mkdir()
    rows.write_parquet(tmp_path / "build_data" / "grpo.parquet")
    make_rates().write_parquet(tmp_path / "grpo" / "pass_rates.parquet")
    assert read_kept_problems(tmp_path, PassRateSettings())["problem"].to_list() == ["problem 2", "problem 1"]
    assert read_kept_problems(tmp_path, None)["problem"].to_list() == rows["problem"].to_list()


def test_the_training_set_has_the_problems_as_prompts() -> None:
    problems = pl.DataFrame({"problem": ["1 + 1"], "answer": [2]})
    assert build_prompts(problems, None).to_list() == [
        {"prompt": [{"content": "1 + 1", "role": "user"}], "answer": "2"}
    ]


def test_samples_are_drawn_as_rollouts_on_the_evaluation_s_engine(tmp_path: Path) -> None:
    overrides = {
        "grpo.pass_rates": {"samples": 6},
        "grpo.trainer.temperature": 0.6,
        "grpo.trainer.max_completion_length": 200,
        "evaluate.temperature": 0.3,
        "evaluate.top_p": 0.9,
        "evaluate.engines": 3,
    }
    recipe = load_recipe("nano", overrides)
    settings = choose_sampling(recipe, tmp_path)
    # TRL's own top_p is 1
    assert (settings.samples, settings.temperature, settings.top_p, settings.token_budget) == (6, 0.6, 1.0, 200)
    assert (settings.engines, settings.engine) == (3, recipe.evaluate.engine)


def make_stage(run_dir: Path, problems: int = 4, further: dict[str, object] | None = None) -> Stage:
    """GRPO from an untrained base model on some problems; a step takes 4 prompts."""
    small = {name: value for name, value in TINY.items() if not name.startswith("sft")}
    settings = {"sft": None, "grpo.pass_rates": {"samples": 2}, "grpo.trainer.num_generations": 2}
    settings |= {"grpo.validation": None}
    recipe = load_recipe("nano", small | settings | {"evaluate.engine": ENGINE} | (further or {}))
    rows = make_tiny_model(run_dir / "build_data" / "base_model", problems)
    rows.select("problem", "answer").write_parquet(run_dir / "build_data" / "grpo.parquet")
    return Stage("grpo", recipe, run_dir)


@pytest.mark.slow
def test_pass_rates_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = make_stage(tmp_path)
    # an untrained model solves nothing
    with pytest.raises(TooFewRowsError, match=r"keeps 0 prompts, .*; 4 never solved, 0 always"), stage.running():
        grpo.run(stage)
    rates = pl.read_parquet(stage.folder / "pass_rates.parquet")
    samples = pl.read_parquet(stage.folder / "pass_rates" / "samples.parquet")
    problems = pl.read_parquet(tmp_path / "build_data" / "grpo.parquet")
    assert rates["problem"].to_list() == problems["problem"].to_list()
    assert rates["samples"].to_list() == [2] * 4
    # as rollouts: `max_completion_length`
    assert samples["tokens"].max() <= 24

    monkeypatch.setattr(processes, "run_children", lambda *_, **__: pytest.fail("samples were drawn again"))
    with pytest.raises(TooFewRowsError), stage.running():
        grpo.run(stage)


@pytest.mark.slow
def test_a_training_takes_the_prompts_that_are_kept_and_replaces_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage(
        tmp_path, problems=24, further={"grpo.oversampling": {"rounds": 1}, "grpo.trainer.scale_rewards": "group"}
    )
    given = []

    def solve_some(jobs: list[SamplingJob], folder: Path) -> None:
        """Each third problem is never solved, the others once in two samples."""
        names = pl.read_parquet(jobs[0].problems)["id"].to_list()
        rows = [(name, sample == 0 and index % 3 > 0) for index, name in enumerate(names) for sample in range(2)]
        pl.DataFrame(rows, schema=["problem_id", "correct"], orient="row").write_parquet(jobs[0].destination)
        given.extend(names)

    monkeypatch.setattr(pass_rates, "run_jobs", solve_some)
    with stage.running():
        grpo.run(stage)
    assert len(given) == 24
    assert json.loads((stage.folder / "pass_rates.json").read_text())["kept"] == 16
    steps = read_steps(stage.folder)
    assert [step["step"] for step in steps] == [1, 2]
    assert all(0 <= step["groups/rounds"] <= 1 and 0 <= step["groups/with_spread"] <= 1 for step in steps)
    # 2 steps of 4 prompts each, of 16
    assert steps[-1]["epoch"] == pytest.approx(2 * 4 / 16)
