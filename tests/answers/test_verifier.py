r"""The verifier: what a model writes neither hangs, fills nor kills anything, and costs no other sample its verdict."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbclient
import nbformat
import psutil
import pytest

from fastmath.answers.extract import extract_answer
from fastmath.answers.verifier import OUR_REASONS, Verdict, Verifier, VerifierError, settle

RIGHT = ("0.5", r"\frac{1}{2}")
WRONG = ("0.5", r"\frac{1}{3}")
SLOW = (r"\sqrt{7}", r"\int_0^1 \frac{\sin(x^x)}{\ln(x+1)^{x}}dx")
"""Short, cheap by its bound, and seconds of work for SymPy."""

HOSTILE = {
    "tower of powers": "9^{9^{9^9}}",
    "repeated factorial": "10000!!!",
    "nested braces": "{" * 10_000 + "7" + "}" * 10_000,
    "nested parentheses": "(" * 10_000 + "7" + ")" * 10_000,
    "box of 5 MB": "1+" * 2_500_000 + "1",
    "100,000 boxes": r"\boxed{7}" * 100_000,
    "boxes in boxes": r"\boxed{" * 10_000,
    "null bytes": "7\x00\x00",
    "lone surrogates": "\ud800\udfff7",
    "right-to-left marks": "\u202e7\u202c \u200f7",
    "matrix of 200 x 200": r"\begin{pmatrix}" + r"\\".join([" & ".join(["1"] * 200)] * 200) + r"\end{pmatrix}",
    "call of the system": "__import__('os').system('touch {marker}')",
    "call by a lambda": "(lambda: __import__('os').system('touch {marker}'))()",
    "call through attributes": "().__class__.__base__.__subclasses__()",
    "call of open": "open('{marker}', 'w')",
    "call in mathematics": r"$\text{exec}(__import__('os').system('touch {marker}'))$",
    "call as an operator name": r"\operatorname{eval}(open('{marker}','w'))",
    "infinite decimals": "0." + "3" * 1_000_000,
    "file of the system": r"\input{/etc/passwd}",
    "set of 10,000 members": r"\{" + ",".join(map(str, range(10_000))) + r"\}",
    "Chinese digits": "\u4e03\u5341\u4e8c",
    "full-width digits": "\uff17\uff12",
    "integral that takes for ever": SLOW[1],
    "power of a sum": "(x+y+z+w)^{63}(a+b+c+d)^{63}(x+a)^{63}",
    "chain of roots": r"\sqrt{2+\sqrt{3+\sqrt{5+\sqrt{7+\sqrt{11+\sqrt{13}}}}}}^{7}",
    "long product": r"\prod_{k=1}^{999} (x+k)",
}


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with Verifier(workers=2) as verifier:
        yield verifier


def correct(verdicts: list[Verdict]) -> list[bool | None]:
    return [verdict.correct for verdict in verdicts]


def processes_of(verifier: Verifier) -> list[psutil.Process]:
    """The supervisor and its workers."""
    supervisor = psutil.Process(verifier._supervisor._process.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def test_verdicts_come_in_order_and_are_those_of_verify(verifier: Verifier) -> None:
    pairs = [RIGHT, WRONG, ("7", "7"), ("???", "7"), ("x+1", None), RIGHT]
    assert correct(verifier.verify_many(pairs)) == [True, False, True, None, False, True]


def test_a_reference_that_nothing_can_be_judged_by_is_named_as_the_reason(verifier: Verifier) -> None:
    assert verifier.verify_many([("???", "7")]) == [Verdict(None, "reference")]


def test_exact_rules_start_no_process() -> None:
    with Verifier() as verifier:
        assert correct(verifier.verify_many([("7", "7.0"), ("7", "8"), ("7", None), ("7", "9^{9^{9}}")])) == [
            True, False, False, False,
        ]  # fmt: skip
        assert verifier._supervisor is None


def test_equal_pairs_are_judged_once(verifier: Verifier) -> None:
    # Judged one by one, 200 overrunning checks would take 200 x 0.5 s of CPU.
    began = time.monotonic()
    assert verifier.verify_many([SLOW] * 200) == [Verdict(None, "cpu time")] * 200
    assert time.monotonic() - began < 30


def test_a_check_that_overruns_costs_the_others_nothing(verifier: Verifier) -> None:
    verdicts = verifier.verify_many([SLOW, RIGHT, SLOW, WRONG])
    assert correct(verdicts) == [None, True, None, False]
    assert verdicts[0].reason == "cpu time"


def test_what_cannot_be_judged_in_time_is_wrong_beside_an_integer(verifier: Verifier) -> None:
    # The same prediction has no verdict beside a reference that would have to be compared by SymPy.
    assert verifier.verify_many([("7", SLOW[1]), SLOW]) == [Verdict(False, "cpu time"), Verdict(None, "cpu time")]


@pytest.mark.parametrize("reason", sorted(OUR_REASONS))
def test_what_is_our_fault_is_never_held_against_an_answer(reason: str) -> None:
    assert settle("7", Verdict(None, reason)) == Verdict(None, reason)


def test_an_error_that_a_prediction_brings_about_is_held_against_it() -> None:
    assert settle("7", Verdict(None, "RecursionError")) == Verdict(False, "RecursionError")


def test_ordinary_answers_are_judged_before_hostile_ones_use_up_the_deadline(verifier: Verifier) -> None:
    # 64 hostile checks of 0.5 s take 16 s on two cores, twice the deadline. First attempts of 0.05 s put them last:
    # the ordinary ones are done after 64 * 0.05 s / 2 = 1.6 s and their own 3 ms each.
    ordinary = [(rf"\frac{{{index}}}{{7}}", f"{index}/7") for index in range(64)]
    hostile = [(SLOW[0], SLOW[1].replace("x+1", f"x+{index}")) for index in range(2, 66)]
    mixed = [pair for both in zip(hostile, ordinary, strict=True) for pair in both]
    verdicts = dict(zip(mixed, verifier.verify_many(mixed, deadline_seconds=8.0), strict=True))
    assert {verdicts[pair].correct for pair in ordinary} == {True}
    # On busy cores the deadline may come before any of them has used its 0.5 s.
    assert {verdicts[pair].reason for pair in hostile} <= {"cpu time", "batch deadline"}


def test_a_batch_whose_time_is_over_leaves_the_rest_unjudged(verifier: Verifier) -> None:
    slow = [(SLOW[0], SLOW[1].replace("x+1", f"x+{index}")) for index in range(2, 42)]
    verdicts = verifier.verify_many(slow, deadline_seconds=0.5)
    assert Verdict(None, "batch deadline") in verdicts
    assert correct(verifier.verify_many([RIGHT])) == [True]


def test_memory_is_capped() -> None:
    # The tree of a sum of 3,900 terms takes 12 MiB where 8 are allowed, that of a fraction next to nothing.
    with Verifier(workers=1, cpu_seconds=10, memory_gib=0.008) as verifier:
        verdicts = verifier.verify_many([("x", "x+" * 3_900 + "y"), RIGHT])
    # Close to the cap the interpreter may spend its CPU time on freeing what it can before it gives up.
    assert verdicts[0].reason in ("memory", "cpu time")
    assert verdicts[1] == Verdict(True)


def test_a_worker_gets_no_more_memory_than_its_cap() -> None:
    code = (
        "from fastmath.answers.worker import _limit_memory\n"
        "_limit_memory(0.05)\n"
        "small = bytearray(2**24)\n"  # 16 MiB of the 51 that are allowed
        "try:\n    bytearray(2**26)\n"
        "except MemoryError:\n    print('refused')"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "refused\n"
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_survived(verifier: Verifier, tmp_path: Path, name: str) -> None:
    marker = tmp_path / "marker"
    text = HOSTILE[name].replace("{marker}", str(marker))
    pairs = [RIGHT, ("7", text), (r"\sqrt{7}", text), (text, "7"), WRONG]
    began = time.process_time()
    verdicts = verifier.verify_many(pairs, deadline_seconds=30)
    assert time.process_time() - began < 2, "this process itself has worked on it"
    assert (verdicts[0].correct, verdicts[-1].correct) == (True, False)
    # What does say 7, however oddly, may be right.
    says_seven = ("right-to-left marks", "full-width digits", "null bytes", "100,000 boxes")
    assert verdicts[1].correct is not True or name in says_seven
    answer = extract_answer(f"{text}</think>")
    assert answer is None or (answer.strip() and answer in text)
    assert not marker.exists()


@pytest.mark.slow
def test_three_hundred_hostile_inputs_leave_everything_as_it_was() -> None:
    texts = [f"{text}+{index}" for index in range(-(-300 // len(HOSTILE))) for text in HOSTILE.values()][:300]
    with Verifier(workers=2, cpu_seconds=0.2) as verifier:
        verifier.verify_many([RIGHT])
        before = _memory(verifier)
        for start in range(0, len(texts), 50):
            verifier.verify_many([(r"\sqrt{7}", text) for text in texts[start : start + 50]])
        assert correct(verifier.verify_many([RIGHT, WRONG])) == [True, False]
        processes = processes_of(verifier)
        assert len(processes) <= 1 + 2
        assert all(process.status() != psutil.STATUS_ZOMBIE for process in processes)
        assert _memory(verifier) - before < 200 * 2**20
    assert not any(process.is_running() for process in processes)


def _memory(verifier: Verifier) -> int:
    """Bytes of this process, the supervisor and its workers; what they share is counted once."""
    used = sum(process.memory_full_info().uss for process in processes_of(verifier))
    return used + psutil.Process().memory_full_info().uss


def test_a_worker_that_is_killed_from_outside_is_replaced(verifier: Verifier) -> None:
    verifier.verify_many([RIGHT])
    _, *workers = processes_of(verifier)
    for worker in workers:
        worker.kill()
    assert correct(verifier.verify_many([RIGHT, WRONG])) == [True, False]


def test_a_supervisor_that_is_killed_from_outside_is_replaced(verifier: Verifier) -> None:
    verifier.verify_many([RIGHT])
    supervisor, *workers = processes_of(verifier)
    supervisor.kill()
    assert correct(verifier.verify_many([RIGHT, WRONG])) == [True, False]
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive, "workers of a dead supervisor go on"


def test_any_thread_may_ask(verifier: Verifier) -> None:
    with ThreadPoolExecutor(4) as threads:
        verdicts = list(threads.map(lambda _: correct(verifier.verify_many([RIGHT, WRONG])), range(8)))
    assert verdicts == [[True, False]] * 8


def test_a_forked_child_has_workers_of_its_own(verifier: Verifier) -> None:
    verifier.verify_many([RIGHT])
    # The lock of a thread that was verifying when the process was forked stays locked in the child.
    with verifier._lock:
        child = multiprocessing.get_context("fork").Process(target=_verify_and_exit, args=(verifier,))
        child.start()
        child.join(60)
    assert child.exitcode == 0
    assert correct(verifier.verify_many([RIGHT])) == [True]


def _verify_and_exit(verifier: Verifier) -> None:
    verdicts = correct(verifier.verify_many([RIGHT, WRONG]))
    verifier.close()
    os._exit(0 if verdicts == [True, False] else 1)


def test_a_pickled_copy_works_and_shares_nothing(verifier: Verifier) -> None:
    verifier.verify_many([RIGHT])
    with pickle.loads(pickle.dumps(verifier)) as copy:
        assert correct(copy.verify_many([RIGHT])) == [True]
        assert processes_of(copy)[0] != processes_of(verifier)[0]
    assert correct(verifier.verify_many([RIGHT])) == [True]


@pytest.mark.parametrize("end", ["sys.exit()", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_no_process_outlives_the_one_that_asked(tmp_path: Path, end: str) -> None:
    # A script without a `__main__` guard, which a spawned pool would run again.
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import os, signal, sys
            from fastmath.answers.verifier import Verifier
            verifier = Verifier()
            verifier.verify_many([("0.5", "1/3")])
            print(verifier._supervisor._process.pid, flush=True)
            {end}
            """
        )
    )
    finished = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    supervisor = int(finished.stdout)
    for _ in range(100):
        if not psutil.pid_exists(supervisor):
            break
        time.sleep(0.1)
    assert not psutil.pid_exists(supervisor)


def test_ctrl_c_leaves_a_verifier_that_works(verifier: Verifier) -> None:
    verifier.verify_many([RIGHT])
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(KeyboardInterrupt):
        verifier.verify_many([SLOW])
    assert correct(verifier.verify_many([RIGHT, WRONG])) == [True, False]


def test_workers_that_cannot_start_are_an_error_that_shows_how_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(VerifierError, match=r"did not start within .*fastmath\.answers\.worker.* shows why"):
        Verifier().verify_many([RIGHT])


@pytest.mark.parametrize("limit", ["workers", "cpu_seconds", "memory_gib"])
def test_limits_must_be_positive(limit: str) -> None:
    with pytest.raises(ValueError, match=f"`{limit}` is -1; want a positive number"):
        Verifier(**{limit: -1})


@pytest.mark.slow
def test_every_process_under_accelerate_has_workers_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            from accelerate import PartialState
            from accelerate.utils import gather_object
            from fastmath.answers.verifier import Verifier
            state = PartialState(cpu=True)
            with Verifier() as verifier:
                verdicts = [verdict.correct for verdict in verifier.verify_many([("0.5", "1/2"), ("0.5", "1/3")])]
                gathered = gather_object([(verifier.workers, verifier._supervisor._process.pid, verdicts)])
            if state.is_main_process:
                print(len({pid for _, pid, _ in gathered}), [verdicts for _, _, verdicts in gathered])
            """
        )
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    assert finished.stdout.split("\n")[-2] == "2 [[True, False], [True, False]]"


@pytest.mark.slow
def test_a_notebook_can_verify() -> None:
    cell = nbformat.v4.new_code_cell(
        'from fastmath.answers.verifier import Verifier\nVerifier().verify_many([("0.5", "1/2")])[0].correct'
    )
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    assert notebook.cells[0].outputs[-1].data["text/plain"] == "True"
