"""The contests of runs: each question with its vote, why it stopped, and what other rules would have done with it."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import plotly.io
import polars as pl

from fastmath.answers.contests import CONTESTS, ContestProfile, contest_answer
from fastmath.contest.questions import read_questions
from fastmath.evaluation.models import name_last_model, samples_path
from fastmath.kernel.journal import JOURNAL, read_records
from fastmath.page.run_folders import Run
from fastmath.plots.contest import Record, is_right
from fastmath.plots.contest_timeline import REASONS, list_vote_times, plot_contest_timeline
from fastmath.policies.clock import ClockRules, tell_time
from fastmath.policies.public import describe_policy, find_policies
from fastmath.recipe.sections import Recipe
from fastmath.replay.other_rules import choose_rules, replay_rule
from fastmath.replay.simulator import full_vote_seconds
from fastmath.replay.votes import RecordedSample, Recording

_TABLES = ("contest.md", "limits.md")


@dataclass(frozen=True)
class Contest:
    """The contest of one run.

    Attributes:
        run: name of the run.
        report: its figures, as `fastmath.contest.report.summarize` describes them.
        policy: name of the policy that played it.
        rules: name of each rule that it is compared with → what that is.
        model: name of the model whose recorded samples these replay; None where there are none.
        paced: whether the rules have the contest's clock; False where it is not known how fast full votes are.
        tables: tables in markdown that the stage has written: this contest, and its rules over many limits.
        data: what the page's script draws and tells: the timeline and the questions.
    """

    run: str
    report: Mapping[str, Any]
    policy: str
    rules: Mapping[str, str]
    model: str | None
    paced: bool
    tables: tuple[str, ...]
    data: Mapping[str, Any]


def read_contest(run: Run) -> Contest | None:
    """The contest of a run; None before it has been played to its end."""
    folder = run.folder / "kernel"
    recipe = run.read_recipe("kernel")
    if recipe is None or not (folder / "report.json").exists() or not (folder / JOURNAL).exists():
        return None
    report, records = json.loads((folder / "report.json").read_text()), read_records(folder / JOURNAL)
    asked = read_questions(folder / "questions.csv")
    texts = dict(asked.select(asked.columns[:2]).iter_rows())
    answers = dict(asked.select("id", "answer").drop_nulls().iter_rows()) if "answer" in asked.columns else {}
    model, recordings = _read_recordings(run, recipe, answers)
    replays = _Replays(recipe, report, records, recordings)
    questions = [
        {
            **{key: value for key, value in record.items() if key not in ("text_hash", "engine_starts")},
            "vote_seconds": list_vote_times(record) if record.get("vote_seconds") else [],
            "text": texts.get(record["id"]),
            "gold": answers.get(record["id"]),
            "verdict": judge_record(record, answers),
            "why": explain_stop(record),
            "recorded": _list_votes(recordings.get(record["id"])),
            "rules": replays.ask_rules(place),
        }
        for place, record in enumerate(records)
    ]
    figure = json.loads(plotly.io.to_json(plot_contest_timeline(records, report["limit_seconds"], answers)))
    return Contest(
        run=run.name,
        report=report,
        policy=recipe.kernel.policy,
        rules={name: describe_policy(policy) for name, policy in replays.rules.items()},
        model=model if recordings else None,
        paced=replays.paced,
        tables=tuple((folder / name).read_text() for name in _TABLES if (folder / name).exists()),
        data={"figure": figure, "questions": questions},
    )


def judge_record(record: Record, answers: Mapping[str, int]) -> str:
    """`right`, `wrong`, `no vote`, or `not known` where the question has no reference answer."""
    if not record["votes"]:
        return "no vote"
    return {True: "right", False: "wrong", None: "not known"}[is_right(record, answers)]


def explain_stop(record: Record) -> str:
    """Why a question was answered, with its vote at that moment, in a sentence.

    Example: "Answered after 0.6 s of at most 1.6 s, because the question's time was over: 2 of 3 votes were for 7, 1
    for 4."
    """
    time = f"after {record['seconds']:.3g} s of at most {record['deadline_seconds']:.3g} s"
    counted = Counter(record["votes"]).most_common(3)
    if not counted:
        return f"Answered {time}, because {_name_reason(record['reason'])}: no sample had voted. It is the fallback."
    (leader, most), *others = counted
    against = "".join(f", {count} for {answer}" for answer, count in others)
    vote = f"{most} of {len(record['votes'])} votes were for {leader}{against}"
    return f"Answered {time}, because {_name_reason(record['reason'])}: {vote}."


def _name_reason(reason: str) -> str:
    return REASONS.get(reason, f"the policy's rule “{reason}” held")


def _read_recordings(run: Run, recipe: Recipe, answers: Mapping[str, int]) -> tuple[str, dict[str, Recording]]:
    """The contest's model, and by question what the evaluation has recorded of it, where it was asked the same."""
    model = name_last_model(recipe)
    if not samples_path(run.folder, model).exists():
        return model, {}
    table = pl.read_parquet(samples_path(run.folder, model)).filter(pl.col("problem_id").is_in(list(answers)))
    profile = CONTESTS[recipe.kernel.profile]
    return model, {
        name: Recording(name, model, answers[name], _make_samples(rows, profile))
        for (name,), rows in table.group_by("problem_id", maintain_order=True)
    }


def _make_samples(rows: pl.DataFrame, profile: ContestProfile) -> tuple[RecordedSample, ...]:
    pairs = rows.sort("sample").select("tokens", "answer").iter_rows()
    return tuple(RecordedSample(tokens, contest_answer(answer, profile)) for tokens, answer in pairs)


def _list_votes(recording: Recording | None) -> list[tuple[int, int]]:
    """The recorded votes as pairs of tokens and answer, the shortest samples first."""
    if recording is None:
        return []
    return sorted((each.tokens, each.answer) for each in recording.samples if each.answer is not None)


class _Replays:
    """The questions of one contest, asked of other rules."""

    def __init__(
        self, recipe: Recipe, report: Mapping[str, Any], records: Sequence[Record], recordings: Mapping[str, Recording]
    ) -> None:
        self.rules = choose_rules(find_policies(), recipe.kernel.policy)
        self._settings = recipe.kernel
        self._records = records
        self._recordings = recordings
        recorded = [recordings[record["id"]] for record in records if record["id"] in recordings]
        full = report.get("seconds_full_vote")
        self.paced = bool(full) and len(recorded) == len(records) > 0
        limit, self._pace = math.inf, 1.0
        if self.paced:
            # Virtual seconds a second, so that full votes on recorded samples take as long as they have taken.
            replayed = (full_vote_seconds(each, self._settings.slowdown, self._settings.samples) for each in recorded)
            self._pace = sum(replayed) / full
            limit = report["limit_seconds"] * self._pace
        self._clock = ClockRules(limit, len(records))

    def ask_rules(self, place: int) -> list[dict[str, Any]]:
        """What each rule would have done with the question at this place; empty where no samples are recorded."""
        record = self._records[place]
        question = self._recordings.get(record["id"])
        if question is None:
            return []
        began = record.get("started_seconds", record["elapsed_seconds"] - record["seconds"])
        time = tell_time(self._clock, began * self._pace, place)
        outcomes = (
            replay_rule(name, policy, question, time, self._settings.samples, self._settings.slowdown)
            for name, policy in self.rules.items()
        )
        return [
            asdict(outcome) | {"right": outcome.answer == question.gold, "why": _name_reason(outcome.reason)}
            for outcome in outcomes
        ]
