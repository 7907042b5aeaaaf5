"""Metrics of the samples of one model: pass@k, majority@k, answers collected and mean tokens under a token budget.

P is the number of problems and N the number of samples per problem. A smaller budget uses prefixes of the same samples:
nothing is sampled again, a sample is cut where the budget ends, and a cut sample has no answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastmath.policies.voting import Vote, count_votes, leading_answer

NO_ANSWER = -1
"""Entry of `SampleArrays.answers` for a sample without an answer."""
RESAMPLES = 2_000
"""Number of bootstrap resamples behind every interval."""


@dataclass(frozen=True)
class Estimate:
    """A mean over problems, with the low and high ends of its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SampleArrays:
    """The samples of one model as arrays: problems in order of first appearance, samples by their number.

    Attributes:
        answers: (P, N) int64, codes of the answers: equal answers have equal codes, and `NO_ANSWER` stands for none.
        correct: (P, N) bool, False where there is no answer.
        tokens: (P, N) int64, number of generated tokens including the stop token.
        reasoning_tokens: (P, N) int64, number of those up to the end of the reasoning.
    """

    answers: NDArray[np.int64]
    correct: NDArray[np.bool_]
    tokens: NDArray[np.int64]
    reasoning_tokens: NDArray[np.int64]

    @classmethod
    def from_frame(cls, samples: pl.DataFrame) -> Self:
        """Arrays from a table of `problem_id, sample, answer, correct, tokens, reasoning_tokens`.

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
        return cls(
            answers=np.array(answers, dtype=np.int64).reshape(shape),
            correct=rows["correct"].to_numpy().astype(bool).reshape(shape),
            tokens=rows["tokens"].to_numpy().astype(np.int64).reshape(shape),
            reasoning_tokens=rows["reasoning_tokens"].to_numpy().astype(np.int64).reshape(shape),
        )

    @property
    def samples(self) -> int:
        """N, the number of samples per problem."""
        return self.tokens.shape[1]

    def cut(self, token_budget: int) -> Self:
        """The same samples under a smaller token budget.

        A sample that needs more tokens than the budget is cut there and has no answer, even if its prefix contains one.

        Example: samples of 40 and 90 tokens under a budget of 60 cost 40 and 60 tokens; only the first may be correct.
        """
        finished = self.tokens <= token_budget
        return type(self)(
            answers=np.where(finished, self.answers, NO_ANSWER),
            correct=self.correct & finished,
            tokens=np.minimum(self.tokens, token_budget),
            reasoning_tokens=np.minimum(self.reasoning_tokens, token_budget),
        )


def read_samples(path: Path) -> SampleArrays:
    """Read the samples that `fastmath.sampling.sampler` wrote."""
    return SampleArrays.from_frame(pl.read_parquet(path))


def read_kinds(path: Path, problems: Path) -> dict[str, dict[str, SampleArrays]]:
    """The samples by kind of problem, where the problems say it.

    Args:
        path: samples of one model.
        problems: the held-out problems, with their columns `family` and `difficulty`.

    Returns:
        `family` and `difficulty` → each of their values, in order → samples of those problems.
    """
    kinds = pl.read_parquet(problems).select(pl.col("id").alias("problem_id"), "family", "difficulty")
    samples = pl.read_parquet(path).join(kinds, on="problem_id", how="left", maintain_order="left")
    found: dict[str, dict[str, SampleArrays]] = {}
    for kind in ("family", "difficulty"):
        for value in samples[kind].drop_nulls().unique().sort():
            arrays = SampleArrays.from_frame(samples.filter(pl.col(kind) == value))
            found.setdefault(kind, {})[value] = arrays
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


def majority_at_k(samples: SampleArrays, k: int) -> NDArray[np.bool_]:
    """Whether the most frequent answer among the first k samples is correct; (P,).

    A tie goes to the answer that was given first. A sample without an answer does not vote, and a problem without any
    vote counts as wrong.

    Example: in 7, 5, none, 5, 7 both 7 and 5 have two votes, so 7 wins, because it was given first.

    Raises:
        ValueError: k is below 1 or above N.
    """
    _require_k(samples.correct, k)
    won = np.zeros(len(samples.answers), dtype=bool)
    for problem, answers in enumerate(samples.answers[:, :k].tolist()):
        winner = leading_answer(count_votes(Vote(answer) for answer in answers if answer != NO_ANSWER))
        won[problem] = winner is not None and samples.correct[problem, answers.index(winner)]
    return won


def bootstrap_means(values: NDArray[np.float64], seed: int, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """Means over problems drawn with replacement, P of them in each resample; (P, …) → (resamples, …)."""
    problems = len(values)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(problems, np.full(problems, 1 / problems), size=resamples)
    return np.tensordot(counts / problems, values, axes=1)


def estimate_mean(values: NDArray[np.float64], seed: int) -> Estimate:
    """Mean of `values`, (P,), and its 95 % interval: percentiles 2.5 and 97.5 of `RESAMPLES` resampled means."""
    low, high = np.percentile(bootstrap_means(values, seed), [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))


def median_tokens(samples: SampleArrays) -> float:
    """Median length of all samples, in tokens."""
    return float(np.median(samples.tokens))


def token_budgets(largest: int, median: float, shares: Sequence[float]) -> list[int]:
    """Token budgets of a report: the largest, then shares of the median length, rounded half up and at least 1.

    Budgets that coincide are listed once.

    Example: largest 256, median 74, shares 1.0 and 0.7 give 256, 74 and 52 (51.8 rounded).
    """
    return list(dict.fromkeys([largest, *(max(1, int(share * median + 0.5)) for share in shares)]))


def accuracy_curve(
    samples: SampleArrays, budgets: Sequence[int], k: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """pass@1 and majority@k under each token budget: two arrays (3, budgets) with the rows value, low and high."""
    cuts = [samples.cut(budget) for budget in budgets]
    single = np.stack([pass_at_k(cut.correct, 1) for cut in cuts], axis=1)
    majority = np.stack([majority_at_k(cut, k).astype(float) for cut in cuts], axis=1)
    return _with_interval(single, seed), _with_interval(majority, seed)


def _with_interval(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    return np.stack([values.mean(axis=0), *np.percentile(bootstrap_means(values, seed), [2.5, 97.5], axis=0)])


def _require_k(correct: NDArray[np.bool_], k: int) -> int:
    samples = correct.shape[1]
    if not 1 <= k <= samples:
        raise ValueError(f"k is {k} and there are {samples} samples a problem; want 1 <= k <= {samples}")
    return samples
