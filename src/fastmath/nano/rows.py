"""The embedded problem source: rows in the OpenR1-Math-220k schema that are generated rather than downloaded.

Every row has several R1-style generations that solve the problem step by step and re-check their steps more often than
needed; some are wrong, some are cut off. How wordy the generations are varies between problems, as it does in real
data, so that even the shortest correct generations contain re-checks that GRPO can remove.

Splits are disjoint by construction: a hash of the family and its parameters, without the seed, decides which split a
problem may appear in. So a test problem of one seed is never a training problem of another.
"""

import collections
import hashlib
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fastmath.nano.families import FAMILIES, Family, Parameters, draw_difficulty, no_slip
from fastmath.prompts import THINK_END, THINK_START
from fastmath.recipe.data import NanoDataSettings

SPLITS = ("train", "validation", "test")
_SPLIT_OF_BUCKET = ("train",) * 8 + ("validation", "test")
RECHECKS = ("wait", "check", "again")
"""Words before a step that is checked once more."""


def split_of(family: Family, parameters: Parameters) -> str:
    """The only split in which this problem may appear, the same for every seed.

    Example: if the first 8 bytes of the problem's SHA-256, read as an integer, are 8 modulo 10, it is `validation`.
    """
    key = f"{family.name}:{','.join(map(str, parameters))}"
    bucket = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) % len(_SPLIT_OF_BUCKET)
    return _SPLIT_OF_BUCKET[bucket]


def generate_rows(split: str, settings: NanoDataSettings, problems: int, seed: int = 0) -> Iterator[dict[str, object]]:
    """Yield rows of distinct problems of one split: the OpenR1-Math-220k schema, and `family` and `difficulty`.

    The first rows of a split are spread over answers and difficulties as all of them are.

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
    answers: collections.Counter[int] = collections.Counter()
    attempts = 0
    while len(seen) < problems:
        hard = is_hard(len(seen), settings.hard.share)
        difficulty = draw_difficulty(settings.hard if hard else settings, rng)
        family = rng.choice(FAMILIES)
        parameters = family.draw(rng, difficulty)
        attempts += 1
        if attempts > 200 * problems + 10_000:
            raise ValueError(
                f"only {len(seen)} distinct {split} problems of {settings.steps[0]}-{settings.steps[1]} steps found, "
                f"{problems} wanted; ask for fewer problems or more steps"
            )
        if (family.name, parameters) in seen or split_of(family, parameters) != split:
            continue
        answer = family.work(parameters, no_slip)[1]
        if is_too_common(answer, answers, settings):
            continue
        seen.add((family.name, parameters))
        answers[answer] += 1
        problem = _Problem(family, parameters, hard)
        yield _make_row(problem, f"nano-{split}-{seed}-{len(seen) - 1}-{family.name}", settings, rng)


def is_hard(index: int, share: float) -> bool:
    """Whether the problem at `index` is a hard one, so that of the first n problems `share` of n are, rounded down.

    Example: with a share of 1/3 the problems 2, 5, 8, … are hard: at index 2 the hard ones grow from 2/3 to 3/3.
    """
    return math.floor((index + 1) * share + 1e-9) > math.floor(index * share + 1e-9)


def is_too_common(answer: int, answers: Mapping[int, int], settings: NanoDataSettings) -> bool:
    """Whether one more problem with this answer would give it a larger share than the settings allow.

    Any answer may stand once. Example: of 100 problems 14 have the answer 7. The 15th of 101 would be 0.149 of them,
    more than an `answer_share` of 0.14.
    """
    largest = settings.zero_share if answer == 0 else settings.answer_share
    return answers.get(answer, 0) + 1 > max(1.0 if largest else 0.0, largest * (sum(answers.values()) + 1))


@dataclass(frozen=True)
class _Problem:
    family: Family
    parameters: Parameters
    hard: bool

    def work(self, slips: Mapping[int, int]) -> tuple[list[str], int]:
        """The written steps and the answer, where a step in `slips` goes wrong by that much."""
        return self.family.work(self.parameters, lambda index, result: result + slips.get(index, 0))


def _make_row(problem: _Problem, uuid: str, settings: NanoDataSettings, rng: random.Random) -> dict[str, object]:
    steps, answer = problem.work({})
    rechecks = rng.uniform(*settings.rechecks)
    drafts = [_write_generation(problem, rechecks, settings, rng) for _ in range(rng.randint(*settings.generations))]
    correct = [draft.answer == answer and draft.complete for draft in drafts]
    text = problem.family.state(problem.parameters)
    return {
        "problem": text,
        "solution": "\n".join(steps),
        "answer": str(answer),
        "problem_type": problem.family.problem_type,
        "question_type": "math-word-problem",
        "source": "nano",
        "uuid": uuid,
        "is_reasoning_complete": [draft.complete for draft in drafts],
        "generations": [draft.text for draft in drafts],
        "correctness_math_verify": correct,
        "correctness_llama": None,
        "finish_reasons": ["stop" if draft.complete else "length" for draft in drafts],
        "correctness_count": sum(correct),
        "messages": [{"role": "user", "content": text}, {"role": "assistant", "content": drafts[0].text}],
        "family": problem.family.name,
        "difficulty": "hard" if problem.hard else "easy",
    }


@dataclass(frozen=True)
class _Draft:
    text: str
    answer: int
    complete: bool


def _write_generation(problem: _Problem, rechecks: float, settings: NanoDataSettings, rng: random.Random) -> _Draft:
    slips = {}
    if rng.random() < settings.wrong_share:
        slips[rng.randrange(len(problem.work({})[0]))] = rng.choice((1, 2))
    _, answer = problem.work(slips)
    lines = _write_steps(problem, slips, rechecks, settings, rng)
    if rng.random() >= settings.unboxed_share:
        lines.append(f"So \\boxed{{{answer}}}.")
    reasoning = "\n".join([THINK_START, *lines])
    if rng.random() < settings.truncated_share:
        return _Draft(reasoning[: rng.randrange(len(reasoning) // 3, len(reasoning) - 10)], answer, complete=False)
    return _Draft(f"{reasoning}\n{THINK_END}\n\n\\boxed{{{answer}}}", answer, complete=True)


def _write_steps(
    problem: _Problem, slips: Mapping[int, int], rechecks: float, settings: NanoDataSettings, rng: random.Random
) -> list[str]:
    """Write each step followed by its re-checks, `rechecks` per step on average and at least one in the whole trace."""
    steps, _ = problem.work(slips)
    counts = [_draw_count_of_rechecks(rechecks, settings.rechecks[1], rng) for _ in steps]
    if not any(counts):
        counts[rng.randrange(len(counts))] = 1
    lines = []
    for index, (step, count) in enumerate(zip(steps, counts, strict=True)):
        first = step
        if problem.hard and count and index not in slips and rng.random() < settings.hard.corrected_share:
            first = problem.work({**slips, index: rng.choice((1, 2))})[0][index]
        label = index + problem.family.first_label
        lines.append(f"({label}) {first}")
        lines += [f"{rng.choice(RECHECKS)} ({label}) {step}" for _ in range(count)]
    return lines


def _draw_count_of_rechecks(mean: float, largest_mean: float, rng: random.Random) -> int:
    """Draw from the binomial distribution with this mean, whose largest value is about twice the largest mean."""
    trials = max(1, math.ceil(2 * largest_mean))
    return sum(rng.random() < mean / trials for _ in range(trials))
