"""`fastmath doctor`: what this machine can run, and what is missing."""

import dataclasses
import json
from typing import Annotated

import typer

from fastmath.planning.doctor import Finding, examine
from fastmath.recipe.load import REPOSITORY_FOLDER

_MARKS = {True: "ok", False: "MISSING", None: ""}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="print the findings as one JSON object")] = False,
) -> None:
    """Look at this machine: Python, packages, compiler, GPUs, memory, disk, the Hub, and which recipes it can run.

    Exit code 1: something is missing that every recipe needs.
    """
    findings: list[Finding] = []
    for finding in examine(REPOSITORY_FOLDER):
        findings.append(finding)
        if not as_json:
            typer.echo(f"{_MARKS[finding.holds]:<8}{finding.name}: {finding.detail}")
    holds = all(finding.holds is not False for finding in findings)
    if as_json:
        typer.echo(json.dumps({"holds": holds, "findings": [dataclasses.asdict(finding) for finding in findings]}))
    if not holds:
        raise typer.Exit(1)
