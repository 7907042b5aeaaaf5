"""`fastmath convert`: samples from and to the files of other evaluation tools."""

from pathlib import Path
from typing import Annotated

import typer


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="samples: a file, a folder or a pattern of output-rs*.jsonl")
    ],
    destination: Annotated[
        Path, typer.Argument(metavar="OUT", help="file to write; the folder of the files for nemo-skills")
    ],
    form: Annotated[str, typer.Option("--to", help="nemo-skills, lm-eval, boinf, votes or samples (parquet)")],
    model: Annotated[
        str | None, typer.Option(help="model wanted of recorded votes, and the model's name in votes")
    ] = None,
    problems: Annotated[
        Path | None, typer.Option(help="file of id, problem, answer, where IN does not state the problems")
    ] = None,
    filter_name: Annotated[
        str | None, typer.Option("--filter", help="filter wanted of lm-evaluation-harness' samples")
    ] = None,
) -> None:
    """Write the samples of one model in another format; that of IN is recognised by what it holds."""
    from fastmath.evaluation.formats.conversion import convert_samples  # tables, which take a second

    here = Path.cwd()
    written = convert_samples(
        here / source, here / destination, form, model, None if problems is None else here / problems, filter_name
    )
    typer.echo(f"{written} holds the samples of {source.name} as {form}")
