"""The supervisor process of a `Verifier` and the workers that it forks: `python -m fastmath.answers.worker`.

The supervisor imports SymPy and math-verify once, warms up their parsers, and then forks workers. A fork takes
milliseconds where an import takes a second, so a worker that exceeds its limits can simply be killed and replaced. The
supervisor has one thread, so forking is safe, and it never parses the answers that it receives.

A check has a deadline in CPU seconds rather than in wall time, so that a busy machine gives the same verdicts as an
idle one. The operating system enforces it (`setitimer`, SIGPROF with its default action), even inside a big-integer
power that never returns to the interpreter. The first attempt at a check gets only a small share of this time, and a
check that needs more is tried again after all others. So ordinary answers are judged before the deadline of the batch,
however many hostile ones it contains.
"""

import argparse
import contextlib
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import psutil

from fastmath.answers.verify import verify

FIRST_ATTEMPT_SHARE = 0.1
"""Share of the CPU deadline that the first attempt at a check gets."""
WALL_PER_CPU_SECOND = 20
"""Wall seconds, per CPU second of the deadline, after which a worker that sleeps or gets no CPU time is killed."""
_IDLE_SECONDS = 1.0
_TRUSTED_MEMORY_SHARE = 0.75
_FORBIDDEN_EVENTS = (
    *("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.kill", "os.putenv", "os.remove"),
    *("os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "subprocess.", "socket.", "shutil.", "ctypes."),
)
_WARM_UP = (("0.5", r"\frac{1}{2}"), (r"\{1, \sqrt{2}\}", r"\{1, 2\}"), ("(1,2)", "1<x<2"), ("x^2+1", "(x+1)^2-2x"))


@dataclass(frozen=True)
class Limits:
    """Limits of one check.

    Attributes:
        cpu_seconds: CPU time allowed for the check, in seconds.
        memory_gib: address space that a worker may allocate on top of what it has when it starts, in GiB.
    """

    cpu_seconds: float
    memory_gib: float


@dataclass
class _Task:
    index: int
    pair: tuple[str, str | None]
    attempts: int = 0


@dataclass
class _Worker:
    pid: int
    channel: socket.socket
    task: _Task | None = None
    give_up_at: float = 0.0


@dataclass
class Supervisor:
    """Judges batches of pairs on forked workers.

    Attributes:
        size: number of workers.
        limits: limits of one check.
    """

    size: int
    limits: Limits
    _workers: list[_Worker] = field(default_factory=list)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def judge(self, pairs: list[tuple[str, str | None]], deadline_seconds: float | None) -> list[Any]:
        """`[correct, reason]` of each pair; `reason` says why a pair could not be judged, and is None if it was."""
        ends = time.monotonic() + (float("inf") if deadline_seconds is None else deadline_seconds)
        results: list[Any] = [[None, "batch deadline"] for _ in pairs]
        waiting = deque(_Task(index, pair) for index, pair in enumerate(pairs))
        left = len(waiting)
        while left and time.monotonic() < ends:
            self._assign_tasks(waiting)
            for task, result in self._collect(ends):
                if result is None:
                    waiting.append(task)
                else:
                    results[task.index] = result
                    left -= 1
        for worker in [worker for worker in self._workers if worker.task]:
            self._remove(worker)
        return results

    def _assign_tasks(self, waiting: deque[_Task]) -> None:
        while waiting and len(self._workers) < self.size:
            self._fork()
        for worker in list(self._workers):
            if worker.task or not waiting:
                continue
            task = waiting.popleft()
            task.attempts += 1
            seconds = self.limits.cpu_seconds * (FIRST_ATTEMPT_SHARE if task.attempts == 1 else 1.0)
            worker.task = task
            worker.give_up_at = time.monotonic() + WALL_PER_CPU_SECOND * seconds
            # `_collect` notices a worker that has just died, by the end of file on its channel.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                worker.channel.sendall(_encode([seconds, *task.pair]))

    def _collect(self, ends: float) -> Iterator[tuple[_Task, list[Any] | None]]:
        """Tasks that have ended, with their results; None instead of a result for a task to be tried again."""
        now = time.monotonic()
        first = min((worker.give_up_at for worker in self._workers if worker.task), default=now)
        for key, _ in self._selector.select(max(min(first, ends) - now, 0.0)):
            worker: _Worker = key.data
            task = worker.task
            reply = _receive(worker.channel)
            if reply is not None and task is not None:
                worker.task = None
                yield task, reply
                if reply[1] == "memory":  # its memory is freed when it ends
                    self._remove(worker)
                continue
            reason = self._remove(worker)
            if task is not None:
                yield task, None if task.attempts == 1 else [None, reason]
        now = time.monotonic()
        for worker in [worker for worker in self._workers if worker.task and now >= worker.give_up_at]:
            task = worker.task
            self._remove(worker)
            yield task, None if task.attempts == 1 else [None, "wall time"]

    def _fork(self) -> None:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            for worker in self._workers:
                worker.channel.close()
            ours.close()
            _work(theirs, self.limits)
        theirs.close()
        worker = _Worker(pid, ours)
        self._workers.append(worker)
        self._selector.register(ours, selectors.EVENT_READ, worker)

    def _remove(self, worker: _Worker) -> str:
        """Kill a worker and reap its process; `cpu time` if its timer had already ended it, else `crash`."""
        self._workers.remove(worker)
        self._selector.unregister(worker.channel)
        worker.channel.close()
        # A worker that is already dead keeps its exit status, which tells whether its timer ended it.
        os.kill(worker.pid, signal.SIGKILL)
        _, status = os.waitpid(worker.pid, 0)
        return "cpu time" if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF else "crash"

    def close(self) -> None:
        """End all workers."""
        for worker in list(self._workers):
            self._remove(worker)


def _encode(message: list[Any]) -> bytes:
    # JSON escapes lone surrogates, null bytes and newlines in ASCII, so the only newline is the end of the message.
    return json.dumps(message).encode() + b"\n"


def _receive(channel: socket.socket) -> list[Any] | None:
    """Read one message; None at the end of file."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while not received.endswith(b"\n"):
            piece = channel.recv(1 << 16)
            if not piece:
                return None
            received += piece
        return json.loads(received)
    return None


def _work(channel: socket.socket, limits: Limits) -> NoReturn:
    """Main loop of a worker: judge the pairs that arrive until the channel is closed."""
    # A worker must not touch the supervisor's standard streams, which carry requests and replies.
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    memory_limit = _limit_memory(limits.memory_gib)
    sys.addaudithook(_refuse)
    while (message := _receive(channel)) is not None:
        seconds, gold, prediction = message
        signal.setitimer(signal.ITIMER_PROF, seconds)
        result = _judge(gold, prediction)
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        # math-verify treats a MemoryError like unparseable text, so running out of memory would look like a verdict.
        if _peak_memory() > memory_limit:
            result = [None, "memory"]
        channel.sendall(_encode(result))
    os._exit(0)


def _judge(gold: str, prediction: str | None) -> list[Any]:
    try:
        correct = verify(gold, prediction)
    except MemoryError:
        return [None, "memory"]
    except Exception as error:  # noqa: BLE001 - the error of one pair must not affect another; the parent logs its name
        return [None, type(error).__name__]
    return [correct, "reference" if correct is None else None]


def _limit_memory(gib: float) -> int:
    """Cap the memory of this process, and return the peak in bytes above which a verdict is not trusted.

    A peak that comes this near to the cap may mean that the memory ran out.
    """
    allowed = int(gib * 2**30)
    address_space = psutil.Process().memory_info().vms + allowed
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    return _peak_memory() + int(_TRUSTED_MEMORY_SHARE * allowed)


def _peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook of a worker, which forbids it to start processes, write files or use the network.

    So an answer that tricks a parser into running code does no harm.
    """
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if writes or event.startswith(_FORBIDDEN_EVENTS):
        raise PermissionError(f"a judged answer tried {event}")


def main() -> None:
    """Serve batches from standard input until it ends, or until the process that started this one has ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--cpu-seconds", type=float, required=True)
    parser.add_argument("--memory-gib", type=float, required=True)
    arguments = parser.parse_args()
    # Ctrl-C is handled by the process that sends the batches; this one ends when its standard input is closed.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for gold, prediction in _WARM_UP:
        verify(gold, prediction)
    supervisor = Supervisor(arguments.size, Limits(arguments.cpu_seconds, arguments.memory_gib))
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of a library that prints must not mix with the replies
    _reply(output, ["ready"])
    for request in _read_requests(os.getppid()):
        pairs, deadline_seconds = request
        _reply(output, supervisor.judge([tuple(pair) for pair in pairs], deadline_seconds))
    supervisor.close()


def _reply(output: Any, message: list[Any]) -> None:
    output.write(_encode(message))
    output.flush()


def _read_requests(parent: int) -> Iterator[list[Any]]:
    received = b""
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        # There may be no end of file: a child forked by the parent can keep the pipe open after the parent has ended.
        while os.getppid() == parent:
            if not selector.select(_IDLE_SECONDS):
                continue
            piece = os.read(0, 1 << 20)
            if not piece:
                return
            received += piece
            if received.endswith(b"\n"):
                yield json.loads(received)
                received = b""


if __name__ == "__main__":
    main()
