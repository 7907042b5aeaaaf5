"""`fastmath compare`: what one model changes against another, and what the problems can show of that."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fastmath.recipe.errors import SettingsError, require_known

if TYPE_CHECKING:
    import polars

    from fastmath.evaluation.metrics import SampleArrays

_WANTED = "want a file of samples, PATH:MODEL for a run folder or recorded votes, or a model's name with --run-dir RUN"


@dataclass(frozen=True)
class SamplesSource:
    """Where the samples of one model stand.

    Attributes:
        path: parquet file of samples, or JSONL of recorded votes.
        model: whose votes are meant; None for a file of one model.
    """

    path: Path
    model: str | None

    @property
    def problems(self) -> Path | None:
        """The table of its problems, which says their set, family and difficulty; None where there is none."""
        folder = self.path.resolve().parent
        tables = (folder / "problems.parquet", folder.parent / "build_data" / "test.parquet")
        return next((table for table in tables if table.exists()), None)


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="samples.parquet, RUN:MODEL, VOTES.jsonl:MODEL, or a MODEL")],
    b: Annotated[str, typer.Argument(metavar="B", help="the same; what it changes against A is told")],
    run_dir: Annotated[Path | None, typer.Option(help="run folder of models that are named alone")] = None,
    k: Annotated[int, typer.Option("--k", min=1, help="samples of majority@k and pass@k, if there are as many")] = 16,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Compare two models on the problems that both were asked: the differences, and what they show."""
    from fastmath.evaluation.comparison import compare_groups, compare_samples, to_json  # which take a second
    from fastmath.evaluation.comparison_text import describe, render_groups_table, render_table

    sources = find_source("A", a, run_dir), find_source("B", b, run_dir)
    first, second = map(read_source, sources)
    differences = compare_samples(first, second, k)
    problems = read_problems(sources)
    groups = {} if problems is None else compare_groups(first, second, problems, k)
    if as_json:
        typer.echo(json.dumps(to_json(differences, groups)))
        return
    parts = [f"A: {a}\nB: {b}", render_table(differences), "\n".join(describe(differences))]
    parts += [render_groups_table(kind, values) for kind, values in groups.items()]
    if groups:
        parts.append("Bold differences exclude 0. Of groups without any difference one in twenty does so by chance.")
    typer.echo("\n\n".join(parts))


def find_source(label: str, argument: str, run_dir: Path | None) -> SamplesSource:
    """The samples that an argument names.

    Args:
        label: the argument's name, for messages.
        argument: a file of samples, `PATH:MODEL`, or a model of `run_dir`.
        run_dir: run folder, if one is given.

    Raises:
        SettingsError: there is nothing of that name; the message says what is there.
    """
    path = Path(argument)
    if path.is_file():
        return SamplesSource(path, None)
    if path.is_dir():
        raise SettingsError(f"{label} is the folder {path}; want {path}:MODEL, one of {_list_models(path)}")
    folder, _, model = argument.rpartition(":")
    if folder and Path(folder).is_file():
        return SamplesSource(Path(folder), model)
    if folder and Path(folder).is_dir():
        return _find_model(label, Path(folder), model)
    if folder or path.suffix or len(path.parts) > 1:
        raise SettingsError(f"{label} is {argument!r}, and there is no {folder or argument}; {_WANTED}")
    if run_dir is None:
        raise SettingsError(f"{label} is {argument!r}, which is no file, and --run-dir is missing; {_WANTED}")
    return _find_model(label, run_dir, argument)


def _find_model(label: str, run_dir: Path, model: str) -> SamplesSource:
    from fastmath.evaluation.models import samples_path

    models = _name_models(run_dir)
    if not models:
        raise SettingsError(f"{label}: {run_dir} has no samples; want a run whose stage 'evaluate' has sampled a model")
    require_known(f"{label}, the model of {run_dir},", model, models)
    return SamplesSource(samples_path(run_dir, model), model)


def _name_models(run_dir: Path) -> list[str]:
    from fastmath.evaluation.models import samples_path

    pattern = samples_path(run_dir, "*")
    return sorted(path.stem.removeprefix("samples-") for path in pattern.parent.glob(pattern.name))


def _list_models(run_dir: Path) -> str:
    return ", ".join(_name_models(run_dir)) or "those that its stage 'evaluate' samples: there are none yet"


def read_source(source: SamplesSource) -> "SampleArrays":
    """Read the samples that a source names.

    Raises:
        SettingsError: the file cannot be read, lacks the model, or its problems differ in their number of samples.
    """
    from fastmath.evaluation.formats.reading import read_samples_table
    from fastmath.evaluation.metrics import SampleArrays

    table = read_samples_table(source.path, source.model)
    try:
        return SampleArrays.from_frame(table)
    except ValueError as error:
        raise SettingsError(f"{source.path}: {error}") from error


def read_problems(sources: tuple[SamplesSource, ...]) -> "polars.DataFrame | None":
    """The table of problems of the first source that has one."""
    import polars

    table = next((source.problems for source in sources if source.problems), None)
    return None if table is None else polars.read_parquet(table)
