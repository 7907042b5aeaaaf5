"""`fastmath report`: runs as one page that opens anywhere, without a network."""

from pathlib import Path
from typing import Annotated

import typer

from fastmath.cli.status import find_run_folder


def report(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="run folders, or their names in runs/")],
    html: Annotated[Path, typer.Option("--html", help="file to write")],
) -> None:
    """Write one page of curves, tables, comparisons, samples, contest, data and settings of one run or several."""
    from fastmath.page.document import write_page  # figures and tables, which take a second

    path = Path.cwd() / html
    path.parent.mkdir(parents=True, exist_ok=True)
    size = write_page([find_run_folder(run) for run in runs], path)
    typer.echo(f"{path} holds {', '.join(runs)} ({size / 1e6:.1f} MB); it opens in a browser, without a network")
