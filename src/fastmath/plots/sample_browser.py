"""A browser of an evaluation's samples: choose model, set, family, outcome and length, and read what was written."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import polars as pl

from fastmath.plots.kernel_gate import offer
from fastmath.plots.outcomes import OUTCOME_COLOURS, OUTCOMES, classify_samples
from fastmath.plots.traces import render_text

ANY = "all"
"""The choice that leaves nothing out."""
_UNNAMED = "held-out"
"""Name of the set of a run's own problems, and of nothing else."""


@dataclass(frozen=True)
class Choice:
    """Which samples are looked at.

    Attributes:
        model: name of the model, or `ANY`; so are the next three.
        set: name of the set of problems.
        family: family of the problem.
        outcome: one of `fastmath.plots.outcomes.OUTCOMES`.
        tokens: smallest and largest number of tokens; None for any.
    """

    model: str = ANY
    set: str = ANY
    family: str = ANY
    outcome: str = ANY
    tokens: tuple[int, int] | None = None


def join_samples(tables: Mapping[str, pl.DataFrame], problems: pl.DataFrame) -> pl.DataFrame:
    """The samples of all models with their problems, one row a sample.

    Args:
        tables: name of a model → its samples, of `fastmath.sampling.samples.SAMPLE_SCHEMA`.
        problems: table of `id, problem, answer` and, where it says them, `set`, `family` and `difficulty`.

    Returns:
        The columns of the samples, `model`, `outcome`, `problem`, `gold`, and `set` and `family`, which are never null.
    """
    known = problems.select(
        pl.col("id").alias("problem_id"),
        "problem",
        pl.col("answer").cast(pl.String).alias("gold"),
        *(
            (pl.col(name) if name in problems.columns else pl.lit(None, dtype=pl.String).alias(name)).fill_null(default)
            for name, default in (("set", _UNNAMED), ("family", "not said"))
        ),
    )
    models = [table.with_columns(pl.lit(name).alias("model"), classify_samples()) for name, table in tables.items()]
    return pl.concat(models).join(known, on="problem_id", how="left", maintain_order="left")


def choose_samples(samples: pl.DataFrame, choice: Choice) -> pl.DataFrame:
    """The rows of `join_samples` that are chosen, in their order."""
    named = {"model": choice.model, "set": choice.set, "family": choice.family, "outcome": choice.outcome}
    wanted = [pl.col(column) == value for column, value in named.items() if value != ANY]
    if choice.tokens is not None:
        wanted.append(pl.col("tokens").is_between(*choice.tokens))
    return samples.filter(*wanted)


def render_sample(row: Mapping[str, Any]) -> str:
    """A row of `join_samples` as HTML: the problem, what became of the sample, and its text, everything escaped."""
    outcome = row["outcome"]
    marked = f'<span style="color:{OUTCOME_COLOURS[outcome]}; font-weight:bold">{outcome}</span>'
    answer = "no answer" if row["answer"] is None else f"answer {row['answer']}"
    facts = [row["model"], f"{row['problem_id']}, sample {row['sample']}", row["set"], row["family"]]
    facts += [f"{answer}, gold {row['gold']}", f"{row['tokens']:,} tokens"]
    return (
        f"<p><b>{html.escape(row['problem'])}</b><br><small>{marked} · {html.escape(' · '.join(facts))}</small></p>"
        f"{render_text(row['text'])}"
    )


def browse_samples(tables: Mapping[str, pl.DataFrame], problems: pl.DataFrame) -> widgets.VBox:
    """A button that opens the browser; arguments are those of `join_samples`."""
    return offer("Browse the samples", lambda: SampleBrowser(join_samples(tables, problems)).widget)


class SampleBrowser:
    """Controls for a choice, and one chosen sample at a time.

    Attributes:
        widget: everything together.
        choices: column → the control that chooses its value.
        tokens: the control of the length.
        place: number of the shown sample among the chosen ones, from 1; 0 where none is chosen.
    """

    def __init__(self, samples: pl.DataFrame) -> None:
        """Show samples.

        Args:
            samples: table of `join_samples`.
        """
        self._samples, self._chosen = samples, samples
        self.choices = {
            column: widgets.Dropdown(description=column, options=_list_options(samples, column))
            for column in ("model", "set", "family", "outcome")
        }
        longest = int(samples["tokens"].max() or 0)
        self.tokens = widgets.IntRangeSlider(
            description="tokens", min=0, max=longest, value=(0, longest), continuous_update=False
        )
        self.place = widgets.BoundedIntText(description="sample", min=0, max=len(samples))
        self._count = widgets.Label()
        self._text = widgets.HTML()
        for control in (*self.choices.values(), self.tokens):
            control.observe(self._choose, "value")
        self.place.observe(self._show, "value")
        steps = [widgets.Button(description=word, layout=widgets.Layout(width="auto")) for word in ("previous", "next")]
        for button, change in zip(steps, (-1, 1), strict=True):
            button.on_click(lambda _, change=change: self._move(change))
        wrap = widgets.Layout(flex_flow="row wrap")
        tall = widgets.Layout(max_height="640px", overflow="auto")
        self.widget = widgets.VBox(
            [
                widgets.HBox([*self.choices.values(), self.tokens], layout=wrap),
                widgets.HBox([self.place, self._count, *steps], layout=wrap),
                widgets.Box([self._text], layout=tall),
            ]
        )
        self._choose()

    def _choose(self, _: Any = None) -> None:
        named = {column: control.value for column, control in self.choices.items()}
        self._chosen = choose_samples(self._samples, Choice(**named, tokens=self.tokens.value))
        self.place.max = len(self._chosen)
        self.place.value = min(1, len(self._chosen))
        self._count.value = f"of {len(self._chosen):,}"
        self._show()

    def _move(self, change: int) -> None:
        self.place.value = max(min(1, self.place.max), self.place.value + change)

    def _show(self, _: Any = None) -> None:
        place = self.place.value
        self._text.value = (
            render_sample(self._chosen.row(place - 1, named=True)) if place else "<i>none is like this</i>"
        )


def _list_options(samples: pl.DataFrame, column: str) -> list[tuple[str, str]]:
    """What may be chosen of a column, each with the number of its samples."""
    counts = dict(samples[column].value_counts(sort=True, name="n").iter_rows())
    values = [value for value in OUTCOMES if value in counts] if column == "outcome" else sorted(counts)
    values = list(dict.fromkeys(samples["model"])) if column == "model" else values
    return [(f"{ANY} ({len(samples):,})", ANY), *((f"{value} ({counts[value]:,})", value) for value in values)]
