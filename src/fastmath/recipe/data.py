"""The section `data` of a recipe: problem sources, selection rules, and problems to keep out of the training data."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from fastmath.recipe.pins import HUB_SCHEME, parse_hub_file
from fastmath.recipe.section import Section


class HardSettings(Section):
    """The hard problems of the embedded source, where votes split and brevity costs something.

    Attributes:
        share: share of hard problems, spread evenly over the problems of a split.
        steps: smallest and largest number of calculation steps of a hard problem.
        largest: largest operand of a single step of a hard problem, 2 to 9.
        corrected_share: probability that a re-checked step of a hard problem is first written wrong, so that only its
            re-check puts it right. A model that learns from such traces needs its re-checks.
    """

    share: float = Field(1 / 3, ge=0, le=1)
    steps: tuple[int, int] = (4, 5)
    largest: int = Field(9, ge=2, le=9)
    corrected_share: float = Field(0.0, ge=0, le=1)


class NanoDataSettings(Section):
    """Size and difficulty of the embedded problem source (`fastmath.nano.rows`).

    Attributes:
        train_problems: number of distinct problems in the training split.
        test_problems: number of distinct held-out problems. They are used only if `data.test_path` is None; then
            `evaluate.problems` and `kernel.questions` may not be larger.
        validation_problems: number of distinct problems on which GRPO is watched (`grpo.validation`), used only if
            `data.validation_path` is None; 0 makes none.
        steps: smallest and largest number of calculation steps in a problem; problems with more steps are harder.
        largest: largest operand of a single step, 2 to 9; larger operands are harder.
        hard: how many problems are hard, and how these differ.
        generations: smallest and largest number of traces per problem.
        wrong_share: probability that a trace makes a mistake at one step and so ends with a wrong answer.
        truncated_share: probability that a trace is cut off before its end; such a trace counts as incorrect.
        unboxed_share: probability that the reasoning contains no box, so that the answer appears only after
            `</think>`, as it does in 79 of 80 real traces.
        rechecks: smallest and largest mean number of re-checks per step. The mean of each problem is drawn from this
            range, so some problems have wordier traces than others.
        answer_share: largest share of one answer among the problems of a split, so that no guess is worth much.
        zero_share: the same for the answer 0, with which the kernel falls back.
    """

    train_problems: int = Field(4000, ge=1)
    test_problems: int = Field(250, ge=1)
    validation_problems: int = Field(0, ge=0)
    steps: tuple[int, int] = (2, 5)
    largest: int = Field(9, ge=2, le=9)
    hard: HardSettings = HardSettings()
    generations: tuple[int, int] = (2, 4)
    wrong_share: float = Field(0.15, ge=0, le=1)
    truncated_share: float = Field(0.08, ge=0, le=1)
    unboxed_share: float = Field(0.8, ge=0, le=1)
    rechecks: tuple[float, float] = (0.9, 2.1)
    answer_share: float = Field(0.14, gt=0, le=1)
    zero_share: float = Field(0.04, ge=0, le=1)


class RuleSettings(Section):
    """One draw from a source: bounds on accuracy and trace length, and how many of the passing problems to take.

    The accuracy of a problem is the share of its generations that are correct; a problem must meet all bounds.

    Attributes:
        name: name of the rule, for the reader of the recipe.
        accuracy_above: exclusive lower bound of the accuracy; None sets no such bound.
        accuracy_at_least: inclusive lower bound of the accuracy.
        accuracy_at_most: inclusive upper bound of the accuracy.
        trace_tokens_above: length, in tokens, that at least one correct generation must exceed; None sets no bound.
        draw: number of problems drawn at random from those that pass and that no earlier rule of the source has
            drawn; None takes all of them.
    """

    name: str
    accuracy_above: float | None = Field(None, ge=0, le=1)
    accuracy_at_least: float = Field(0.0, ge=0, le=1)
    accuracy_at_most: float = Field(1.0, ge=0, le=1)
    trace_tokens_above: int | None = Field(None, ge=0)
    draw: int | None = Field(None, ge=1)


class SourceSettings(Section):
    """One source of problems and traces.

    Attributes:
        name: name of the source in the rejects, in the data card and in error messages.
        kind: schema of the rows. `nano`: generated, in the OpenR1 schema; `openr1`: as OpenR1-Math-220k; `light_r1`:
            conversations, where the last box of a trace is taken as the answer; `published`: `problem, generation,
            answer`, every generation taken as correct; `problems`: `problem, answer` without traces, which can go into
            the GRPO set only.
        path: local JSON, JSONL or CSV file (also gzipped) or parquet file, a folder of such files, or the name of a Hub
            dataset; a relative path starts at the checkout's root. A CSV holds `published` or `problems`, the kinds
            without lists. None for `nano`, required for every other kind.
        revision: commit of the Hub dataset; required before a run, unused for local files.
        file: pattern (as in `fnmatch`) of the file names to read from a Hub dataset or a local folder, for example
            `data/*.parquet`; None reads every file.
        licence: licence that the publisher states; it is copied into the data card.
        columns: column names where they differ from the schema, as `ours: theirs`, for example `{problem: question}`.
        rules: draws from this source, whose problems are joined; empty keeps every problem with a correct generation.
        grpo: whether the chosen problems of this source also go into the GRPO set.
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
    """Removal of training problems that repeat a held-out problem or a problem of another evaluation set.

    Attributes:
        files: further evaluation sets, as in `data.test_path`, of which only the column `problem` is read. The rejects
            name the set by its file name, or by the name of its Hub dataset.
        ngram: length of the compared n-grams, in words; a shorter evaluation problem is matched by its whole text only.
        share: share of an evaluation problem's n-grams at which a training problem that contains them is removed;
            1.0 requires all of them.
    """

    files: tuple[str, ...] = ()
    ngram: int = Field(8, ge=2)
    share: float = Field(0.8, gt=0, le=1)

    @field_validator("files")
    @classmethod
    def _know_addresses(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        for file in files:
            _know_address(file)
        return files


class DataSettings(Section):
    """How the SFT set, the GRPO set and the held-out problems are made.

    Attributes:
        sources: sources of training problems, in order; a problem that occurs in two of them is kept from the first.
            Empty only where nothing is trained or quantised.
        nano: size and difficulty of the embedded source, for sources of kind `nano` and for the nano test split.
        test_path: JSON, JSONL, CSV or parquet file of held-out problems with columns `problem` and `answer`: a local
            path, where a relative one starts at the checkout's root, or a file of a Hub dataset,
            `hf://datasets/OWNER/NAME@COMMIT/FILE`. None takes the test split of the nano task; the embedded model alone
            is evaluated on it.
        validation_path: such a file of the problems on which GRPO is watched while it trains (`grpo.validation`), which
            are kept out of the training data as the held-out ones are. None takes the validation split of the nano
            task, with as many problems as `nano.validation_problems` says.
        decontaminate: how training problems that repeat a held-out problem are recognised, and further evaluation sets
            to compare with.
        near_duplicates: Jaccard similarity of two problems' sets of three-word shingles at which the later problem is
            removed, if its numbers are also the same; None removes only exact repetitions.
        sft_problems: most problems in the SFT set, drawn at random; None keeps all.
        max_tokens: longest training example of stage 1, prompt and trace together, in tokens; a longer one would be cut
            off, without `</think>` and an end, and is left out. Without one `sft.trainer.max_length` holds.
        grpo_problems: most problems in the GRPO set, drawn at random; None keeps all.
        calibration_rows: number of training texts, drawn at random, that calibrate the AWQ quantisation; they stay in
            the SFT set.
        answer_range: smallest and largest integer answer of a GRPO problem; problems with other answers are left out of
            the GRPO set. None keeps every answer.
        workers: number of processes that read and judge the sources; None uses one process per core.
    """

    sources: tuple[SourceSettings, ...] = ()
    nano: NanoDataSettings = NanoDataSettings()
    test_path: str | None = None
    validation_path: str | None = None
    decontaminate: DecontaminationSettings = DecontaminationSettings()
    near_duplicates: float | None = Field(0.8, gt=0, le=1)
    sft_problems: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    grpo_problems: int | None = Field(None, ge=1)
    calibration_rows: int = Field(128, ge=1)
    answer_range: tuple[int, int] | None = (0, 999)
    workers: int | None = Field(None, ge=1)

    @field_validator("test_path", "validation_path")
    @classmethod
    def _know_problem_paths(cls, path: str | None) -> str | None:
        if path is not None:
            _know_address(path)
        return path


def _know_address(path: str) -> None:
    if path.startswith(HUB_SCHEME):
        parse_hub_file(path)
