"""The two ways in which a contest asks its questions: Kaggle's evaluation server, and a small local stand-in.

`LocalGateway` is this project's own and keeps the contract that competitors meet in AIMO2 and AIMO3: the questions come
in random order, `predict` is called once per question in a worker thread, it gets every column as a polars Series of
length 1 by position, it returns a DataFrame of `id` and `answer`, and `submission.parquet` is written only after the
last question. It is stricter in one point: it refuses an answer that is not int64, which Kaggle would silently cast.
"""

import contextlib
import importlib
import importlib.util
import logging
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from fastmath.contest.questions import GatewayError, read_questions

logger = logging.getLogger(__name__)

Predict = Callable[..., Any]

SUBMISSION = "submission.parquet"

KAGGLE_INPUT = Path("/kaggle/input")

# Contest → prefix of its module names and prefix of its class names in `kaggle_evaluation`. That package is only
# available as part of the competition's data.
_COMPETITIONS = {"aimo2": ("aimo_2", "AIMO2"), "aimo3": ("aimo_3", "AIMO3")}


@dataclass(frozen=True)
class LocalGateway:
    """A local stand-in for the contest's gateway, which asks the questions of a CSV as the contest does.

    Attributes:
        predict: function that answers one question; its arguments are the columns in the order of the CSV, each as a
            Series of length 1.
        response_seconds: maximum time that one call of `predict` may take, in seconds, `call_seconds` of a contest's
            profile; the first call has no limit, because models are loaded in it. None = no call has one.
        seed: seed of the random order of the questions; None gives another order each time.
    """

    predict: Predict
    response_seconds: float | None = None
    seed: int | None = None

    def run(self, questions: Path, folder: Path) -> pl.DataFrame:
        """Ask every question, then write `submission.parquet` into `folder` and return it.

        Raises:
            GatewayError: the CSV holds no questions, or a call failed, took too long or did not return exactly one
                int64 answer; nothing is written then.
        """
        rows = read_questions(questions).sample(fraction=1.0, shuffle=True, seed=self.seed)
        # Not used as a context manager: on exit it would wait for a call that never returns.
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
    """Check the prediction for one question and return it as a row of `fastmath.kernel.submission.SUBMISSION_SCHEMA`.

    Args:
        prediction: what `predict` returned, a polars or pandas DataFrame.
        identifier: id of the question that was asked.

    Raises:
        GatewayError: the prediction is not a DataFrame of one row with this `id` and an int64 `answer`.
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


def find_server(contest: str, search: Path = KAGGLE_INPUT) -> type | None:
    """The inference server class of a contest's `kaggle_evaluation` package; None where no such package is found.

    Args:
        contest: name of a contest in `fastmath.answers.contests`; only `aimo2` and `aimo3` have such a package.
        search: folder below which the package is looked for, before the installed packages are tried.

    Raises:
        GatewayError: the package that was found belongs to another competition or cannot be imported.
    """
    return _find_class(contest, search, "inference_server", "InferenceServer")


def find_gateway(contest: str, search: Path = KAGGLE_INPUT) -> type | None:
    """The class that asks a contest's questions, with the arguments and from the package of `find_server`."""
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
        # The server module comes first: it imports the gateway module by its bare name, without the package.
        importlib.import_module(f"kaggle_evaluation.{prefix}_inference_server")
    except ModuleNotFoundError as error:
        package = found[0].parent if found else "kaggle_evaluation"
        raise GatewayError(f"{package} is no package for {contest!r} that can be imported here: {error}") from error
    loaded = importlib.import_module(f"kaggle_evaluation.{prefix}_{module}")
    return getattr(loaded, f"{class_prefix}{name}")


def serve(predict: Predict, contest: str, search: Path = KAGGLE_INPUT) -> None:
    """Answer the questions of the contest's own gateway until Kaggle ends the run.

    Args:
        predict: function that answers one question, as for `LocalGateway`.
        contest: name of the contest, as for `find_server`.
        search: folder below which `kaggle_evaluation` is looked for.

    Raises:
        GatewayError: `kaggle_evaluation` was not found; attach the competition's data to the notebook.
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
        server: inference server class, from `find_server`.
        predict: function that answers one question; it is called in a thread of the server.
        questions: absolute path of the CSV.
        folder: folder for `submission.parquet`; made the working folder meanwhile, since the gateway writes there.

    Raises:
        GatewayError: the gateway refused a prediction, or another process answers on its port.
    """
    refuse_busy_ports()
    with contextlib.chdir(folder), naming_its_errors():
        server(_as_function(predict)).run_local_gateway((str(questions),))
    return pl.read_parquet(folder / SUBMISSION)


def _as_function(answer: Predict) -> Predict:
    """Wrap `answer` in a function with the name `predict`, which the servers look for; AIMO3's also refuses methods."""

    def predict(*columns: Any) -> Any:
        return answer(*columns)

    return predict


@contextlib.contextmanager
def naming_its_errors() -> Iterator[None]:
    """Turn an error of the competition's gateway, which has no message, into a `GatewayError` with a message."""
    errors = importlib.import_module("kaggle_evaluation.core.base_gateway")
    try:
        yield
    except errors.GatewayRuntimeError as error:
        raise GatewayError(f"the competition's gateway: {error.error_type.name}: {error.error_details}") from error


def refuse_busy_ports() -> None:
    """Refuse to start while another server answers on a port that the competition's gateway tries.

    Raises:
        GatewayError: there is such a server; the gateway would ask it instead of this one.
    """
    relay = importlib.import_module("kaggle_evaluation.core.relay")
    for port in getattr(relay, "GRPC_PORTS", ()):
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", port)) == 0:
                raise GatewayError(
                    f"another process answers on port {port} and would be asked in place of this one; end it first"
                )
