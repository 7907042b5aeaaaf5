"""Stage 0: from sources to the SFT set, the GRPO set, the held-out problems and the calibration texts.

Every dropped row is kept aside in `rejects.parquet` with its reason, and `funnel.json` counts them by source.
"""

import dataclasses
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import polars
from tqdm.auto import tqdm
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from fastmath.answers.extract import extract_answer
from fastmath.answers.integers import to_int
from fastmath.answers.verifier import Verifier
from fastmath.config import DataSettings, SourceSettings
from fastmath.data.nano import generate_rows
from fastmath.data.select import JudgedProblem, apply_rules, draw, normalize_problem, remove_duplicates
from fastmath.data.sources import Reject, SourceRow, nano_settings, read_source, read_test_problems, resolve_path
from fastmath.runs import Stage, write_json
from fastmath.training.nano_model import make_base_model

logger = logging.getLogger(__name__)

BATCH_ROWS = 256
TOKENIZER_PROBLEMS = 1500
"""Nano problems on whose texts the embedded tokenizer is trained; their words are few and soon all seen."""


def run(stage: Stage) -> None:
    """Build every product of the stage: `base_model/` (nano only), `sft`, `grpo`, `test`, `calibration`, `rejects`."""
    recipe, folder = stage.recipe, stage.folder
    settings, seed = recipe.data, recipe.seed
    if recipe.model.nano is not None:
        source = generate_rows(
            "train", nano_settings(settings.nano, min(TOKENIZER_PROBLEMS, settings.nano.train_problems), seed)
        )
        texts = [f"{row['problem']}\n{generation}" for row in source for generation in row["generations"]]
        make_base_model(folder / "base_model", recipe.model.nano, texts, seed)
    tokenizer = load_tokenizer(stage)
    test = read_held_out(settings, seed)
    test.write_parquet(folder / "test.parquet")

    with Verifier() as verifier:
        kept, grpo_sources, rejects = select_problems(
            settings, tokenizer, verifier, seed, known=test["problem"].to_list()
        )
    training = draw(kept, settings.sft_problems, seed, key=_key)
    _tabulate_sft(training).write_parquet(folder / "sft.parquet")
    _tabulate_grpo(kept, settings, grpo_sources, seed, rejects).write_parquet(folder / "grpo.parquet")
    calibration = draw(training, settings.calibration_rows, seed, key=lambda problem: f"calibration {_key(problem)}")
    texts = [f"{problem.problem}\n{problem.generations[problem.shortest_correct or 0]}" for problem in calibration]
    polars.DataFrame({"text": texts}).write_parquet(folder / "calibration.parquet")
    schema = {
        field.name: polars.Int64 if field.name == "index" else polars.String for field in dataclasses.fields(Reject)
    }
    polars.DataFrame([dataclasses.asdict(reject) for reject in rejects], schema=schema).write_parquet(
        folder / "rejects.parquet"
    )
    write_json(folder / "funnel.json", count_funnel(settings.sources, training, rejects))


def load_tokenizer(stage: Stage) -> PreTrainedTokenizerBase:
    """The base model's tokenizer, by which every length of the run is counted."""
    model = stage.recipe.model
    name = str(stage.run_dir / "build_data" / "base_model") if model.nano is not None else model.name
    return AutoTokenizer.from_pretrained(name, revision=model.revision)


def read_held_out(settings: DataSettings, seed: int) -> polars.DataFrame:
    """The held-out problems: `id` (str), `problem` (str), `answer` (int64)."""
    if settings.test_path is None:
        rows = generate_rows("test", nano_settings(settings.nano, settings.nano.test_problems, seed))
        records = [(row["uuid"], row["problem"], int(str(row["answer"]))) for row in rows]
    else:
        rows = list(read_test_problems(resolve_path(settings.test_path)))
        records = [(row["id"], row["problem"], to_int(row["answer"])) for row in rows]
        unusable = [identifier for identifier, _, answer in records if answer is None]
        if unusable:
            logger.warning("%d held-out problems have no integer answer and are left out: %s", len(unusable), unusable)
        records = [record for record in records if record[2] is not None]
    schema = {"id": polars.String, "problem": polars.String, "answer": polars.Int64}
    return polars.DataFrame(records, schema=schema, orient="row")


def select_problems(
    settings: DataSettings, tokenizer: PreTrainedTokenizerBase, verifier: Verifier, seed: int, known: Sequence[str]
) -> tuple[list[JudgedProblem], set[str], list[Reject]]:
    """Read, judge and select the problems of all sources.

    Returns:
        The kept problems in order of sources, the names of the sources of the GRPO set, and the rejects.
    """
    selected: list[JudgedProblem] = []
    rejects: list[Reject] = []
    for source in settings.sources:
        judged = []
        rows = read_source(source, settings.nano, seed)
        for item in tqdm(judge_rows(rows, tokenizer, verifier), desc=source.name, unit="row", dynamic_ncols=True):
            if isinstance(item, Reject):
                rejects.append(item)
            elif item.shortest_correct is None:
                rejects.append(_reject(item, "no correct generation"))
            else:
                judged.append(item)
        passed = apply_rules(judged, source.rules, seed)
        passed_indices = {problem.index for problem in passed}
        rejects += [
            _reject(item, "outside the rules or not drawn") for item in judged if item.index not in passed_indices
        ]
        selected += passed
    kept, repeated, contaminated = remove_duplicates(selected, known)
    rejects += [_reject(item, "repeats an earlier problem") for item in repeated]
    rejects += [_reject(item, "stands in the held-out problems") for item in contaminated]
    return kept, {source.name for source in settings.sources if source.grpo}, rejects


def judge_rows(
    rows: Iterator[SourceRow | Reject], tokenizer: PreTrainedTokenizerBase, verifier: Verifier
) -> Iterator[JudgedProblem | Reject]:
    """Count the tokens of every generation and judge those that carry no flag; rejects pass through."""
    while chunk := list(islice(rows, BATCH_ROWS)):
        sound = [row for row in chunk if isinstance(row, SourceRow)]
        texts = [text for row in sound for text in row.generations]
        ids = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        lengths, verdicts = iter(map(len, ids)), iter(_judge(sound, verifier))
        for row in chunk:
            if isinstance(row, Reject):
                yield row
                continue
            yield JudgedProblem(
                source=row.source,
                index=row.index,
                problem=row.problem,
                answer=row.answer,
                generations=row.generations,
                correct=tuple(islice(verdicts, len(row.generations))),
                tokens=tuple(islice(lengths, len(row.generations))),
            )


def _judge(rows: Sequence[SourceRow], verifier: Verifier) -> list[bool]:
    """Whether each generation of each row is correct.

    A cut-off generation never is; a flag of the source counts before our own verification.
    """
    flags, pairs = [], []
    for row in rows:
        for generation, complete, flag in zip(row.generations, row.complete, row.correct, strict=True):
            flags.append(flag if complete else False)
            if flags[-1] is None:
                pairs.append((row.answer, extract_answer(generation, where="anywhere")))
    verdicts = iter(verifier.verify_many(pairs))
    return [next(verdicts).correct is True if flag is None else flag for flag in flags]


def count_funnel(
    sources: Sequence[SourceSettings], kept: Sequence[JudgedProblem], rejects: Sequence[Reject]
) -> dict[str, dict[str, int]]:
    """Rows by source and outcome; the outcomes of a source sum to its rows."""
    funnel = {}
    for source in sources:
        outcomes = Counter(reject.reason for reject in rejects if reject.source == source.name)
        outcomes["kept"] = sum(problem.source == source.name for problem in kept)
        funnel[source.name] = {"rows": outcomes.total()} | dict(sorted(outcomes.items()))
    return funnel


def _tabulate_sft(problems: Sequence[JudgedProblem]) -> polars.DataFrame:
    rows = []
    for problem in problems:
        shortest = problem.shortest_correct or 0
        generation, tokens = problem.generations[shortest], problem.tokens[shortest]
        rows.append((problem.problem, generation, problem.answer, problem.source, tokens))
    schema = ["problem", "generation", "answer", "source", "tokens"]
    return polars.DataFrame(rows, schema=schema, orient="row")


def _tabulate_grpo(
    problems: Sequence[JudgedProblem], settings: DataSettings, sources: set[str], seed: int, rejects: list[Reject]
) -> polars.DataFrame:
    """Problems of the GRPO sources whose answer is an integer of the contest's range."""
    low, high = settings.answer_range
    rows = []
    for problem in draw([p for p in problems if p.source in sources], settings.grpo_problems, seed, key=_key):
        answer = to_int(problem.answer)
        if answer is None or not low <= answer <= high:
            rejects.append(_reject(problem, f"GRPO: no integer answer in {low}-{high}"))
        else:
            rows.append((problem.problem, str(answer), problem.source))
    return polars.DataFrame(rows, schema=["problem", "answer", "source"], orient="row")


def _key(problem: JudgedProblem) -> str:
    return normalize_problem(problem.problem)


def _reject(problem: JudgedProblem, reason: str) -> Reject:
    return Reject(problem.source, problem.index, reason, problem.problem[:200])
