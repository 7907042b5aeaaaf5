"""The data card: a README of what the sets contain, so that `datasets` can load them and people can trust them."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import polars
import yaml

from fastmath.recipe.data import SourceSettings
from fastmath.recipe.sections import Recipe

SETS = {"sft": "sft.parquet", "grpo": "grpo.parquet", "calibration": "calibration.parquet", "test": "test.parquet"}

_CHOICES = """\
Where the recipe leaves room: a share of exactly the bound of "above" does not pass, exact bounds of "between" do; a
trace of exactly the bound is not longer than it, and only correct generations count; a problem that two draws of one
source would take is taken by the first, and the second draws from the others; a problem that stands in two sources is
kept from the first; held-out problems are removed before the draws, repetitions after them."""


def write_card(folder: Path, recipe: Recipe) -> None:
    """Write `README.md` beside the sets; it makes the folder loadable by `datasets.load_dataset(folder, "sft")`."""
    configs = [{"config_name": name, "data_files": file} for name, file in SETS.items()]
    header = yaml.safe_dump({"configs": configs}, sort_keys=False)
    (folder / "README.md").write_text(f"---\n{header}---\n" + "\n".join(_describe(folder, recipe)) + "\n")


def _describe(folder: Path, recipe: Recipe) -> Iterator[str]:
    yield f"# Training data of the recipe {recipe.name}, seed {recipe.seed}\n"
    yield "| set | rows | columns | SHA-256 |\n| :-- | --: | :-- | :-- |"
    for name, file in SETS.items():
        path = folder / file
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows = polars.scan_parquet(path)
        columns = ", ".join(rows.collect_schema().names())
        yield f"| {name} | {rows.select(polars.len()).collect().item():,} | {columns} | `{digest[:16]}` |"
    yield "\n## Sources\n\n| source | kind | from | revision | licence |\n| :-- | :-- | :-- | :-- | :-- |"
    yield from map(_describe_source, recipe.data.sources)
    yield "\n## What became of every row\n\n| source | outcome | rows |\n| :-- | :-- | --: |"
    for source, outcomes in json.loads((folder / "funnel.json").read_text()).items():
        yield from (f"| {source} | {outcome} | {count:,} |" for outcome, count in outcomes.items())
    repaired = polars.read_parquet(folder / "survey.parquet")["repaired"].sum()
    yield f"\nLaTeX commands that had lost their backslash to an escape and were made whole: {repaired:,}."
    yield f"\n{_CHOICES}\n\n## Settings\n\n```yaml"
    yield yaml.safe_dump(recipe.data.model_dump(mode="json"), sort_keys=False) + "```"


def _describe_source(source: SourceSettings) -> str:
    origin = "made by `fastmath.nano.rows`" if source.path is None else f"`{Path(source.path).name}`"
    if source.path is not None and source.revision is not None:
        origin = f"`{source.path}`" + (f", `{source.file}`" if source.file else "")
    return f"| {source.name} | {source.kind} | {origin} | {source.revision or ''} | {source.licence} |"
