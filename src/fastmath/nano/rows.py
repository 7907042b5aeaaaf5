"""The embedded problem source: rows in the OpenR1-Math-220k schema that are generated rather than downloaded.

Every row has several R1-style generations that solve the problem step by step and re-check their steps more often than
needed; some are wrong, some are cut off. How wordy the generations are varies between problems, as it does in real
data, so that even the shortest correct generations contain re-checks that GRPO can remove.

Splits are disjoint by construction: a hash of the family and its parameters, without the seed, decides which split a
problem may appear in. So a test problem of one seed is never a training problem of another.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

from fastmath.nano.families import FAMILIES, Difficulty, Family, Parameters, no_slip
from fastmath.recipe.data import NanoDataSettings

SPLITS = ("train", "validation", "test")
_SPLIT_OF_BUCKET = ("train",) * 8 + ("validation", "test")
_RECHECKS = ("wait", "check", "again")


def split_of(family: Family, parameters: Parameters) -> str:
    """The only split in which this problem may appear, the same for every seed.

    Example: if the first 8 bytes of the problem's SHA-256, read as an integer, are 8 modulo 10, it is `validation`.
    """
    key = f"{family.name}:{','.join(map(str, parameters))}"
    bucket = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) % len(_SPLIT_OF_BUCKET)
    return _SPLIT_OF_BUCKET[bucket]


def generate_rows(split: str, settings: NanoDataSettings, problems: int, seed: int = 0) -> Iterator[dict[str, object]]:
    """Yield rows of distinct problems of one split, in the OpenR1-Math-220k schema.

    Args:
        split: `train`, `validation` or `test`.
        settings: difficulty of the problems, and number and faults of their generations.
        problems: number of rows.
        seed: seed that determines the problems and their generations.

    Raises:
        ValueError: an unknown split, or more problems than the families have at this difficulty.
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; want one of {', '.join(SPLITS)}")
    rng = random.Random(f"{seed}/{split}")
    seen: set[tuple[str, Parameters]] = set()
    attempts = 0
    while len(seen) < problems:
        family = rng.choice(FAMILIES)
        parameters = family.draw(rng, Difficulty(rng.randint(*settings.steps), settings.largest))
        attempts += 1
        if attempts > 200 * problems + 10_000:
            raise ValueError(
                f"only {len(seen)} distinct {split} problems of {settings.steps[0]}-{settings.steps[1]} steps found, "
                f"{problems} wanted; ask for fewer problems or more steps"
            )
        if (family.name, parameters) in seen or split_of(family, parameters) != split:
            continue
        seen.add((family.name, parameters))
        yield _make_row(family, parameters, f"nano-{split}-{seed}-{len(seen) - 1}-{family.name}", settings, rng)


def _make_row(
    family: Family, parameters: Parameters, uuid: str, settings: NanoDataSettings, rng: random.Random
) -> dict[str, object]:
    steps, answer = family.work(parameters, no_slip)
    rechecks = rng.uniform(*settings.rechecks)
    drafts = [
        _write_generation(family, parameters, answer, rechecks, settings, rng)
        for _ in range(rng.randint(*settings.generations))
    ]
    correct = [draft.answer == answer and draft.complete for draft in drafts]
    problem = family.state(parameters)
    return {
        "problem": problem,
        "solution": "\n".join(steps),
        "answer": str(answer),
        "problem_type": family.problem_type,
        "question_type": "math-word-problem",
        "source": "nano",
        "uuid": uuid,
        "is_reasoning_complete": [draft.complete for draft in drafts],
        "generations": [draft.text for draft in drafts],
        "correctness_math_verify": correct,
        "correctness_llama": None,
        "finish_reasons": ["stop" if draft.complete else "length" for draft in drafts],
        "correctness_count": sum(correct),
        "messages": [{"role": "user", "content": problem}, {"role": "assistant", "content": drafts[0].text}],
    }


@dataclass(frozen=True)
class _Draft:
    text: str
    answer: int
    complete: bool


def _write_generation(
    family: Family, parameters: Parameters, answer: int, rechecks: float, settings: NanoDataSettings, rng: random.Random
) -> _Draft:
    slipped_at = None
    if rng.random() < settings.wrong_share:
        slipped_at = rng.randrange(len(family.work(parameters, no_slip)[0]))
    offset = rng.choice((1, 2))

    def slip(index: int, result: int) -> int:
        return result + offset if index == slipped_at else result

    steps, written = family.work(parameters, slip)
    lines = _write_steps(steps, family.first_label, rechecks, rng)
    if rng.random() >= settings.unboxed_share:
        lines.append(f"So \\boxed{{{written}}}.")
    reasoning = "<think>\n" + "\n".join(lines)
    if rng.random() < settings.truncated_share:
        return _Draft(reasoning[: rng.randrange(len(reasoning) // 3, len(reasoning) - 10)], written, complete=False)
    return _Draft(f"{reasoning}\n</think>\n\n\\boxed{{{written}}}", written, complete=True)


def _write_steps(steps: list[str], first_label: int, rechecks: float, rng: random.Random) -> list[str]:
    """Write each step followed by its re-checks, `rechecks` per step on average and at least one in the whole trace."""
    counts = [_draw_count_of_rechecks(rechecks, rng) for _ in steps]
    if not any(counts):
        counts[rng.randrange(len(counts))] = 1
    lines = []
    for index, (step, count) in enumerate(zip(steps, counts, strict=True), first_label):
        lines.append(f"({index}) {step}")
        lines += [f"{rng.choice(_RECHECKS)} ({index}) {step}" for _ in range(count)]
    return lines


def _draw_count_of_rechecks(mean: float, rng: random.Random) -> int:
    """Draw from the binomial distribution with three trials and this mean."""
    return sum(rng.random() < mean / 3 for _ in range(3))
