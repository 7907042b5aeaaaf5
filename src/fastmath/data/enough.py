"""Refusing sources of which nothing is left, at once and with the reasons, before a training does nothing with them."""

from collections.abc import Mapping
from pathlib import Path

import polars

from fastmath.recipe.sections import Recipe


class NothingLeftError(ValueError):
    """A source gives no row to any training set; the message counts the reasons."""


def require_rows(
    recipe: Recipe, funnel: Mapping[str, Mapping[str, int]], grpo: polars.DataFrame, rejects: Path
) -> None:
    """Refuse sources that give no row to the SFT set and none to the GRPO set: a recipe without them would do the same.

    Args:
        recipe: the recipe, with its sources; fine-tuning and the calibration of the quantisation want traces.
        funnel: source → outcome → number of rows, from `fastmath.data.build.count_funnel`.
        grpo: the GRPO set, with a column `source`.
        rejects: file in which every row stands that was left out, for the message.

    Raises:
        NothingLeftError: there is such a source, or no source gives a row to an SFT set that is wanted.
    """
    sources, in_grpo = recipe.data.sources, set(grpo["source"])
    wants_traces = recipe.sft is not None or recipe.quantize is not None
    empty = [source.name for source in sources if not funnel[source.name]["kept"] and source.name not in in_grpo]
    if not empty and (not wants_traces or any(funnel[source.name]["kept"] for source in sources)):
        return
    counts = "; ".join(count_reasons(name, funnel[name]) for name in empty or funnel)
    unmet = "no source gives a row to the SFT set" + (
        "" if recipe.sft is not None else ", of which the quantisation is calibrated"
    )
    found = "these sources give no row" if empty else unmet
    raise NothingLeftError(
        f"{found}: {counts}. Mend the rows or `data.sources` (rules, columns, path), or leave the source out; each row "
        f"stands with its reason in {rejects}"
    )


def count_reasons(name: str, outcomes: Mapping[str, int]) -> str:
    """A source's rows by outcome, the most frequent first.

    Example: `mine: 40 rows, 0 kept (30 no correct generation, 10 malformed: no JSON)`.
    """
    reasons = sorted(
        ((count, reason) for reason, count in outcomes.items() if reason not in ("rows", "kept")), reverse=True
    )
    listed = ", ".join(f"{count} {reason}" for count, reason in reasons) or "the source is empty"
    return f"{name}: {outcomes['rows']} rows, {outcomes['kept']} kept ({listed})"
