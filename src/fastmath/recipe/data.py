"""The section `data` of a recipe: sources, rules, and what must not be trained on."""

from typing import Literal, Self

from pydantic import Field, model_validator

from fastmath.recipe.section import Section


class NanoDataSettings(Section):
    """Size and difficulty of the embedded problem source (`fastmath.nano.rows`).

    Attributes:
        train_problems: number of distinct problems in the training split.
        test_problems: number of held-out problems.
        steps: smallest and largest number of steps of a problem; more steps are harder.
        largest: largest operand of a single step.
        generations: smallest and largest number of traces that a problem has.
        wrong_share: probability that a trace makes a mistake at one step.
        truncated_share: probability that a trace is cut off before its end.
        unboxed_share: probability that the reasoning has no box, so that the answer stands only behind `</think>`.
        rechecks: smallest and largest mean number of re-checks a step; every problem draws its own from this range, so
            that some problems have wordier traces than others.
    """

    train_problems: int = Field(4000, ge=1)
    test_problems: int = Field(250, ge=1)
    steps: tuple[int, int] = (2, 5)
    largest: int = Field(9, ge=2, le=9)
    generations: tuple[int, int] = (2, 4)
    wrong_share: float = Field(0.15, ge=0, le=1)
    truncated_share: float = Field(0.08, ge=0, le=1)
    unboxed_share: float = Field(0.04, ge=0, le=1)
    rechecks: tuple[float, float] = (0.9, 2.1)


class RuleSettings(Section):
    """One draw from a source: the problems whose accuracy and trace lengths lie within bounds.

    Attributes:
        accuracy_above: share of correct generations must be greater than this; none sets no lower bound.
        accuracy_at_least, accuracy_at_most: inclusive bounds of the same share.
        trace_tokens_above: at least one correct generation has more tokens than this.
        draw: number of problems drawn at random from those that pass; none keeps all.
    """

    name: str
    accuracy_above: float | None = Field(None, ge=0, le=1)
    accuracy_at_least: float = Field(0.0, ge=0, le=1)
    accuracy_at_most: float = Field(1.0, ge=0, le=1)
    trace_tokens_above: int | None = Field(None, ge=0)
    draw: int | None = Field(None, ge=1)


class SourceSettings(Section):
    """Where rows come from.

    Attributes:
        kind: `nano` (made), `openr1` (OpenR1-Math-220k schema), `light_r1` (conversations; answers are extracted from
            the traces), `published` (`problem, generation, answer` as they are) or `problems` (`problem, answer`, for
            the GRPO set alone).
        path: local JSON, JSONL or parquet file (also gzipped), a folder of them, or a Hub dataset; none for `nano`.
        revision, file: commit of a Hub dataset, and its files by a pattern; of a local folder likewise.
        licence: stated by the publisher, for the data card.
        columns: our column name → theirs, where they differ.
        rules: draws from this source, joined; none keeps every problem with a correct generation.
        grpo: whether its problems also make the GRPO set.
    """

    name: str
    kind: Literal["nano", "openr1", "light_r1", "published", "problems"]
    path: str | None = None
    revision: str | None = None
    file: str | None = None
    licence: str = "not stated"
    columns: dict[str, str] = Field(default_factory=dict)
    rules: tuple[RuleSettings, ...] = ()
    grpo: bool = False

    @model_validator(mode="after")
    def _match_path(self) -> Self:
        if (self.kind == "nano") == (self.path is not None):
            raise ValueError(f"source {self.name!r} of kind {self.kind!r}: `path` is wanted by every kind but `nano`")
        return self


class DecontaminationSettings(Section):
    """What must not be trained on, besides the held-out problems.

    Attributes:
        files: JSONL or CSV files of evaluation problems, with a column `problem`; named in the rejects by file.
        ngram: words in one n-gram.
        share: part of an evaluation problem's n-grams from which on a training problem repeats it.
    """

    files: tuple[str, ...] = ()
    ngram: int = Field(8, ge=2)
    share: float = Field(0.8, gt=0, le=1)


class DataSettings(Section):
    """What the SFT set, the GRPO set and the held-out problems are made of.

    Attributes:
        sources: read in this order; a problem that stands in two is kept from the first.
        test_path: held-out problems, JSONL of `problem, answer` or a CSV; none takes the nano test split.
        decontaminate: further problems that are removed from training.
        near_duplicates: similarity from which on a reworded problem is removed; none removes exact repetitions alone.
        sft_problems, grpo_problems: upper limits, drawn at random; none keeps all.
        calibration_rows: training texts set apart for AWQ.
        answer_range: smallest and largest integer answer of a GRPO problem, others are left out of the GRPO set; none
            keeps every answer.
        workers: processes that read and judge; none takes one a core.
    """

    sources: tuple[SourceSettings, ...] = Field(min_length=1)
    nano: NanoDataSettings = NanoDataSettings()
    test_path: str | None = None
    decontaminate: DecontaminationSettings = DecontaminationSettings()
    near_duplicates: float | None = Field(0.8, gt=0, le=1)
    sft_problems: int | None = Field(None, ge=1)
    grpo_problems: int | None = Field(None, ge=1)
    calibration_rows: int = Field(128, ge=1)
    answer_range: tuple[int, int] | None = (0, 999)
    workers: int | None = Field(None, ge=1)
