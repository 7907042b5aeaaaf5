"""Kaggle's scored run in small: the kernel's server in one process, the competition's gateway in another.

The server's process has `KAGGLE_IS_COMPETITION_RERUN` set and waits for questions until it is ended, as on Kaggle,
where the gateway runs in a container of its own. Run as a module, this is either process; its order comes as JSON on
standard input.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fastmath.recipe.sections import Recipe
from fastmath.contest.play import serve_contest
from fastmath.contest.gateway import (
    RERUN_VARIABLE,
    GatewayError,
    find_gateway,
    naming_its_errors,
    read_questions,
    refuse_busy_ports,
)
from fastmath.contest.serving import begin_anew, write_report
from fastmath.runs.model_folder import check_model_folder

STOP_SECONDS = 10.0
_TAIL_CHARACTERS = 2000


def answer_in_two_processes(
    recipe: Recipe, model: Path, questions: Path, folder: Path, gateway: Path
) -> dict[str, Any]:
    """Answer a CSV through the competition's gateway in a process of its own.

    Args:
        recipe: whose `kernel` section is used.
        model: folder of the quantised checkpoint.
        questions: CSV of `id`, a question and, where known, `answer`.
        folder: where the files are written; a contest that was cut off there goes on, a finished one begins anew.
        gateway: folder that holds the competition's `kaggle_evaluation`.

    Returns:
        The report, as `answer_questions` gives it; both processes' output lies beside it, in `server.log` and
        `gateway.log`.

    Raises:
        fastmath.runs.model_folder.ModelFolderError: the model's folder holds no model.
        GatewayError: no questions, no `kaggle_evaluation`, or one of the processes failed.
    """
    model, questions, folder, gateway = (path.resolve() for path in (model, questions, folder, gateway))
    read_questions(questions)
    check_model_folder(model)
    if find_gateway(recipe.kernel.profile, gateway) is None:
        raise GatewayError(f"there is no kaggle_evaluation for {recipe.kernel.profile!r} in {gateway}")
    refuse_busy_ports()
    begin_anew(folder)
    order = {
        "recipe": recipe.model_dump(mode="json"),
        "model": str(model),
        "questions": str(questions),
        "folder": str(folder),
        "gateway": str(gateway),
    }
    began = time.monotonic()
    server = _start("server", order, folder)
    try:
        asker = _start("gateway", order, folder)
        try:
            while asker.poll() is None:
                if server.poll() is not None:
                    raise GatewayError(f"the server ended with {server.returncode}: {_tail(folder / 'server.log')}")
                time.sleep(0.1)
        finally:
            _stop(asker)
    finally:
        _stop(server)
    if asker.returncode:
        raise GatewayError(f"the gateway ended with {asker.returncode}: {_tail(folder / 'gateway.log')}")
    return write_report(recipe, questions, folder, time.monotonic() - began)


def _start(role: str, order: dict[str, Any], folder: Path) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != RERUN_VARIABLE}
    if role == "server":
        environment[RERUN_VARIABLE] = "1"
    with (folder / f"{role}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "fastmath.contest.two_processes"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,  # where the gateway writes its submission
            env=environment,
            text=True,
            start_new_session=True,  # vLLM's engine ends with its group
        )
    with process.stdin as pipe:
        pipe.write(json.dumps({**order, "role": role}))
    return process


def _stop(process: subprocess.Popen[str]) -> None:
    """End a process and those that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-_TAIL_CHARACTERS:].strip() or "it has said nothing"


def _run_role(order: dict[str, str]) -> None:
    recipe = Recipe.model_validate(order["recipe"])
    gateway = Path(order["gateway"])
    if order["role"] == "server":
        serve_contest(recipe, Path(order["model"]), Path(order["folder"]), time.monotonic(), gateway)
    else:
        asker = find_gateway(recipe.kernel.profile, gateway)
        with naming_its_errors():
            asker((order["questions"],)).run()


if __name__ == "__main__":
    _run_role(json.load(sys.stdin))
