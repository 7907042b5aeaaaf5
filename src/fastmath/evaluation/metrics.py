"""Metrics of the samples of one model: pass@k, majority@k, answers collected and mean tokens under a token budget.

P is the number of problems and N the number of samples per problem. A smaller budget uses prefixes of the same samples:
nothing is sampled again, a sample is cut where the budget ends, and a cut sample has no answer. Intervals come from
`fastmath.evaluation.intervals`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastmath.evaluation.intervals import share_intervals
from fastmath.evaluation.majority import VoteCounts, chance_of_majority

NO_ANSWER = -1
"""Entry of `SampleArrays.answers` for a sample without an answer."""
NOT_COUNTED = -1
"""Entry of `SampleArrays.tokens` for a sample whose tokens nobody counted; no budget cuts it."""


@dataclass(frozen=True)
class SampleArrays:
    """The samples of one model as arrays: problems in order of first appearance, samples by their number.

    Attributes:
        problems: ids of the P problems.
        answers: (P, N) int64, codes of the answers: equal answers have equal codes, and `NO_ANSWER` stands for none.
        correct: (P, N) bool, False where there is no answer.
        tokens: (P, N) int64, number of generated tokens including the stop token, or `NOT_COUNTED`.
        reasoning_tokens: (P, N) int64, number of those up to the end of the reasoning.
        cut_off: (P, N) bool, True where a limit of tokens ended the sample.
    """

    problems: tuple[str, ...]
    answers: NDArray[np.int64]
    correct: NDArray[np.bool_]
    tokens: NDArray[np.int64]
    reasoning_tokens: NDArray[np.int64]
    cut_off: NDArray[np.bool_]

    @classmethod
    def from_frame(cls, samples: pl.DataFrame) -> Self:
        """Arrays from a table of `problem_id, sample, answer, correct, tokens, reasoning_tokens, finish_reason`.

        In samples from elsewhere the last three may be null: then the tokens are `NOT_COUNTED`, all tokens are of the
        reasoning, and a sample has ended by itself.

        Raises:
            ValueError: there are no rows, or the problems differ in their number of samples.
        """
        counts = samples.group_by("problem_id", maintain_order=True).len()
        if counts["len"].n_unique() != 1:
            found = sorted(set(counts["len"]))
            raise ValueError(f"problems have {found} samples; want the same number, at least one, for every problem")
        shape = (len(counts), counts["len"][0])
        rows = samples.join(counts.with_row_index("_problem"), on="problem_id").sort("_problem", "sample")
        codes = {answer: code for code, answer in enumerate(rows["answer"].drop_nulls().unique(maintain_order=True))}
        answers = [NO_ANSWER if answer is None else codes[answer] for answer in rows["answer"]]
        tokens = rows["tokens"].cast(pl.Int64).fill_null(NOT_COUNTED)
        reasoning = rows["reasoning_tokens"].cast(pl.Int64).fill_null(tokens)
        cut_off = rows["finish_reason"].cast(pl.String).fill_null("stop") != "stop"
        return cls(
            problems=tuple(counts["problem_id"]),
            answers=np.array(answers, dtype=np.int64).reshape(shape),
            correct=rows["correct"].to_numpy().astype(bool).reshape(shape),
            tokens=tokens.to_numpy().reshape(shape),
            reasoning_tokens=reasoning.to_numpy().reshape(shape),
            cut_off=cut_off.to_numpy().reshape(shape),
        )

    @property
    def samples(self) -> int:
        """N, the number of samples per problem."""
        return self.tokens.shape[1]

    @property
    def counts_tokens(self) -> bool:
        """Whether the tokens of every sample are known."""
        return bool((self.tokens != NOT_COUNTED).all())

    def cut(self, token_budget: int) -> Self:
        """The same samples under a smaller token budget.

        A sample that needs more tokens than the budget is cut there and has no answer, even if its prefix contains one.

        Example: samples of 40 and 90 tokens under a budget of 60 cost 40 and 60 tokens; only the first may be correct.
        """
        finished = self.tokens <= token_budget
        return type(self)(
            problems=self.problems,
            answers=np.where(finished, self.answers, NO_ANSWER),
            correct=self.correct & finished,
            tokens=np.minimum(self.tokens, token_budget),
            reasoning_tokens=np.minimum(self.reasoning_tokens, token_budget),
            cut_off=self.cut_off | ~finished,
        )

    def select(self, problems: Sequence[str]) -> Self:
        """The samples of these problems, in their order.

        Raises:
            KeyError: there are no samples of one of them.
        """
        places = {problem: place for place, problem in enumerate(self.problems)}
        rows = [places[problem] for problem in problems]
        return type(self)(
            problems=tuple(problems),
            answers=self.answers[rows],
            correct=self.correct[rows],
            tokens=self.tokens[rows],
            reasoning_tokens=self.reasoning_tokens[rows],
            cut_off=self.cut_off[rows],
        )


def read_samples(path: Path) -> SampleArrays:
    """Read the samples that `fastmath.sampling.sampler` wrote."""
    return SampleArrays.from_frame(pl.read_parquet(path))


KINDS = ("set", "family", "difficulty")
"""Columns of a table of problems by which they are grouped."""


def group_problems(problems: pl.DataFrame, among: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """The ids of problems by set, family and difficulty, where the table says them.

    Args:
        problems: table of `id` and any of `KINDS`; a null is in no group.
        among: ids of the problems that count.

    Returns:
        Kind → each of its values, sets as they come and others sorted → ids, as they come. A kind that no problem has
        is left out.
    """
    known = problems.filter(pl.col("id").is_in(list(among))).unique("id", maintain_order=True)
    found: dict[str, dict[str, list[str]]] = {}
    for kind in KINDS:
        if kind in problems.columns:
            rows = known.filter(pl.col(kind).is_not_null())
            rows = rows if kind == "set" else rows.sort(kind, maintain_order=True)
            for (value,), group in rows.group_by(kind, maintain_order=True):
                found.setdefault(kind, {})[str(value)] = group["id"].to_list()
    return found


def pass_at_k(correct: NDArray[np.bool_], k: int) -> NDArray[np.float64]:
    """Unbiased estimate, from all N samples, of the chance that at least one of k samples is correct; (P, N) → (P,).

    With c of N samples correct it is 1 - C(N-c, k) / C(N, k) (Chen et al. 2021, "Evaluating Large Language Models
    Trained on Code", equation 1), computed as a product so that no binomial overflows.

    Example: N = 4, c = 1, k = 2: 1 - C(3, 2) / C(4, 2) = 1 - 3/6 = 0.5.

    Raises:
        ValueError: k is below 1 or above N.
    """
    samples = _require_k(correct, k)
    wrong = samples - correct.sum(axis=1)
    # C(w, k) / C(N, k) = Π (w - i) / (N - i) over i from 0 to k - 1; for w < k one factor is 0.
    steps = np.arange(k)
    factors = np.clip(wrong[:, None] - steps, 0, None) / (samples - steps)
    return 1.0 - factors.prod(axis=1)


def majority_at_k(samples: SampleArrays, k: int) -> NDArray[np.float64]:
    """Chance that the most frequent answer among k of a problem's N samples, drawn in random order, is right; (P,).

    It is the mean over all subsets and orders, counted exactly (`fastmath.evaluation.majority.chance_of_majority`). A
    tie goes to the answer that was given first, so each of t leaders has 1/t of it. A sample without an answer does not
    vote, and a problem without any vote counts as wrong. An answer is right if a sample that gives it is correct.

    Example: all of 7, 7, 5, 5 are drawn and 7 is right: 1/2, because 7 was given first in half of the orders.

    Raises:
        ValueError: k is below 1 or above N.
    """
    _require_k(samples.correct, k)
    votes = [_count_votes(*problem) for problem in zip(samples.answers, samples.correct, strict=True)]
    chances = {counts: chance_of_majority(counts, k) for counts in set(votes)}
    return np.array([chances[counts] for counts in votes])


def _count_votes(answers: NDArray[np.int64], correct: NDArray[np.bool_]) -> VoteCounts:
    """The votes of one problem; `answers` and `correct` are (N,)."""
    right = Counter(answers[correct].tolist()).keys() - {NO_ANSWER}
    counts = Counter(answers.tolist())
    silent = counts.pop(NO_ANSWER, 0)
    wrong = (counts[answer] for answer in counts.keys() - right)
    return VoteCounts(
        right=tuple(sorted((counts[answer] for answer in right), reverse=True)),
        wrong=tuple(sorted(wrong, reverse=True)),
        silent=silent,
    )


def curve_points(samples: int) -> list[int]:
    """The numbers of samples at which curves of pass@k and majority@k are told: 1, 2, 4, 8, … below N, and N.

    Example: N = 10 gives 1, 2, 4, 8 and 10.
    """
    return [*(2**power for power in range(samples.bit_length()) if 2**power < samples), samples]


def median_tokens(samples: SampleArrays) -> float:
    """Median length of all samples, in tokens."""
    return float(np.median(samples.tokens))


def token_budgets(largest: int, budgets: Sequence[int], median: float, shares: Sequence[float]) -> list[int]:
    """Token budgets of a report: the largest, then `budgets`, or without these shares of the median length.

    Shares are rounded half up and at least 1. Budgets that coincide are listed once.

    Examples: largest 256, no budgets, median 74, shares 1.0 and 0.7 give 256, 74 and 52 (51.8 rounded). Largest 32768
    and budgets 8192 and 16384 give 32768, 16384 and 8192.
    """
    smaller = sorted(budgets, reverse=True) or [max(1, int(share * median + 0.5)) for share in shares]
    return list(dict.fromkeys([largest, *smaller]))


def accuracy_curve(
    samples: SampleArrays, budgets: Sequence[int], k: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """pass@1 and majority@k under each token budget: two arrays (3, budgets) with the rows value, low and high."""
    cuts = [samples.cut(budget) for budget in budgets]
    single = np.stack([pass_at_k(cut.correct, 1) for cut in cuts], axis=1)
    majority = np.stack([majority_at_k(cut, k) for cut in cuts], axis=1)
    return share_intervals(single, seed), share_intervals(majority, seed)


def _require_k(correct: NDArray[np.bool_], k: int) -> int:
    samples = correct.shape[1]
    if not 1 <= k <= samples:
        raise ValueError(f"k is {k} and there are {samples} samples a problem; want 1 <= k <= {samples}")
    return samples
