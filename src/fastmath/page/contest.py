"""The contests of runs: each question with its vote, why it stopped, and what other rules would have done with it."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import plotly.io

from fastmath.contest.questions import read_questions
from fastmath.evaluation.models import name_last_model
from fastmath.kernel.journal import JOURNAL, read_records
from fastmath.page.run_folders import Run
from fastmath.plots.contest import Record, is_right
from fastmath.plots.contest_timeline import list_vote_times, name_reason, plot_contest_timeline
from fastmath.policies.public import describe_policy
from fastmath.replay.other_rules import OtherRules, read_recordings
from fastmath.replay.votes import Recording

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
    recordings = read_recordings(run.folder, recipe, answers)
    others = OtherRules(recipe.kernel, report, records, recordings)
    questions = [
        {
            **{key: value for key, value in record.items() if key not in ("text_hash", "engine_starts")},
            "vote_seconds": list_vote_times(record) if record.get("vote_seconds") else [],
            "text": texts.get(record["id"]),
            "gold": answers.get(record["id"]),
            "verdict": judge_record(record, answers),
            "why": explain_stop(record),
            "recorded": _list_votes(recordings.get(record["id"])),
            "rules": [asdict(outcome) | {"why": name_reason(outcome.reason)} for outcome in others.ask(place)],
        }
        for place, record in enumerate(records)
    ]
    figure = json.loads(plotly.io.to_json(plot_contest_timeline(records, report["limit_seconds"], answers)))
    return Contest(
        run=run.name,
        report=report,
        policy=recipe.kernel.policy,
        rules={name: describe_policy(policy) for name, policy in others.rules.items()},
        model=name_last_model(recipe) if recordings else None,
        paced=others.is_paced,
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
        return f"Answered {time}, because {name_reason(record['reason'])}: no sample had voted. It is the fallback."
    (leader, most), *others = counted
    against = "".join(f", {count} for {answer}" for answer, count in others)
    vote = f"{most} of {len(record['votes'])} votes were for {leader}{against}"
    return f"Answered {time}, because {name_reason(record['reason'])}: {vote}."


def _list_votes(recording: Recording | None) -> list[tuple[int, int]]:
    """The recorded votes as pairs of tokens and answer, the shortest samples first."""
    if recording is None:
        return []
    return sorted((each.tokens, each.answer) for each in recording.samples if each.answer is not None)
