"""The data stage: survey the sources, draw problems, collect the chosen rows, remove repetitions, write every product.

Every row of every source ends either in the SFT set, or in `rejects.parquet` with the rule that dropped it.
"""

import collections
import logging
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import polars
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from fastmath.answers.integers import read_gold
from fastmath.data.card import write_card
from fastmath.data.decontaminate import find_near_duplicates, normalize_problem
from fastmath.data.enough import require_rows
from fastmath.data.gather import assign_rows, gather
from fastmath.data.held_out import HeldOutSet, read_held_out, read_validation
from fastmath.data.problem_files import find_problem_file, name_problem_set
from fastmath.data.select import draw, join_draws
from fastmath.data.sources import Part, list_parts, read_problems
from fastmath.data.survey import CHOSEN_SCHEMA, SURVEY_SCHEMA, SurveyInputs, collect_part, survey_part
from fastmath.nano.rows import generate_rows
from fastmath.prompts import SYSTEM_PROMPTS, continue_prompt, render_prompt, write_prompt
from fastmath.recipe.data import DataSettings, SourceSettings
from fastmath.recipe.sections import Recipe
from fastmath.runs.files import write_json, write_parquet
from fastmath.runs.stage import Stage
from fastmath.runs.start_model import find_base_model

logger = logging.getLogger(__name__)

TOKENIZER_PROBLEMS = 1500
"""Number of nano problems whose texts train the embedded tokenizer; more would hardly add new words."""

REJECT_SCHEMA = polars.Schema(
    {
        "source": polars.String,
        "index": polars.Int64,
        "reason": polars.String,
        "detail": polars.String,
        "excerpt": polars.String,
    }
)
"""A row that was left out: `reason` is the rule, `detail` what the rule found, `excerpt` how its problem begins."""


def run(stage: Stage) -> None:
    """Build every product of the stage: `base_model/` (nano only), `sft`, `grpo`, `test`, `calibration`, `rejects`.

    Raises:
        fastmath.data.enough.NothingLeftError: no row of a source is left for any training set, or none for a stage.
    """
    recipe, folder = stage.recipe, stage.folder
    settings, seed = recipe.data, recipe.seed
    if recipe.model.nano is not None and not (folder / "base_model" / "tokenizer.json").exists():
        from fastmath.nano.model import make_base_model  # only the embedded model needs torch, a gigabyte

        problems = min(TOKENIZER_PROBLEMS, settings.nano.train_problems)
        rows = generate_rows("train", settings.nano, problems, seed)
        texts = [f"{row['problem']}\n{generation}" for row in rows for generation in row["generations"]]
        make_base_model(folder / "base_model", recipe.model.nano, texts, seed)
    held_out = read_held_out(settings, seed, stage.root)
    recipe.require_held_out(held_out.problems.height, f"`data.test_path` holds {held_out.problems.height} usable")
    write_parquet(held_out.problems, folder / "test.parquet")
    not_trained_on = [("held-out", held_out)]
    if (validation := read_validation(settings, seed, stage.root)) is not None:
        write_parquet(validation.problems, folder / "validation.parquet")
        not_trained_on.append(("validation", validation))

    tokenizer = load_tokenizer(stage)
    inputs = _write_survey_inputs(stage, tokenizer, not_trained_on)
    parts = [part for source in settings.sources for part in list_parts(source, settings.nano, seed, stage.root)]
    survey = _survey(inputs, parts, settings, folder / "survey")
    survey = mark_repeated_uuids(survey)
    chosen = draw_rows(survey, settings.sources, seed)
    collected = _collect(inputs, parts, chosen, settings, folder / "survey")
    fitting, too_long = remove_long(collected.drop_nulls("generation"), tokenizer, recipe)
    kept, repeats = remove_repetitions(fitting, settings.near_duplicates)
    training = _limit(kept, settings.sft_problems, seed)
    grpo, grpo_rejects = select_grpo(collected, settings, seed)

    columns = ["problem", "generation", "answer", "source", "tokens"]
    write_parquet(training.select(columns), folder / "sft.parquet")
    write_parquet(grpo, folder / "grpo.parquet")
    write_parquet(_calibration(training, tokenizer, recipe), folder / "calibration.parquet")
    left_out = explain_rejects(survey, chosen, polars.concat([too_long, repeats]), training)
    held_out_rejects = polars.DataFrame(
        [reject for _, each in not_trained_on for reject in each.rejects], schema=REJECT_SCHEMA
    )
    rejects = polars.concat([left_out, grpo_rejects, held_out_rejects])
    write_parquet(rejects, folder / "rejects.parquet")
    write_parquet(survey.select("source", "index", "accuracy", "generations", "repaired"), folder / "survey.parquet")
    if repaired := survey["repaired"].sum():
        logger.warning("%d LaTeX commands had lost their backslash and were made whole", repaired)
    funnel = count_funnel(settings.sources, training, rejects)
    write_json(folder / "funnel.json", funnel)
    write_card(folder, recipe)
    require_rows(recipe, funnel, grpo, folder / "rejects.parquet")
    shutil.rmtree(folder / "survey")


def load_tokenizer(stage: Stage) -> PreTrainedTokenizerBase:
    """Load the tokenizer of the base model, which counts every length of the run in tokens.

    Raises:
        fastmath.recipe.errors.SettingsError: the base model lies on the Hub and is not pinned to a commit.
    """
    base = find_base_model(stage.recipe, stage.run_dir, stage.root)
    return AutoTokenizer.from_pretrained(base.name, revision=base.revision)


def mark_repeated_uuids(survey: polars.DataFrame) -> polars.DataFrame:
    """Give a reason for rejection to each row whose uuid an earlier row of its source has for another problem."""
    named = polars.col("uuid").is_not_null() & polars.col("reason").is_null()
    first = polars.col("key").first().over("source", "uuid")
    clash = named & (polars.col("key") != first)
    return survey.with_columns(
        polars.when(clash).then(polars.lit("repeats a uuid with another problem")).otherwise("reason").alias("reason"),
        polars.when(clash).then(polars.col("uuid")).otherwise("detail").alias("detail"),
    )


def draw_rows(survey: polars.DataFrame, sources: Sequence[SourceSettings], seed: int) -> polars.DataFrame:
    """The rows of the survey that the rules of the sources choose, in the order of the sources."""
    chosen = [survey.clear()]
    for source in sources:
        rows = survey.filter((polars.col("source") == source.name) & polars.col("reason").is_null())
        keys = join_draws(rows["key"].to_list(), rows["passes"].to_list(), source.rules, seed)
        chosen.append(rows.filter(polars.col("key").is_in(list(keys))))
    return polars.concat(chosen)


def remove_long(
    collected: polars.DataFrame, tokenizer: PreTrainedTokenizerBase, recipe: Recipe
) -> tuple[polars.DataFrame, polars.DataFrame]:
    """Split rows into those that fit into `data.max_tokens` with their prompts, and rejects (`REJECT_SCHEMA`)."""
    limit = recipe.data.max_tokens
    if limit is None or collected.is_empty():
        return collected, polars.DataFrame(schema=REJECT_SCHEMA)
    system_prompt = SYSTEM_PROMPTS[recipe.model.system_prompt]
    lengths = [len(render_prompt(tokenizer, problem, system_prompt)) + 1 for problem in collected["problem"]]
    total = polars.col("tokens") + polars.Series(lengths, dtype=polars.Int64)  # with the end of the text
    long = _reject(collected.filter(total > limit), f"longer than {limit} tokens with its prompt", "tokens")
    return collected.filter(total <= limit), long


def remove_repetitions(
    collected: polars.DataFrame, near_duplicates: float | None
) -> tuple[polars.DataFrame, polars.DataFrame]:
    """Split rows into those to keep (`CHOSEN_SCHEMA`) and those whose problem repeats an earlier one (`REJECT_SCHEMA`).

    A problem repeats another if their normalised texts are equal, or if the two are near duplicates with a similarity
    of at least `near_duplicates` (see `find_near_duplicates`); None compares the texts only.
    """
    problems = collected["problem"].to_list()
    first: dict[str, int] = {}
    repeats: dict[int, tuple[str, int]] = {}
    for position, problem in enumerate(problems):
        earlier = first.setdefault(normalize_problem(problem), position)
        if earlier != position:
            repeats[position] = "repeats an earlier problem", earlier
    if near_duplicates is not None:
        different = [position for position in range(len(problems)) if position not in repeats]
        found = find_near_duplicates([problems[position] for position in different], near_duplicates)
        repeats |= {different[late]: ("rewords an earlier problem", different[early]) for late, early in found.items()}
    names = collected.select("source", "index").rows()
    rejects = [
        (*names[position], reason, "{} {}".format(*names[earlier]), problems[position][:200])
        for position, (reason, earlier) in sorted(repeats.items())
    ]
    kept = collected.with_row_index("position").filter(~polars.col("position").is_in(list(repeats)))
    return kept.drop("position"), polars.DataFrame(rejects, schema=REJECT_SCHEMA, orient="row")


def select_grpo(
    collected: polars.DataFrame, settings: DataSettings, seed: int
) -> tuple[polars.DataFrame, polars.DataFrame]:
    """Problems of the GRPO sources, and as rejects those without an integer answer in the recipe's `answer_range`.

    Only repetitions within the GRPO sources are removed, because the recipe trains on these problems in both stages.
    """
    names = [source.name for source in settings.sources if source.grpo]
    different, _ = remove_repetitions(collected.filter(polars.col("source").is_in(names)), settings.near_duplicates)
    columns = ["problem", "answer", "source"]
    if settings.answer_range is None:
        drawn = _limit(different, settings.grpo_problems, seed)
        return drawn.select(columns), polars.DataFrame(schema=REJECT_SCHEMA)
    low, high = settings.answer_range
    integers = [read_gold(answer) for answer in different["answer"]]
    fits = polars.Series([value is not None and low <= value <= high for value in integers], dtype=polars.Boolean)
    rejects = _reject(different.filter(~fits), f"GRPO: no integer answer in {low}-{high}", "answer")
    return _limit(different.filter(fits), settings.grpo_problems, seed).select(columns), rejects


def explain_rejects(
    survey: polars.DataFrame, chosen: polars.DataFrame, repeats: polars.DataFrame, training: polars.DataFrame
) -> polars.DataFrame:
    """Rows of `REJECT_SCHEMA` for every row that is not in the training set, in order of source and row number."""
    rows = ["source", "index"]
    columns = list(REJECT_SCHEMA)
    passes_any = (polars.col("passes").list.len() == 0) | polars.col("passes").list.any()
    reason = polars.when(passes_any).then(polars.lit("not drawn")).otherwise(polars.lit("outside the rules"))
    dropped = polars.col("reason").is_not_null()
    undrawn = survey.filter(~dropped).join(chosen, on=rows, how="anti").with_columns(reason=reason)
    late = chosen.join(training, on=rows, how="anti").join(repeats, on=rows, how="anti")
    limit = polars.when(polars.col("generations") == 0).then(polars.lit("for the GRPO set alone"))
    late = late.with_columns(
        reason=limit.otherwise(polars.lit("beyond the limit of SFT problems")),
        excerpt=polars.col("key").str.slice(0, 200),
    )
    frames = (survey.filter(dropped), undrawn, repeats, late)
    return polars.concat([frame.select(columns) for frame in frames]).sort(rows)


def count_funnel(
    sources: Sequence[SourceSettings], training: polars.DataFrame, rejects: polars.DataFrame
) -> dict[str, dict[str, int]]:
    """Count rows by source and outcome; the outcomes of a source, except those of the GRPO set, sum to its rows."""
    funnel = {}
    for source in sources:
        mine = polars.col("source") == source.name
        outcomes = collections.Counter(rejects.filter(mine)["reason"].to_list())
        outcomes["kept"] = training.filter(mine).height
        rows = sum(count for reason, count in outcomes.items() if not reason.startswith("GRPO"))
        funnel[source.name] = {"rows": rows} | dict(sorted(outcomes.items()))
    return funnel


def _write_survey_inputs(
    stage: Stage, tokenizer: PreTrainedTokenizerBase, not_trained_on: Sequence[tuple[str, HeldOutSet]]
) -> SurveyInputs:
    """Write the files that the survey's processes read: the tokenizer, and all problems that must not be trained on."""
    folder, settings = stage.folder / "survey", stage.recipe.data
    folder.mkdir(exist_ok=True)
    held_out = [
        (name, *row) for name, each in not_trained_on for row in each.problems.select("id", "problem").iter_rows()
    ]
    for file in settings.decontaminate.files:
        path, name = find_problem_file("`data.decontaminate.files`", file, stage.root), name_problem_set(file)
        held_out += [(name, row["id"], row["problem"]) for row in read_problems(path, ["problem"])]
    schema = {"name": polars.String, "id": polars.String, "problem": polars.String}
    write_parquet(polars.DataFrame(held_out, schema=schema, orient="row"), folder / "held_out.parquet")
    (folder / "tokenizer.json").write_text(tokenizer.backend_tokenizer.to_str())
    return SurveyInputs(folder / "tokenizer.json", folder / "held_out.parquet", settings.decontaminate)


def _reject(rows: polars.DataFrame, reason: str, detail: str) -> polars.DataFrame:
    """Rejects (`REJECT_SCHEMA`) of chosen rows that one rule drops; `detail` is the column that it looked at."""
    return rows.select(
        "source",
        "index",
        polars.lit(reason).alias("reason"),
        polars.col(detail).cast(polars.String).str.slice(0, 200).alias("detail"),
        polars.col("problem").str.slice(0, 200).alias("excerpt"),
    )


def _survey(inputs: SurveyInputs, parts: Sequence[Part], settings: DataSettings, folder: Path) -> polars.DataFrame:
    tasks = [(part, partial(survey_part, inputs, part, folder=folder)) for part in parts]
    return gather(folder.parent, "survey", tasks, SURVEY_SCHEMA, settings.workers)


def _collect(
    inputs: SurveyInputs, parts: Sequence[Part], chosen: polars.DataFrame, settings: DataSettings, folder: Path
) -> polars.DataFrame:
    wanted = {name[0]: rows["index"].sort() for name, rows in chosen.group_by("source")}
    assigned = assign_rows(parts, wanted)
    tasks = [(part, partial(collect_part, inputs, part, indices, folder=folder)) for part, indices in assigned]
    return gather(folder.parent, "collect", tasks, CHOSEN_SCHEMA, settings.workers)


def _limit(rows: polars.DataFrame, count: int | None, seed: int, purpose: str = "") -> polars.DataFrame:
    """Draw at most `count` of the rows by their problems and keep their order; each `purpose` gives another draw."""
    keys = [purpose + normalize_problem(problem) for problem in rows["problem"]]
    drawn = draw(keys, count, seed)
    return rows.filter(polars.Series([key in drawn for key in keys], dtype=polars.Boolean))


def _calibration(training: polars.DataFrame, tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> polars.DataFrame:
    """Texts as the model sees them at inference: prompts with their special tokens, and what it writes after them."""
    rows = _limit(training, recipe.data.calibration_rows, recipe.seed, purpose="calibration ")
    system_prompt = SYSTEM_PROMPTS[recipe.model.system_prompt]
    texts = []
    for problem, generation in rows.select("problem", "generation").iter_rows():
        prompt = write_prompt(tokenizer, problem, system_prompt)
        texts.append(prompt + continue_prompt(prompt, generation))
    return polars.DataFrame({"text": texts}, schema={"text": polars.String})
