"""Samples of one format written in another."""

from pathlib import Path

from fastmath.evaluation.formats.boinf import write_boinf
from fastmath.evaluation.formats.lm_eval import write_lm_eval
from fastmath.evaluation.formats.nemo_skills import write_nemo_skills
from fastmath.evaluation.formats.reading import read_problems_table, read_samples_table
from fastmath.evaluation.formats.rows import FormatError
from fastmath.evaluation.formats.votes import write_votes_tables
from fastmath.recipe.errors import require_known
from fastmath.runs.files import write_parquet

WRITTEN_FORMATS = ("nemo-skills", "lm-eval", "boinf", "votes", "samples")
"""The formats that samples can be written in; `samples` is our own table, as parquet."""


def convert_samples(
    source: Path,
    destination: Path,
    form: str,
    model: str | None = None,
    problems: Path | None = None,
    filter_name: str | None = None,
) -> Path:
    """Write the samples of one model in another format.

    Args:
        source: file of samples, as `read_samples_table` reads it.
        destination: file to write, in a folder that is made; for `nemo-skills` the folder of its files.
        form: one of `WRITTEN_FORMATS`.
        model: model whose samples are wanted, and its name in `votes`; there the name of the source by default.
        problems: file of the problems; by default the source states them.
        filter_name: filter whose answers are wanted.

    Returns:
        Path of what was written.

    Raises:
        SettingsError: the format is not known, a file is not as it must be, or the source lacks what the format wants.
    """
    require_known("--to", form, WRITTEN_FORMATS)
    samples = read_samples_table(source, model, filter_name)
    if form not in ("nemo-skills", "lm-eval") and destination.is_dir():
        raise FormatError(f"{destination} is a folder; want the name of a file for the format {form}")
    destination.parent.mkdir(parents=True, exist_ok=True)
    if form == "samples":
        write_parquet(samples, destination)
        return destination
    stated = read_problems_table(problems or source)
    match form:
        case "nemo-skills":
            write_nemo_skills(samples, stated, destination)
        case "lm-eval":
            return write_lm_eval(samples, stated, destination, source.stem)
        case "boinf":
            write_boinf(samples, stated, destination)
        case "votes":
            write_votes_tables({model or source.stem: samples}, stated, destination)
    return destination
