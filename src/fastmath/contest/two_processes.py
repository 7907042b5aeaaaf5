"""A small copy of Kaggle's scored run: the kernel's server in one process, the competition's gateway in another.

The server's process has `KAGGLE_IS_COMPETITION_RERUN` set and waits for questions until it is ended, as on Kaggle,
where the gateway runs in its own container. Either process runs this module as a script; the arguments are its role,
`server` or `gateway`, and a JSON file with the recipe and the paths.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from fastmath.contest.gateway import find_gateway, naming_its_errors, refuse_busy_ports
from fastmath.contest.play import serve_contest
from fastmath.contest.questions import GatewayError, read_questions
from fastmath.contest.serving import ASKED, begin_anew, write_report
from fastmath.recipe.sections import Recipe
from fastmath.runs.environment import RERUN_VARIABLE
from fastmath.runs.files import write_json
from fastmath.runs.model_folder import check_model_folder
from fastmath.runs.process import Process, end_child, read_tail, start_child

ORDER = "order.json"
POLL_SECONDS = 0.1


def answer_in_two_processes(
    recipe: Recipe, model: Path, questions: Path, folder: Path, gateway: Path
) -> dict[str, Any]:
    """Answer a CSV through the competition's gateway, with server and gateway each in its own process.

    Args:
        recipe: recipe whose `kernel` section is used.
        model: folder of the quantised checkpoint.
        questions: CSV of `id`, a question and, where known, `answer`.
        folder: folder for the files; an interrupted contest in it is continued, a finished one is started again.
        gateway: folder below which the competition's `kaggle_evaluation` is looked for.

    Returns:
        The report, as `fastmath.contest.serving.answer_questions` returns it. The processes' output is written to
        `server.log` and `gateway.log` in the same folder.

    Raises:
        fastmath.runs.model_folder.ModelFolderError: the model's folder holds no model.
        GatewayError: there are no questions or no `kaggle_evaluation`, or one of the processes failed.
        fastmath.contest.report.EmptyContestError: nothing was generated or answered; the files are written before.
    """
    model, questions, folder, gateway = (path.resolve() for path in (model, questions, folder, gateway))
    asked = read_questions(questions)
    check_model_folder(model)
    if find_gateway(recipe.kernel.profile, gateway) is None:
        raise GatewayError(f"there is no kaggle_evaluation for {recipe.kernel.profile!r} in {gateway}")
    refuse_busy_ports()
    begin_anew(asked, folder)
    order = {"model": model, "questions": folder / ASKED, "folder": folder, "gateway": gateway}
    order = {"recipe": recipe.model_dump(mode="json")} | {name: str(path) for name, path in order.items()}
    write_json(folder / ORDER, order)
    began = time.monotonic()
    server = _start("server", folder)
    try:
        asker = _start("gateway", folder)
        try:
            while asker.poll() is None:
                if server.poll() is not None:
                    raise GatewayError(f"the server ended with {server.returncode}: {read_tail(folder / 'server.log')}")
                time.sleep(POLL_SECONDS)
        finally:
            end_child(asker)
    finally:
        end_child(server)
        (folder / ORDER).unlink()
    if asker.returncode:
        raise GatewayError(f"the gateway ended with {asker.returncode}: {read_tail(folder / 'gateway.log')}")
    return write_report(recipe, asked, folder, time.monotonic() - began)


def _start(role: str, folder: Path) -> Process:
    return start_child(
        [sys.executable, "-m", "fastmath.contest.two_processes", role, str(folder / ORDER)],
        log=folder / f"{role}.log",
        environment={RERUN_VARIABLE: "1"} if role == "server" else {},
        folder=folder,  # the gateway writes its submission into the working folder
    )


def _run_role(role: str, order: dict[str, str]) -> None:
    if role == "gateway":
        # Only its presence counts, and this process may have inherited it.
        os.environ.pop(RERUN_VARIABLE, None)
    recipe = Recipe.model_validate(order["recipe"])
    gateway = Path(order["gateway"])
    if role == "server":
        serve_contest(recipe, Path(order["model"]), Path(order["folder"]), time.monotonic(), gateway)
    else:
        asker = find_gateway(recipe.kernel.profile, gateway)
        with naming_its_errors():
            asker((order["questions"],)).run()


if __name__ == "__main__":
    _run_role(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))
