"""Verification of model output in worker processes, so that no answer can hang, exhaust or crash the caller.

`Verifier.verify_many` gives the verdicts of `fastmath.answers.verify.verify` for many pairs. Pairs that exact rules can
decide are decided in the calling process; only pairs that need SymPy go to the workers of `fastmath.answers.worker`. A
pair that cannot be judged gets a verdict of None with the reason, and does not affect the verdicts of other pairs.
"""

import collections
import contextlib
import dataclasses
import json
import logging
import os
import selectors
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from fastmath.answers.integers import to_int
from fastmath.answers.verify import verify_exactly

logger = logging.getLogger(__name__)

START_SECONDS = 120.0
OUR_REASONS = frozenset(("reference", "wall time", "memory", "crash", "batch deadline"))
"""Reasons that a prediction alone cannot bring about: a pair without a verdict for one of them stays without."""
_GRACE_SECONDS = 2.0
_ATTEMPTS = 2
_PACKAGES = str(Path(__file__).parents[2])


@dataclass(frozen=True)
class Verdict:
    """Result of comparing one answer with its reference.

    Attributes:
        correct: whether the answer equals the reference; None where the pair cannot be judged. An answer that takes too
            much time beside an integer is wrong: nobody needs that long to write an integer, and a model must not
            escape a bad score by writing what cannot be judged.
        reason: why the pair was not compared: `reference` (the reference is empty, unparseable or too costly),
            `cpu time`, `wall time`, `memory`, `crash`, `batch deadline`, or the name of an exception; None where the
            pair was compared.
    """

    correct: bool | None
    reason: str | None = None


class VerifierError(RuntimeError):
    """The process that supervises the workers cannot be started or does not answer."""


class Verifier:
    """Compares pairs of reference and predicted answer in worker processes.

    The workers start with the first pair that needs them, and end with `close`, with a `with` block, or with this
    process. Any thread may call a verifier; its copy in a forked or spawned child process starts workers of its own.
    """

    def __init__(self, workers: int | None = None, cpu_seconds: float = 0.5, memory_gib: float = 1.0) -> None:
        """Set the limits; no process is started yet.

        Args:
            workers: number of worker processes. None divides the cores equally among the training processes of this
                machine (`LOCAL_WORLD_SIZE`), with at most 8 workers for each.
            cpu_seconds: CPU time allowed for one check, in seconds; a pair that needs more is not judged.
            memory_gib: memory that one worker may allocate on top of what it has after its imports, in GiB; a pair that
                comes near to this limit is not judged, and its worker is replaced.

        Raises:
            ValueError: a limit is not positive.
        """
        for name, value in (("workers", workers), ("cpu_seconds", cpu_seconds), ("memory_gib", memory_gib)):
            if value is not None and value <= 0:
                raise ValueError(f"`{name}` is {value}; want a positive number")
        self.workers = workers or _default_workers()
        self.cpu_seconds = cpu_seconds
        self.memory_gib = memory_gib
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._supervisor: _Supervisor | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"workers": self.workers, "cpu_seconds": self.cpu_seconds, "memory_gib": self.memory_gib}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def verify_many(
        self, pairs: Sequence[tuple[str, str | None]], deadline_seconds: float | None = None
    ) -> list[Verdict]:
        """Verdict of each (gold, prediction) pair, in order; equal pairs are judged only once.

        Args:
            pairs: reference and predicted answers; see `fastmath.answers.verify.verify`.
            deadline_seconds: wall time allowed for all pairs together, in seconds; pairs that are not verified by then
                are not judged. None waits for every pair. The time it takes to start the workers is not counted.

        Raises:
            VerifierError: the workers cannot be started.
        """
        verdicts: dict[tuple[str, str | None], Verdict] = {}
        hard = []
        for pair in dict.fromkeys(pairs):
            exact = verify_exactly(*pair)
            if exact is None:
                hard.append(pair)
            else:
                verdicts[pair] = Verdict(exact)
        if hard:
            found = self._ask(hard, deadline_seconds)
            verdicts |= {pair: settle(pair[0], verdict) for pair, verdict in zip(hard, found, strict=True)}
        unjudged = collections.Counter(verdict.reason for verdict in verdicts.values() if verdict.correct is None)
        if unjudged:
            logger.info("%d of %d pairs cannot be judged: %s", unjudged.total(), len(verdicts), dict(unjudged))
        return [verdicts[pair] for pair in pairs]

    def close(self) -> None:
        """End the workers; the next pair that needs workers starts new ones."""
        if self._owner == os.getpid():
            with self._lock:
                self._stop()

    def _ask(self, pairs: Sequence[tuple[str, str | None]], deadline_seconds: float | None) -> list[Verdict]:
        if self._owner != os.getpid():
            self._forget()  # in a forked child the parent's lock may stay locked for ever
        with self._lock:
            for attempt in range(_ATTEMPTS):
                self._supervisor = self._supervisor or _Supervisor(self.workers, self.cpu_seconds, self.memory_gib)
                try:
                    return [Verdict(*result) for result in self._supervisor.judge(pairs, deadline_seconds)]
                except TimeoutError:
                    logger.warning("the workers did not keep their deadline; new ones are started")
                    self._stop()
                    return [Verdict(None, "batch deadline")] * len(pairs)
                except VerifierError as error:
                    logger.warning("%s (attempt %d); new workers are started", error, attempt + 1)
                    self._stop()
                except BaseException:
                    self._stop()  # after Ctrl-C a late reply would be taken for that to the next request
                    raise
        return [Verdict(None, "crash")] * len(pairs)

    def _stop(self) -> None:
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None


def settle(gold: str, verdict: Verdict) -> Verdict:
    """The verdict, or wrong where what the prediction says has kept it from being compared with an integer."""
    if verdict.correct is None and verdict.reason not in OUR_REASONS and to_int(gold) is not None:
        return dataclasses.replace(verdict, correct=False)
    return verdict


@dataclass
class _Supervisor:
    """The process that runs `fastmath.answers.worker`, and the pipes to it."""

    workers: int
    cpu_seconds: float
    memory_gib: float
    _process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "fastmath.answers.worker", "--size", str(self.workers)]
        command += ["--cpu-seconds", str(self.cpu_seconds), "--memory-gib", str(self.memory_gib)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(), start_new_session=True
        )
        # `stop` is called at the latest when this process ends; in a forked child it does nothing.
        self.stop = weakref.finalize(self, _stop_process, self._process, os.getpid())
        try:
            self._receive(time.monotonic() + START_SECONDS)
        except (TimeoutError, VerifierError) as error:
            self.stop()
            raise VerifierError(
                f"the verification workers did not start within {START_SECONDS:.0f} s; `{' '.join(command)}` shows why"
            ) from error

    def judge(self, pairs: Sequence[tuple[str, str | None]], deadline_seconds: float | None) -> list[Any]:
        """`[correct, reason]` of each pair.

        Raises:
            VerifierError: the process has ended.
            TimeoutError: the process does not keep the deadline.
        """
        try:
            self._process.stdin.write(json.dumps([pairs, deadline_seconds]).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise VerifierError(f"the workers take no request: {error}") from error
        ends = float("inf") if deadline_seconds is None else time.monotonic() + deadline_seconds + _GRACE_SECONDS
        return self._receive(ends)

    def _receive(self, ends: float) -> list[Any]:
        received = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not received.endswith(b"\n"):
                left = ends - time.monotonic()
                if left <= 0 or not selector.select(None if left == float("inf") else left):
                    raise TimeoutError("the workers gave no reply in time")
                piece = os.read(self._process.stdout.fileno(), 1 << 20)
                if not piece:
                    raise VerifierError("the workers' supervisor is gone")
                received += piece
        return json.loads(received)


def _stop_process(process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:
        return
    with contextlib.suppress(OSError):  # `close` flushes, which fails if the pipe is broken
        process.stdin.close()
    try:
        process.wait(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # its workers end when their sockets close
        process.wait()
    process.stdout.close()


def _environment() -> dict[str, str]:
    """Environment of this process, with this package on the path and one thread for every numerical library."""
    paths = [_PACKAGES, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


def _default_workers() -> int:
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return min(max(len(os.sched_getaffinity(0)) // processes, 1), 8)
