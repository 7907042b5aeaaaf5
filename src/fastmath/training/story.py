"""What a GRPO training did, as tables for its notebook: validations and the choice, the guard's findings, the time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastmath.runs.metrics import read_metrics
from fastmath.training.findings import read_findings
from fastmath.training.selection import PASS_1, PREFIX, read_choice, read_interpolation
from fastmath.training.timing import GENERATION, PARTS, TOKENS


def tell_validations(folder: Path) -> str:
    """Markdown table of the validations of a GRPO stage, with 95 % intervals; the product's row is bold."""
    rows = [row for row in read_metrics(folder / "metrics.jsonl") if row.get(PASS_1) is not None]
    interpolation = read_interpolation(folder)
    if not rows:
        text = "This training was not validated (`grpo.validation`); its product is the last model."
        return text if interpolation is None else f"{text} {_tell_interpolation(interpolation)}"
    names = [name for name in rows[0] if name.startswith(PREFIX) and f"{name}/low" in rows[0]]
    choice = read_choice(folder) or {}
    interpolated = interpolation is not None and interpolation["taken"]
    lines = [
        "| step | " + " | ".join(name.removeprefix(PREFIX) for name in names) + " |",
        "| --: |" + " --: |" * len(names),
    ]
    for row in rows:
        cells = [str(row["step"]), *(_write_estimate(row, name) for name in names)]
        chosen = row["step"] == choice.get("step") and not interpolated
        lines.append("| " + " | ".join(f"**{cell}**" if chosen else cell for cell in cells) + " |")
    if interpolation is not None and PASS_1 in interpolation:
        cells = ["interpolated", *(_write_estimate(interpolation, name) for name in names)]
        lines.append("| " + " | ".join(f"**{cell}**" if interpolated else cell for cell in cells) + " |")
    if choice:
        between = "between the start model and the model" if interpolated else "the model"
        lines += ["", f"The product is {between} after step {choice['step']} of {choice['steps']}."]
    if interpolation is not None:
        lines += ["", _tell_interpolation(interpolation)]
    return "\n".join(lines)


def _tell_interpolation(interpolation: Mapping[str, Any]) -> str:
    share = interpolation["share"]
    if interpolation["taken"]:
        return f"Its weights are {share:.0%} the trained ones and {1 - share:.0%} those of the model before GRPO."
    return f"With {share:.0%} of the trained weights it was worse beyond the noise, so that it is the trained model."


def tell_findings(folder: Path) -> str:
    """Markdown list of what the guard has found in a GRPO stage."""
    findings = read_findings(folder)
    if not findings:
        return "The guard found nothing."
    words = {"warn": "warning", "stop": "**the training was ended**"}
    return "\n".join(f"- step {each.step}, {words[each.level]}: {each.message}" for each in findings)


def tell_time(folder: Path) -> str:
    """Markdown table of the seconds of a GRPO stage by what they were spent on, and its generated tokens a second."""
    totals = measure_time(read_metrics(folder / "metrics.jsonl"))
    whole = sum(totals[part] for part in PARTS)
    if not whole:
        return "This training has logged no times."
    lines = ["| part | seconds | share |", "| :-- | --: | --: |"]
    lines += [f"| {part.partition('/')[2]} | {totals[part]:,.0f} | {totals[part] / whole:.0%} |" for part in PARTS]
    speed = totals[TOKENS] / totals[GENERATION] if totals[GENERATION] else 0.0
    return "\n".join([*lines, "", f"{totals[TOKENS]:,.0f} tokens of completions, {speed:,.0f} a second of generation."])


def measure_time(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds by part, and generated tokens, of all rows of `metrics.jsonl` together.

    The validations before the first step and after the last one have rows of their own.
    """
    return {name: sum(row.get(name) or 0.0 for row in rows) for name in (*PARTS, TOKENS)}


def _write_estimate(row: Mapping[str, Any], name: str) -> str:
    value, low, high = (row[f"{name}{end}"] for end in ("", "/low", "/high"))
    digits = 1 if name.endswith("tokens") else 3
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
