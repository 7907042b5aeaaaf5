"""The contest of a run: its questions, why they stopped, and what other rules would have done."""

import json
import shutil
from pathlib import Path

import pytest

from fastmath.evaluation.models import samples_path
from fastmath.page.contest import Contest, explain_stop, judge_record, read_contest
from fastmath.page.run_folders import Run, read_runs


@pytest.fixture(scope="module")
def contest(run: Run) -> Contest:
    return read_contest(run)


def make_record(**changes: object) -> dict:
    record = {"id": "q", "answer": 7, "votes": [7, 4, 7], "reason": "deadline", "seconds": 0.6, "deadline_seconds": 1.6}
    return record | changes


def test_a_stop_is_explained_with_its_vote() -> None:
    assert explain_stop(make_record()) == (
        "Answered after 0.6 s of at most 1.6 s, because the question's time was over: 2 of 3 votes were for 7, 1 for 4."
    )


def test_a_stop_without_votes_says_that_it_is_the_fallback() -> None:
    assert explain_stop(make_record(votes=[])).endswith("no sample had voted. It is the fallback.")


@pytest.mark.parametrize(
    ("record", "answers", "verdict"),
    [
        (make_record(), {"q": 7}, "right"),
        (make_record(), {"q": 8}, "wrong"),
        (make_record(), {}, "not known"),
        (make_record(votes=[]), {"q": 7}, "no vote"),  # the fallback happens to be right
    ],
)
def test_a_question_is_judged_by_its_vote(record: dict, answers: dict, verdict: str) -> None:
    assert judge_record(record, answers) == verdict


def test_every_question_is_there_in_the_order_of_the_answers(contest: Contest) -> None:
    questions = contest.data["questions"]
    assert [(question["id"], question["gold"]) for question in questions] == [(f"p{n}", n + 3) for n in range(8)]


def test_votes_come_with_their_seconds_since_the_question_began(contest: Contest) -> None:
    # The first question takes 0.6 s, and its two votes come after a half and after the whole of it.
    assert contest.data["questions"][0]["vote_seconds"] == pytest.approx([0.3, 0.6])


def test_three_other_rules_are_asked_and_not_the_contest_s_own(contest: Contest) -> None:
    asked = [rule["rule"] for rule in contest.data["questions"][0]["rules"]]
    assert asked == list(contest.rules) == ["full", "nemoskills", "aimo3"]
    assert contest.policy not in asked


def test_other_rules_answer_from_the_samples_of_the_contest_s_model(contest: Contest) -> None:
    assert (contest.model, contest.paced) == ("awq", True)


def test_rules_are_not_asked_where_nothing_was_recorded(run_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "copy")
    samples_path(copy, "awq").unlink()
    found = read_contest(read_runs([copy])[0])
    assert (found.model, found.data["questions"][0]["rules"]) == (None, [])


def test_without_full_votes_the_rules_have_no_clock(run_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "copy")
    path = copy / "kernel" / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seconds_full_vote": None, "tokens_full_vote": None}))
    found = read_contest(read_runs([copy])[0])
    full = [question["rules"][0] for question in found.data["questions"]]
    assert (found.paced, {rule["reason"] for rule in full}) == (False, {"all samples"})


def test_tables_of_the_stage_are_taken_as_they_are(run_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "copy")
    (copy / "kernel" / "limits.md").write_text("| limit |")
    assert read_contest(read_runs([copy])[0]).tables == ("| limit |",)


def test_a_contest_that_has_not_ended_is_none(run_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "copy")
    (copy / "kernel" / "report.json").unlink()
    assert read_contest(read_runs([copy])[0]) is None
