"""`fastmath export`: a model of a run as others can use it."""

from pathlib import Path
from typing import Annotated

import typer

from fastmath.cli.status import find_run_folder


def export(
    run: Annotated[str, typer.Argument(help="a run folder, or its name in runs/")],
    destination: Annotated[Path, typer.Argument(help="folder to make")],
    model: Annotated[str, typer.Option(help="sft, grpo, awq, or compressed: awq as compressed-tensors")] = "awq",
) -> None:
    """Copy a model of a run with its tokenizer, template and a card of how it was made and what it can do."""
    from fastmath.evaluation.model_card import export_model  # metrics, which take a second

    card = export_model(find_run_folder(run), model, Path.cwd() / destination)
    typer.echo(f"{card.parent} holds the model {model}; read {card.name} before you publish it")
