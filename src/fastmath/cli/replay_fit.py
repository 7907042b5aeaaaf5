"""`fastmath replay-fit`: the numbers of the kernel's own rule, fitted to one's own recorded samples."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from fastmath.answers.contests import CONTESTS
from fastmath.cli.replay import find_slowdown, read_schedule
from fastmath.policies.adaptive import load_schedule
from fastmath.recipe.errors import SettingsError, require_known
from fastmath.replay.fitting import FitSetting
from fastmath.replay.held_out import Judgement, fit_and_judge, note_few
from fastmath.replay.votes import read_votes


def replay_fit(
    votes: Annotated[list[Path], typer.Option(help="JSONL as for `replay`; repeatable, each file counts alike")],
    out: Annotated[Path, typer.Option(help="JSON file for the numbers, which `kernel.schedule` names")],
    profile: Annotated[str, typer.Option(help=f"contest that reads golds and votes: {', '.join(CONTESTS)}")] = "aimo2",
    model: Annotated[str | None, typer.Option(help="only this model's questions")] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="most samples per question")] = 16,
    engine: Annotated[
        Path | None, typer.Option(help="result of benchmarks/sampling.py or slowdown.py on the contest's engine")
    ] = None,
    slowdown: Annotated[float | None, typer.Option(help="the same as a number; 24 by default")] = None,
    start: Annotated[Path | None, typer.Option(help="numbers to begin from, in place of the package's")] = None,
    contests: Annotated[int, typer.Option(min=2, help="number of contests of a file, shared by its models")] = 60,
    processes: Annotated[int | None, typer.Option(min=1, help="number of processes; one per core by default")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Fit the kernel's own rule to recorded samples, and judge it on problems that it was not fitted to."""
    require_known("--profile", profile, CONTESTS)
    if engine is not None and slowdown is not None:
        raise SettingsError("--engine and --slowdown both say how the engine slows down; leave one of them out")
    begun = load_schedule() if start is None else read_schedule(start)
    measured = slowdown if engine is None else read_engine(engine)
    setting = FitSetting((find_slowdown(measured, begun),), samples=n, contests=contests)
    sets = {str(path): read_votes(path, model, CONTESTS[profile]) for path in votes}
    fitted, held_out = fit_and_judge(sets, begun, setting, processes or os.cpu_count() or 1)
    numbers = asdict(fitted) | {"slowdown": begun.slowdown if measured is None else measured}
    command = f"fastmath replay-fit {' '.join(f'--votes {path.name}' for path in votes)} --profile {profile}"
    out.write_text(json.dumps({"made_by": command} | numbers, indent=1) + "\n")
    result = {"schedule": numbers, "start": asdict(begun), "profile": profile, "notes": note_few(sets, n)}
    result["held_out"] = [asdict(each) for each in held_out]
    typer.echo(json.dumps(result) if as_json else f"{_render(result, held_out)}\nwritten to {out}")


def read_engine(path: Path) -> float:
    """The slowdown that a benchmark has measured: `slowdown` of its JSON object, which may be its output's last line.

    Raises:
        SettingsError: the file cannot be read or holds none.
    """
    try:
        content = path.read_text()
        try:
            measured = json.loads(content)
        except json.JSONDecodeError:
            measured = json.loads(content.rstrip().rpartition("\n")[2])
        slowdown = measured["slowdown"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"--engine {path} has no `slowdown` ({error!r}); want what `python benchmarks/slowdown.py` prints"
        ) from error
    if isinstance(slowdown, bool) or not isinstance(slowdown, int | float) or not slowdown > 0:
        raise SettingsError(f"--engine {path}: its `slowdown` is {slowdown!r}; want a number above 0")
    return slowdown


def _render(result: Mapping[str, Any], held_out: Sequence[Judgement]) -> str:
    start = result["start"]
    lines = [*result["notes"], f"{'number':<16} {'before':>10} {'now':>10}"]
    lines += [f"{name:<16} {start[name]!s:>10.6} {value!s:>10.6}" for name, value in result["schedule"].items()]
    lines += ["", "fitted to half of the problems, right answers of 50 on the other half, with 95 % intervals:"]
    lines.append("| limit | score | best public rule | above it | above the numbers before |")
    lines.append("|---|---|---|---|---|")
    for each in held_out:
        gains = " | ".join(
            f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]" for mean, low, high in (each.gain, each.gain_on_start)
        )
        lines.append(f"| {each.limit:g} | {each.score:.2f} | {each.best_public} | {gains} |")
    return "\n".join(lines)
