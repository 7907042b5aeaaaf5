"""The two ways in which a contest asks its questions: Kaggle's evaluation server, and a small local stand-in.

`LocalGateway` is this project's own and keeps the contract that competitors meet in AIMO2 and AIMO3: questions in
random order, one call of `predict` a question in a worker thread, every column as a polars Series of length 1 and by
position, a DataFrame of `id` and `answer` back, and `submission.parquet` written only after the last question. It is
stricter in one point: an answer of another type than int64, which Kaggle silently casts, is refused.
"""

import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

logger = logging.getLogger(__name__)

Predict = Callable[..., Any]

SUBMISSION = "submission.parquet"
SUBMISSION_SCHEMA = {"id": pl.String, "answer": pl.Int64}

# Contest → module and class inside `kaggle_evaluation`, which comes with the competition's data and nowhere else.
_SERVERS = {
    "aimo2": ("aimo_2_inference_server", "AIMO2InferenceServer"),
    "aimo3": ("aimo_3_inference_server", "AIMO3InferenceServer"),
}


class GatewayError(RuntimeError):
    """A prediction that the contest would not accept; no submission is written."""


@dataclass(frozen=True)
class LocalGateway:
    """Ask the questions of a CSV as the contest does.

    Attributes:
        predict: called with one Series a column, of length 1, in the order of the CSV.
        response_seconds: longest that a call may take; the first one, in which models load, is free.
        seed: of the order of the questions; None draws one.
    """

    predict: Predict
    response_seconds: float = 1800.0
    seed: int | None = None

    def run(self, questions: Path, folder: Path) -> pl.DataFrame:
        """Ask every question, then write `submission.parquet` into `folder` and return it.

        Raises:
            GatewayError: the CSV holds no questions, or a call failed, took too long or returned no single int64
                answer; nothing is written then.
        """
        rows = _read_questions(questions).sample(fraction=1.0, shuffle=True, seed=self.seed)
        # Not as a context manager: leaving one would wait for a call that never returns.
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="predict")
        try:
            answers = [self._ask(worker, row, first=index == 0) for index, row in enumerate(rows.iter_slices(1))]
        finally:
            worker.shutdown(wait=False)
        submission = pl.concat(answers)
        submission.write_parquet(folder / SUBMISSION)
        return submission

    def _ask(self, worker: ThreadPoolExecutor, row: pl.DataFrame, first: bool) -> pl.DataFrame:
        call = worker.submit(self.predict, *row)
        identifier = row.item(0, 0)
        try:
            prediction = call.result(timeout=None if first else self.response_seconds)
        except FutureTimeoutError as error:
            raise GatewayError(f"question {identifier}: no answer within {self.response_seconds:.0f} s") from error
        except Exception as error:
            raise GatewayError(f"question {identifier}: predict raised {type(error).__name__}: {error}") from error
        return check_prediction(prediction, identifier)


def check_prediction(prediction: Any, identifier: str) -> pl.DataFrame:
    """The prediction of one question as a row of `SUBMISSION_SCHEMA`.

    Raises:
        GatewayError: it is no DataFrame of one row with this `id` and an int64 `answer`.
    """
    if not hasattr(prediction, "columns"):
        raise GatewayError(
            f"question {identifier}: predict returned {type(prediction).__name__} {prediction!r}; want a polars or "
            "pandas DataFrame with the columns id and answer"
        )
    frame = prediction if isinstance(prediction, pl.DataFrame) else pl.from_pandas(prediction)
    if set(frame.columns) != {"id", "answer"} or frame.height != 1:
        raise GatewayError(
            f"question {identifier}: predict returned {frame.height} rows of the columns {', '.join(frame.columns)}; "
            "want one row of id, answer"
        )
    if frame["answer"].dtype != pl.Int64 or frame["answer"].null_count():
        raise GatewayError(
            f"question {identifier}: the answer {frame['answer'].item(0)!r} has type {frame['answer'].dtype}; want "
            "Int64, which Kaggle would otherwise change for the whole column"
        )
    if str(frame["id"].item(0)) != identifier:
        raise GatewayError(f"question {identifier}: predict answered for the id {frame['id'].item(0)!r}")
    return frame.select(pl.col("id").cast(pl.String), "answer")


def is_rerun() -> bool:
    """Whether this is Kaggle's scored run on the hidden questions."""
    return "KAGGLE_IS_COMPETITION_RERUN" in os.environ


def find_server(contest: str, search: Path = Path("/kaggle/input")) -> type | None:
    """The inference server class of a contest's `kaggle_evaluation` package, None where there is none.

    Args:
        contest: a name of `fastmath.answers.contests`; the package serves `aimo2` and `aimo3`.
        search: folder in which the package is looked for when it cannot be imported as it is.
    """
    if contest not in _SERVERS:
        return None
    if importlib.util.find_spec("kaggle_evaluation") is None:
        # Where Kaggle mounts a competition's data has changed over time.
        found = sorted(search.glob("**/kaggle_evaluation/__init__.py"))
        if not found:
            return None
        sys.path.append(str(found[0].parents[1]))
    module, name = _SERVERS[contest]
    return getattr(importlib.import_module(f"kaggle_evaluation.{module}"), name)


def serve(predict: Predict, contest: str) -> None:
    """Answer the contest's own gateway until Kaggle ends the run.

    Raises:
        GatewayError: `kaggle_evaluation` is not there; attach the competition's data to the notebook.
    """
    server = find_server(contest)
    if server is None:
        raise GatewayError(
            f"no kaggle_evaluation package for {contest!r} was found under /kaggle/input; add the competition to the "
            "notebook's inputs (competition_sources in kernel-metadata.json)"
        )
    logger.info("serving %s through kaggle_evaluation", contest)
    server(predict).serve()


def _read_questions(path: Path) -> pl.DataFrame:
    # Read as text: an id such as 000123 is no number.
    rows = pl.read_csv(path, schema_overrides={"id": pl.String})
    if rows.is_empty() or rows.columns[0] != "id" or rows.width not in (2, 3):
        raise GatewayError(
            f"{path} holds {rows.height} rows of the columns {', '.join(rows.columns)}; want at least one of id, "
            "problem and, where the answers are known, answer"
        )
    return rows
