"""The local gateway's contract, and what it refuses."""

import threading
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from fastmath.contest.gateway import SUBMISSION, LocalGateway, check_prediction, find_server, serve
from fastmath.contest.questions import GatewayError, read_questions, write_questions

QUESTIONS = "id,problem,answer\n000a1,What is 1+1?,2\n057,What is 2+2?,4\n"


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "test.csv"
    path.write_text(QUESTIONS)
    return path


def answer_zero(id_: pl.Series, question: pl.Series, answer: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"id": [id_.item(0)], "answer": [0]})


def test_submission_has_the_contest_schema(questions: Path, tmp_path: Path) -> None:
    LocalGateway(answer_zero).run(questions, tmp_path)
    assert pl.read_parquet_schema(tmp_path / SUBMISSION) == {"id": pl.String, "answer": pl.Int64}


def test_every_question_is_in_the_submission(questions: Path, tmp_path: Path) -> None:
    submission = LocalGateway(answer_zero).run(questions, tmp_path)
    assert sorted(submission["id"]) == ["000a1", "057"]


def test_predict_gets_series_of_length_one(questions: Path, tmp_path: Path) -> None:
    seen: list[pl.Series] = []

    def predict(*columns: pl.Series) -> pl.DataFrame:
        seen.extend(columns)
        return answer_zero(*columns)

    LocalGateway(predict).run(questions, tmp_path)
    assert {(type(column), len(column)) for column in seen} == {(pl.Series, 1)}


def test_known_answer_is_the_third_argument(questions: Path, tmp_path: Path) -> None:
    def echo(id_: pl.Series, question: pl.Series, answer: pl.Series) -> pl.DataFrame:
        return pl.DataFrame({"id": id_, "answer": answer})

    submission = LocalGateway(echo).run(questions, tmp_path)
    assert dict(submission.iter_rows()) == {"000a1": 2, "057": 4}


def test_predict_runs_in_a_worker_thread(questions: Path, tmp_path: Path) -> None:
    threads: set[threading.Thread] = set()

    def predict(*columns: pl.Series) -> pl.DataFrame:
        threads.add(threading.current_thread())
        return answer_zero(*columns)

    LocalGateway(predict).run(questions, tmp_path)
    assert threading.main_thread() not in threads


def test_one_exception_loses_the_submission(questions: Path, tmp_path: Path) -> None:
    def fail(*_: pl.Series) -> pl.DataFrame:
        raise RuntimeError("out of memory")

    with pytest.raises(GatewayError, match="out of memory"):
        LocalGateway(fail).run(questions, tmp_path)
    assert not (tmp_path / SUBMISSION).exists()


def test_first_call_has_no_deadline_and_later_ones_do(questions: Path, tmp_path: Path) -> None:
    # Both calls take 0.3 s; only the second is held to 0.1 s.
    pause, asked = threading.Event(), []

    def predict(*columns: pl.Series) -> pl.DataFrame:
        asked.append(columns[0].item(0))
        pause.wait(0.3)
        return answer_zero(*columns)

    with pytest.raises(GatewayError, match="no answer within"):
        LocalGateway(predict, response_seconds=0.1).run(questions, tmp_path)
    assert len(asked) == 2


@pytest.mark.parametrize(
    "prediction",
    [
        7,
        None,
        pl.DataFrame({"id": ["a"], "answer": [7.0]}),
        pl.DataFrame({"id": ["a"], "answer": ["7"]}),
        pl.DataFrame({"id": ["a"], "answer": [None]}, schema={"id": pl.String, "answer": pl.Int64}),
        pl.DataFrame({"id": ["b"], "answer": [7]}),
        pl.DataFrame({"id": ["a", "a"], "answer": [7, 7]}),
        pl.DataFrame({"answer": [7]}),
    ],
)
def test_wrong_prediction_is_refused(prediction: object) -> None:
    with pytest.raises(GatewayError, match="question a"):
        check_prediction(prediction, "a")


def test_pandas_prediction_is_accepted() -> None:
    assert check_prediction(pd.DataFrame({"id": ["a"], "answer": [7]}), "a").row(0) == ("a", 7)


def test_csv_without_id_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text("problem,answer\nWhat is 1+1?,2\n")
    with pytest.raises(GatewayError, match="problem, answer"):
        LocalGateway(answer_zero).run(path, tmp_path)


def test_without_kaggle_evaluation_there_is_no_server(tmp_path: Path) -> None:
    assert find_server("aimo2", search=tmp_path) is None


def test_serving_without_kaggle_evaluation_says_what_to_attach() -> None:
    with pytest.raises(GatewayError, match="competition_sources"):
        serve(answer_zero, "aimo2")


@pytest.mark.parametrize("answers", [True, False])
def test_held_out_problems_become_questions(tmp_path, answers):
    rows = {"id": ["a", "b", "c"], "problem": ["1+1?", 'a "quoted", one', "3+3?"], "answer": [2, 4, 6]}
    pl.DataFrame(rows).write_parquet(tmp_path / "test.parquet")
    asked = read_questions(write_questions(tmp_path / "test.parquet", tmp_path / "q.csv", 2, answers))
    assert asked.rows() == [("a", "1+1?", 2)[: 2 + answers], ("b", 'a "quoted", one', 4)[: 2 + answers]]
