"""Time and memory of the data stage at the size of the real sources, compared with a plain baseline.

    python benchmarks/data_build.py [--problems 20000] [--growth 3] [--folder data_build]

It makes rows in the OpenR1-Math-220k schema (2-4 generations per problem, lengths log-normal around 5,000 tokens, up to
30,000) and builds the SFT set of the paper's two draws from them twice: with `fastmath.data.build`, and with `datasets`
(batched `map` and `filter`, two processes, a fast tokenizer on every generation, the same rules and removal of
repetitions). It compares the rows that both choose, and then builds `--growth` times as many rows. The last line is one
JSON object.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars
import pyarrow
import pyarrow.parquet

from fastmath.data.decontaminate import normalize_problem
from fastmath.data.select import join_draws, passes_accuracy, share_correct
from fastmath.recipe.load import load_recipe
from fastmath.runs.memory import MemoryMonitor
from fastmath.runs.stage import Stage

ROWS_OF_THE_REAL_SOURCE = 225_129
MEDIAN_TOKENS, LARGEST_TOKENS, SPREAD = 5_000, 30_000, 0.75
ROW_GROUP = 500
RULES = (
    {"name": "long_traces", "accuracy_above": 0.5, "trace_tokens_above": 12_800, "draw": 3_000},
    {"name": "half_solved", "accuracy_at_least": 0.5, "accuracy_at_most": 0.75, "draw": 3_000},
)
_SYLLABLES = ("ba", "con", "di", "el", "fu", "gra", "hi", "in", "jo", "ka", "lem", "mo", "nu", "or", "pri", "qua", "re")
_FORMULAS = (
    "x^2 + {}x = {}",
    r"\frac{{{}}}{{{}}}",
    "{} \\cdot {}",
    r"\sqrt{{{}}} + {}",
    "a_{{{}}} = {}",
    "{} ≤ n ≤ {}",
)


@dataclass(frozen=True)
class Measurement:
    """One build: wall seconds, peak GiB of all its processes, rows of the SFT set."""

    seconds: float
    peak_gib: float
    rows: int


def make_sentences(rng: random.Random, count: int = 20_000) -> list[str]:
    """Sentences of a made-up language with formulas, whose words are distributed as in any other."""
    words = ["".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(4_000)]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    sentences = []
    for _ in range(count):
        sentence = rng.choices(words, weights, k=rng.randint(5, 18))
        for _ in range(rng.randint(0, 2)):
            formula = rng.choice(_FORMULAS).format(rng.randint(1, 999), rng.randint(1, 99))
            sentence.insert(rng.randrange(len(sentence)), formula)
        sentences.append(" ".join(sentence).capitalize() + rng.choice((". ", ", so ", ".\n\n", "? Wait, ")))
    return sentences


def make_tables(problems: int, sentences: list[str], tokens_a_sentence: float, seed: int) -> Iterator[pyarrow.Table]:
    """Row groups of the schema; lengths in sentences follow from the tokens of a mean one."""
    rng = random.Random(seed)
    lengths = np.random.default_rng(seed)

    def write_trace(answer: int) -> str:
        tokens = min(lengths.lognormal(np.log(MEDIAN_TOKENS), SPREAD), LARGEST_TOKENS)
        body = "".join(rng.choices(sentences, k=max(2, round(tokens / tokens_a_sentence))))
        return f"<think>\n{body}So \\boxed{{{answer}}}.\n</think>\n\n\\boxed{{{answer}}}"

    for start in range(0, problems, ROW_GROUP):
        rows = []
        for number in range(start, min(start + ROW_GROUP, problems)):
            chance, count = rng.random(), rng.randint(2, 4)
            flags = [rng.random() < chance for _ in range(count)]
            rows.append(
                {
                    "problem": "".join(rng.choices(sentences, k=3)) + f"Find the value of {number}.",
                    "solution": "", "answer": str(number), "problem_type": "Algebra",
                    "question_type": "math-word-problem", "source": "made", "uuid": f"made-{number}",
                    "is_reasoning_complete": [True] * count,
                    "generations": [write_trace(number if flag else number + 1) for flag in flags],
                    "correctness_math_verify": flags, "correctness_llama": None, "finish_reasons": ["stop"] * count,
                    "correctness_count": sum(flags),
                }
            )  # fmt: skip
        yield pyarrow.Table.from_pylist(rows)


def make_source(folder: Path, problems: int, seed: int) -> None:
    """Make the parquet file of so many problems and, once, the tokenizer; neither is made twice."""
    from transformers import AutoTokenizer

    from fastmath.nano.model import train_tokenizer

    path = folder / f"source-{problems}.parquet"
    rng = random.Random(seed)
    sentences = make_sentences(rng)
    if not (folder / "tokenizer").exists():
        train_tokenizer(sentences, 8_000).save_pretrained(folder / "tokenizer")
    if path.exists():
        return
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    mean = np.mean([len(ids) for ids in tokenizer(sentences[:2_000])["input_ids"]])
    aside, writer = path.with_suffix(".part"), None
    for table in make_tables(problems, sentences, float(mean), seed):
        writer = writer or pyarrow.parquet.ParquetWriter(aside, table.schema)
        writer.write_table(table)
    writer.close()
    aside.rename(path)


def make_recipe(folder: Path, source: Path) -> dict[str, object]:
    """Overrides that turn the nano recipe into a build of the made source."""
    return {
        "model.nano": None,
        "model.name": str(folder / "tokenizer"),
        "data.sources": [{"name": "made", "kind": "openr1", "path": str(source), "rules": list(RULES)}],
        "data.near_duplicates": 0.8,
        "data.decontaminate.share": 0.8,
    }


def build_ours(folder: Path, source: Path) -> Path:
    """The data stage as a notebook runs it."""
    from fastmath.data import build

    stage = Stage("build_data", load_recipe("nano", make_recipe(folder, source)), folder / source.stem)
    with stage.running():
        build.run(stage)
    return stage.folder / "sft.parquet"


def build_plainly(folder: Path, source: Path) -> Path:
    """The same set by `datasets` alone: count every generation, filter by every rule, choose the shortest."""
    import datasets
    from transformers import AutoTokenizer

    from fastmath.data import build

    recipe = load_recipe("nano", make_recipe(folder, source))
    rules, seed = recipe.data.sources[0].rules, recipe.seed
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")

    def count(batch: dict[str, list]) -> dict[str, list]:
        texts = [text for generations in batch["generations"] for text in generations]
        lengths = iter(map(len, tokenizer(texts, add_special_tokens=False)["input_ids"]))
        return {
            "tokens": [[next(lengths) for _ in generations] for generations in batch["generations"]],
            "key": [normalize_problem(problem) for problem in batch["problem"]],
        }

    def judge(row: dict) -> dict[str, list[bool]]:
        flags = row["correctness_math_verify"]
        longest = max((n for n, flag in zip(row["tokens"], flags, strict=True) if flag), default=0)
        limits = [-1 if rule.trace_tokens_above is None else rule.trace_tokens_above for rule in rules]
        accuracy = share_correct(flags)
        fits = [passes_accuracy(accuracy, rule) and longest > n for rule, n in zip(rules, limits, strict=True)]
        return {"passes": [any(flags) and fit for fit in fits]}

    shutil.rmtree(folder / "cache", ignore_errors=True)
    rows = datasets.Dataset.from_parquet(str(source), cache_dir=str(folder / "cache"))
    rows = rows.map(count, batched=True, batch_size=64, num_proc=2).map(judge, num_proc=2)
    keys = join_draws(rows["key"][:], rows["passes"][:], rules, seed)
    rows = rows.filter(lambda batch: [key in keys for key in batch["key"]], batched=True, batch_size=64, num_proc=2)

    def choose(row: dict) -> dict[str, object]:
        right = [index for index, flag in enumerate(row["correctness_math_verify"]) if flag]
        best = min(right, key=lambda index: row["tokens"][index])
        return {"generation": row["generations"][best], "tokens": row["tokens"][best]}

    chosen = rows.map(choose, remove_columns=["generations"])
    frame = polars.DataFrame({name: chosen[name][:] for name in ("problem", "generation", "answer", "tokens")})
    frame = frame.with_columns(source=polars.lit("made")).with_row_index("index")
    kept, _ = build.remove_repetitions(frame, recipe.data.near_duplicates)
    path = folder / f"{source.stem}-plain.parquet"
    kept.select("problem", "generation", "answer", "source", "tokens").write_parquet(path)
    return path


def measure(way: str, folder: Path, source: Path) -> Measurement:
    """Run one build in a process of its own, and watch it and its children."""
    began = time.monotonic()
    with MemoryMonitor() as memory:
        call(f"{way}(Path({str(folder)!r}), Path({str(source)!r}))")
    seconds = round(time.monotonic() - began, 1)
    rows = polars.read_parquet(_product(way, folder, source)).height
    return Measurement(seconds, round(memory.peak_gib, 2), rows)


def call(expression: str) -> None:
    """Evaluate a call of a function of this file in another process, which leaves its memory behind."""
    # Not as a script: spawned workers would import it, and all that only the baseline needs.
    lines = [
        "import sys",
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})",
        "from data_build import *",
        expression,
    ]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, capture_output=True)


def _product(way: str, folder: Path, source: Path) -> Path:
    if way == "build_ours":
        return folder / source.stem / "build_data" / "sft.parquet"
    return folder / f"{source.stem}-plain.parquet"


def compare(folder: Path, source: Path) -> bool:
    """Whether both chose the same traces of the same problems, with the same lengths."""
    frames = [
        polars.read_parquet(_product(way, folder, source)).sort("problem") for way in ("build_ours", "build_plainly")
    ]
    return frames[0].equals(frames[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=20_000)
    parser.add_argument("--growth", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("data_build"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    small, large = (folder / f"source-{arguments.problems * factor}.parquet" for factor in (1, arguments.growth))
    for factor in (1, arguments.growth):
        call(f"make_source(Path({str(folder)!r}), {arguments.problems * factor}, {arguments.seed})")
    ours, plain = measure("build_ours", folder, small), measure("build_plainly", folder, small)
    grown = measure("build_ours", folder, large)
    rate = arguments.problems * arguments.growth / grown.seconds
    print(f"ours {ours}\nplain {plain}\nours, {arguments.growth} times the rows: {grown}")
    print(
        f"{ROWS_OF_THE_REAL_SOURCE:,} rows would take {ROWS_OF_THE_REAL_SOURCE / rate / 60:.0f} minutes at the "
        f"{rate:.0f} rows a second of {arguments.problems * arguments.growth:,} rows"
    )
    result = {
        "speedup": round(plain.seconds / ours.seconds, 2),
        "peak_gib": ours.peak_gib,
        "rows_equal": compare(folder, small),
        "growth_time": round(grown.seconds / (ours.seconds * arguments.growth), 3),
        "growth_memory": round(grown.peak_gib / ours.peak_gib, 3),
        "measurements": {"ours": asdict(ours), "plain": asdict(plain), "grown": asdict(grown)},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
