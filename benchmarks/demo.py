"""Seconds and memory of the demo, `fastmath run nano`, stage by stage: alone, and beside a busy neighbour.

    python benchmarks/demo.py --work WORK [--against COMMIT] [--runs alone,beside,…] [--seed 0] [--set KEY=VALUE …]

Each run makes a new folder in WORK. The neighbour is a process that computes in pure Python and never waits. With
`--against` an older commit is checked out beside this one and runs the same recipe, as it was then, on the same machine
in the same hour; its interpreter and packages are those of today. Seconds are wall time by stage, notebook included;
memory is the largest sum over all processes of a run, in which shared pages count once a process. `cores_busy_before`
says how idle the machine was. The last line is one JSON object; `--keep` also writes it to `benchmarks/results`, by
machine.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from machine_results import keep
from neighbour import busy_neighbour

from fastmath.recipe.load import REPOSITORY_FOLDER
from fastmath.runs.memory import MemoryMonitor
from fastmath.runs.provenance import describe_commit, describe_hardware

RUNS = ("alone", "alone-against", "beside", "beside-against")
"""In this order, so that what is compared is measured one after the other."""
LOOK_SECONDS = 1.0
"""Time for which the machine is looked at before a run, in seconds."""


def find_command(checkout: Path) -> list[str]:
    """The command line of a checkout, of whatever commit: what its project file calls `fastmath`.

    Example: `fastmath = "fastmath.cli:main"` is run by `from fastmath.cli import main; main()`.
    """
    scripts = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["fastmath"].partition(":")
    return [sys.executable, "-c", f"from {module} import {function}; {function}()"]


def measure(command: Sequence[str], checkout: Path, beside: bool) -> dict[str, Any]:
    """Run a command of `fastmath run --json` and measure it.

    Args:
        command: the command.
        checkout: the checkout whose code it runs.
        beside: whether a neighbour keeps a core busy meanwhile.

    Raises:
        RuntimeError: the run failed, or a stage was there already.
    """
    busy = psutil.cpu_percent(LOOK_SECONDS) / 100 * (os.cpu_count() or 1)
    began = time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
    with busy_neighbour() if beside else contextlib.nullcontext():
        run = subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True)
        with MemoryMonitor(psutil.Process(run.pid)) as memory:
            try:
                output, _ = run.communicate()
            finally:
                run.terminate()  # where this benchmark was interrupted; the run then ends in its own order
                run.wait()
    seconds = time.monotonic() - began
    if run.returncode:
        raise RuntimeError(f"the run in {checkout} ended with exit code {run.returncode}; what it said stands above")
    stages = json.loads(output.splitlines()[-1])["stages"]
    there = [stage["stage"] for stage in stages if stage["outcome"] != "done"]
    if there:
        raise RuntimeError(f"{', '.join(there)} had been run before; want a folder without an earlier run (--work)")
    return {
        "seconds": {stage["stage"]: round(stage["seconds"], 1) for stage in stages},
        "total_seconds": round(seconds, 1),
        "peak_memory_gib": round(memory.peak_gib, 2),
        "cores_busy_before": round(busy, 2),
    }


@contextlib.contextmanager
def check_out(commit: str, folder: Path) -> Iterator[Path]:
    """A worktree of this repository at a commit, which is removed with the context."""
    git = ["git", "-C", str(REPOSITORY_FOLDER), "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", str(folder), commit], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def compare(runs: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """How many times as long one run takes as another, where both were made.

    Example: 600 s alone and 840 s beside a neighbour give `beside_to_alone` 1.4.
    """
    pairs = {
        "beside_to_alone": ("beside", "alone"),
        "alone_to_against": ("alone", "alone-against"),
        "beside_to_against": ("beside", "beside-against"),
    }
    return {
        name: round(runs[first]["total_seconds"] / runs[second]["total_seconds"], 3)
        for name, (first, second) in pairs.items()
        if first in runs and second in runs
    }


def choose_runs(named: str | None, against: str | None) -> list[str]:
    """The runs to make, in the order of `RUNS`.

    Raises:
        SystemExit: a name is unknown, or the older commit is not named.
    """
    chosen = named.split(",") if named else [name for name in RUNS if against or not name.endswith("-against")]
    unknown = [name for name in chosen if name not in RUNS]
    if unknown:
        sys.exit(f"--runs names {', '.join(unknown)}; want some of {', '.join(RUNS)}")
    if against is None and any(name.endswith("-against") for name in chosen):
        sys.exit("--runs names a run of an older commit; want its name in --against")
    return [name for name in RUNS if name in chosen]


def main() -> None:
    """Make the runs and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for the run folders")
    parser.add_argument("--against", metavar="COMMIT", help="older commit to run beside this one")
    parser.add_argument("--runs", help=f"some of {','.join(RUNS)}; by default all, or those of today alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--set", action="append", default=[], help="KEY=VALUE, as `fastmath run` takes it, for all runs"
    )
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    chosen, work = choose_runs(arguments.runs, arguments.against), arguments.work.absolute()
    settings = [part for each in arguments.set for part in ("--set", each)]
    work.mkdir(parents=True, exist_ok=True)
    runs: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        older = any(name.endswith("-against") for name in chosen)
        against = stack.enter_context(check_out(arguments.against, work / "against")) if older else None
        for name in chosen:
            checkout = against if name.endswith("-against") else REPOSITORY_FOLDER
            options = ["--run-dir", str(work / name), "--seed", str(arguments.seed), "--json", *settings]
            command = [*find_command(checkout), "run", "nano", *options]
            runs[name] = measure(command, checkout, beside=name.startswith("beside"))
            print(f"{name}: {runs[name]}", file=sys.stderr, flush=True)
    hardware = describe_hardware()
    result = {
        "machine": hardware,
        "commit": describe_commit(),
        "against": arguments.against,
        "settings": arguments.set,
        "runs": runs,
        **compare(runs),
    }
    if arguments.keep:
        keep("demo", result, f"{hardware['processor']} {hardware['cpus']} cores")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
