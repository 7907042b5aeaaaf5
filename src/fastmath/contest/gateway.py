"""The two ways in which a contest asks its questions: Kaggle's evaluation server, and a small local stand-in.

`LocalGateway` is this project's own and keeps the contract that competitors meet in AIMO2 and AIMO3: questions in
random order, one call of `predict` a question in a worker thread, every column as a polars Series of length 1 and by
position, a DataFrame of `id` and `answer` back, and `submission.parquet` written only after the last question. It is
stricter in one point: an answer of another type than int64, which Kaggle silently casts, is refused.
"""

import contextlib
import importlib
import importlib.util
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

logger = logging.getLogger(__name__)

Predict = Callable[..., Any]

SUBMISSION = "submission.parquet"

KAGGLE_INPUT = Path("/kaggle/input")
QUESTIONS = "test.csv"
RERUN_VARIABLE = "KAGGLE_IS_COMPETITION_RERUN"

# Contest → how its modules and its classes begin in `kaggle_evaluation`, which comes with the competition's data and
# nowhere else.
_COMPETITIONS = {"aimo2": ("aimo_2", "AIMO2"), "aimo3": ("aimo_3", "AIMO3")}


class GatewayError(RuntimeError):
    """Questions that cannot be asked, or a prediction that the contest would not accept; no submission is written."""


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
        rows = read_questions(questions).sample(fraction=1.0, shuffle=True, seed=self.seed)
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
    return RERUN_VARIABLE in os.environ


def find_questions(folder: Path) -> Path:
    """The one `test.csv` below a folder; where Kaggle mounts a competition's data has changed over time.

    Raises:
        GatewayError: there is none, or more than one.
    """
    found = sorted(folder.glob(f"**/{QUESTIONS}"))
    if len(found) != 1:
        listed = ", ".join(map(str, found)) or "none"
        raise GatewayError(
            f"want one {QUESTIONS} below {folder}; found {listed}. Add the competition to the notebook's inputs "
            "(competition_sources in kernel-metadata.json), or name the file in the parameter `questions`"
        )
    return found[0]


def read_questions(path: Path) -> pl.DataFrame:
    """The questions of a CSV: its columns `id`, the question under whatever name, and, where known, `answer`.

    Raises:
        GatewayError: there is no such file, or it holds something else.
    """
    if not path.is_file():
        raise GatewayError(f"there is no file {path}; want a CSV of id, problem and, where they are known, answer")
    try:
        # Read as text: an id such as 000123 is no number.
        rows = pl.read_csv(path, schema_overrides={"id": pl.String})
    except pl.exceptions.PolarsError as error:
        raise GatewayError(f"{path} cannot be read as a CSV of id and problem: {error}") from error
    if rows.is_empty() or rows.columns[0] != "id" or rows.width not in (2, 3):
        raise GatewayError(
            f"{path} holds {rows.height} rows of the columns {', '.join(rows.columns)}; want at least one of id, "
            "problem and, where the answers are known, answer"
        )
    return rows


def write_questions(held_out: Path, path: Path, count: int, answers: bool = True) -> Path:
    """Write the first held-out problems of a run as a CSV of questions, with or without their answers; its path.

    Args:
        held_out: parquet of `id, problem, answer`.
        path: the CSV.
        count: number of questions.
        answers: whether a column `answer` follows.
    """
    columns = ["id", "problem", *(["answer"] if answers else [])]
    pl.read_parquet(held_out).select(columns).head(count).write_csv(path)
    return path


def find_server(contest: str, search: Path = KAGGLE_INPUT) -> type | None:
    """The inference server class of a contest's `kaggle_evaluation` package, None where there is none.

    Args:
        contest: a name of `fastmath.answers.contests`; the package serves `aimo2` and `aimo3`.
        search: folder below which the package is looked for first.

    Raises:
        GatewayError: the package there is another competition's.
    """
    return _find_class(contest, search, "inference_server", "InferenceServer")


def find_gateway(contest: str, search: Path = KAGGLE_INPUT) -> type | None:
    """The class that asks a contest's questions, from the same package as `find_server`'s."""
    return _find_class(contest, search, "gateway", "Gateway")


def _find_class(contest: str, search: Path, module: str, name: str) -> type | None:
    if contest not in _COMPETITIONS:
        return None
    found = sorted(search.glob("**/kaggle_evaluation/__init__.py"))
    if found:
        sys.path.insert(0, str(found[0].parents[1]))
    elif importlib.util.find_spec("kaggle_evaluation") is None:
        return None
    prefix, class_prefix = _COMPETITIONS[contest]
    try:
        # By its name in the package for the server, which imports the gateway by its bare name.
        importlib.import_module(f"kaggle_evaluation.{prefix}_inference_server")
    except ModuleNotFoundError as error:
        package = found[0].parent if found else "kaggle_evaluation"
        raise GatewayError(f"{package} is no package for {contest!r} that can be imported here: {error}") from error
    loaded = importlib.import_module(f"kaggle_evaluation.{prefix}_{module}")
    return getattr(loaded, f"{class_prefix}{name}")


def serve(predict: Predict, contest: str, search: Path = KAGGLE_INPUT) -> None:
    """Answer the contest's own gateway until Kaggle ends the run.

    Raises:
        GatewayError: `kaggle_evaluation` is not there; attach the competition's data to the notebook.
    """
    server = find_server(contest, search)
    if server is None:
        raise GatewayError(
            f"no kaggle_evaluation package for {contest!r} was found under {search}; add the competition to the "
            "notebook's inputs (competition_sources in kernel-metadata.json)"
        )
    logger.info("serving %s through kaggle_evaluation", contest)
    server(_as_function(predict)).serve()


def run_competition_gateway(server: type, predict: Predict, questions: Path, folder: Path) -> pl.DataFrame:
    """Let the competition's own gateway ask the questions of a CSV in this process; the counterpart of `LocalGateway`.

    Args:
        server: from `find_server`.
        predict: called in a thread of the server.
        questions: absolute path of the CSV.
        folder: where the gateway writes `submission.parquet`: it writes into the working folder.

    Raises:
        GatewayError: the gateway refused a prediction, or its port is taken.
    """
    refuse_busy_ports()
    with contextlib.chdir(folder), naming_its_errors():
        server(_as_function(predict)).run_local_gateway((str(questions),))
    return pl.read_parquet(folder / SUBMISSION)


def _as_function(answer: Predict) -> Predict:
    """A plain function of the name `predict`: the servers go by the name, and AIMO3's refuses a method."""

    def predict(*columns: Any) -> Any:
        return answer(*columns)

    return predict


@contextlib.contextmanager
def naming_its_errors() -> Iterator[None]:
    """Turn an error of the competition's gateway, which has no message, into a `GatewayError` that has one."""
    errors = importlib.import_module("kaggle_evaluation.core.base_gateway")
    try:
        yield
    except errors.GatewayRuntimeError as error:
        raise GatewayError(f"the competition's gateway: {error.error_type.name}: {error.error_details}") from error


def refuse_busy_ports() -> None:
    """Refuse to start where another server answers on a port that the competition's gateway tries.

    Raises:
        GatewayError: it would be asked instead of this one.
    """
    relay = importlib.import_module("kaggle_evaluation.core.relay")
    for port in getattr(relay, "GRPC_PORTS", ()):
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", port)) == 0:
                raise GatewayError(
                    f"another process answers on port {port} and would be asked in place of this one; end it first"
                )
