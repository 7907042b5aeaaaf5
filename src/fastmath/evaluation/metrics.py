"""What the samples of one model say: pass@k, majority@k, answers collected and mean tokens under a token budget.

P stands for problems and N for samples a problem. A smaller budget is a prefix of the same samples: nothing is sampled
again, a sample is cut where the budget ends, and a cut sample has no answer.
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
RESAMPLES = 2_000


@dataclass(frozen=True)
class Estimate:
    """A mean over problems with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SampleArrays:
    """The samples of one model as arrays, problems in the order in which they first appear, samples in their own.

    Attributes:
        answers: (P, N) int64; equal numbers are equal answers, `NO_ANSWER` is a sample without one.
        correct: (P, N) bool; False where there is no answer.
        tokens: (P, N) int64, generated tokens with the end token.
    """

    answers: NDArray[np.int64]
    correct: NDArray[np.bool_]
    tokens: NDArray[np.int64]

    @classmethod
    def from_frame(cls, samples: pl.DataFrame) -> Self:
        """Arrange rows of `problem_id, sample, answer, correct, tokens`.

        Raises:
            ValueError: there are no rows, or some problem has fewer samples than another.
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
        )

    @property
    def samples(self) -> int:
        """N, the number of samples a problem."""
        return self.tokens.shape[1]

    def cut(self, token_budget: int) -> Self:
        """The same samples under a smaller budget.

        A sample that needs more tokens than the budget is cut there and has no answer, whatever its prefix says.

        Example: samples of 40 and 90 tokens under a budget of 60 cost 40 and 60 tokens; only the first can count.
        """
        finished = self.tokens <= token_budget
        return type(self)(
            answers=np.where(finished, self.answers, NO_ANSWER),
            correct=self.correct & finished,
            tokens=np.minimum(self.tokens, token_budget),
        )


def read_samples(path: Path) -> SampleArrays:
    """Read the samples that `fastmath.sampling.sampler` wrote."""
    return SampleArrays.from_frame(pl.read_parquet(path))


def pass_at_k(correct: NDArray[np.bool_], k: int) -> NDArray[np.float64]:
    """Chance that at least one of k samples is correct, estimated without bias from all N; (P, N) → (P,).

    With c of N samples correct it is 1 - C(N-c, k) / C(N, k) (Chen et al. 2021, "Evaluating Large Language Models
    Trained on Code", equation 1), computed as a product so that no binomial overflows.

    Example: N = 4, c = 1, k = 2: 1 - C(3, 2) / C(4, 2) = 1 - 3/6 = 0.5.

    Raises:
        ValueError: k is below 1 or above N.
    """
    samples = _require_k(correct, k)
    wrong = samples - correct.sum(axis=1)
    # C(w, k) / C(N, k) = Π (w - i) / (N - i) for i below k; a factor of 0 stands for w < k.
    steps = np.arange(k)
    factors = np.clip(wrong[:, None] - steps, 0, None) / (samples - steps)
    return 1.0 - factors.prod(axis=1)


def majority_at_k(samples: SampleArrays, k: int) -> NDArray[np.bool_]:
    """Whether the plurality among the first k samples is correct; (P,).

    A tie goes to the answer given first; a sample without an answer casts no vote; without any vote it is wrong.

    Example: answers 7, 5, none, 5, 7 have two votes each for 7 and 5, so 7 wins, being given first.

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
    """Means of problems drawn with replacement; (P, …) → (resamples, …)."""
    problems = len(values)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(problems, np.full(problems, 1 / problems), size=resamples)
    return np.tensordot(counts / problems, values, axes=1)


def estimate_mean(values: NDArray[np.float64], seed: int) -> Estimate:
    """Mean over problems with its 95 % interval: the 2.5 and 97.5 percentiles of `RESAMPLES` resampled means; (P,)."""
    low, high = np.percentile(bootstrap_means(values, seed), [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))


def median_tokens(samples: SampleArrays) -> float:
    """Median length of all samples in tokens."""
    return float(np.median(samples.tokens))


def token_budgets(largest: int, median: float, shares: Sequence[float]) -> list[int]:
    """The budgets of a report: the largest, then shares of the median length, rounded half up, at least 1.

    Example: largest 256, median 74, shares 1.0 and 0.7 give 256, 74 and 52 (51.8 rounded).
    """
    return [largest] + [max(1, int(share * median + 0.5)) for share in shares]


def accuracy_curve(
    samples: SampleArrays, budgets: Sequence[int], k: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """pass@1 and majority@k under each budget; two arrays (3, budgets) of value, low and high."""
    cuts = [samples.cut(budget) for budget in budgets]
    single = np.stack([pass_at_k(cut.correct, 1) for cut in cuts], axis=1)
    majority = np.stack([majority_at_k(cut, k).astype(float) for cut in cuts], axis=1)
    return _band(single, seed), _band(majority, seed)


def _band(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    return np.stack([values.mean(axis=0), *np.percentile(bootstrap_means(values, seed), [2.5, 97.5], axis=0)])


def _require_k(correct: NDArray[np.bool_], k: int) -> int:
    samples = correct.shape[1]
    if not 1 <= k <= samples:
        raise ValueError(f"k is {k} and there are {samples} samples a problem; want 1 <= k <= {samples}")
    return samples
