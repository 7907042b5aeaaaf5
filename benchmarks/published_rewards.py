r"""The rewards as the authors' published code computes them, to train with beside ours; for this comparison alone.

    PYTHONPATH=$PWD fastmath run nano --run-dir runs/published --set 'grpo.rewards=[
        {name: "benchmarks.published_rewards:PublishedFormat"},
        {name: "benchmarks.published_rewards:PublishedCosine", parameters: {max_length: 469}},
        {name: "benchmarks.published_rewards:PublishedLength"}]'

What they do otherwise than ours (`fastmath.training.rewards`):

- Lengths are counted in characters of the decoded text, not in tokens. 469 of them stand to nano's completions of at
  most 256 tokens as the published run's 30,000 to its 16,384 tokens.
- The length reward compares all completions of a process, in the published run those of two prompts, not of one.
- The answer is searched in the whole text, so that a box in a trace that was cut off counts. The arguments of the
  verification are swapped, and a reference that cannot be parsed makes every answer right.
- The format reward accepts an empty box, and any closing brace behind `oxed{`.

What is not reproduced: the format's pattern backtracks there, here the same texts match in linear time. A completion
that our judge cannot judge earns None, as with all rewards of this project; nano, whose references are integers, has
hardly any. The judge goes on logging `judge/correct`, so that both trainings are measured alike. The verification
takes place in this process and uses SIGALRM, so that the rewards work in the main thread alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from latex2sympy2_extended import NormalizationConfig
from math_verify import LatexExtractionConfig, parse, verify

from fastmath.training.reward_base import Reward, Rollout, require_tokens

BOXED_FIRST = LatexExtractionConfig(
    try_extract_without_anchor=False,
    boxed_match_priority=0,
    normalization_config=NormalizationConfig(
        basic_latex=True, units=True, malformed_operators=False, nits=False, boxed="all"
    ),
)
"""What the published code has math-verify extract from a completion."""


@dataclass
class PublishedFormat(Reward):
    """1 if the text has `oxed{`, behind it a closing brace, and behind that `</think>`; else 0.

    Example: an empty box before `</think>` earns 1.
    """

    __name__: ClassVar[str] = "published_format"

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        return [float(has_box_before_think_end(rollout.text)) for rollout in rollouts]


@dataclass
class PublishedCosine(Reward):
    """Correctness, scaled by half a cosine of the length in characters: 1 to 0.1 where right, -1 to -0.1 where wrong.

    Example: a right answer of half of `max_length` characters earns 0.1 + 0.9 · (1 + 0) / 2 = 0.55.

    Attributes:
        max_length: length in characters from which on the reward no longer changes; 30,000 in the published run.
    """

    __name__: ClassVar[str] = "published_cosine"
    max_length: int

    def __post_init__(self) -> None:
        require_tokens("max_length", self.max_length)

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        return [self._scale(rollout) for rollout in rollouts]

    def _scale(self, rollout: Rollout) -> float:
        progress = min(1.0, len(rollout.text) / self.max_length)
        size = 0.1 + 0.9 * (1 + math.cos(math.pi * progress)) / 2
        return size if is_right(rollout) else -size


@dataclass
class PublishedLength(Reward):
    """Brevity in characters among all completions of a process, whatever their prompts.

    With λ = 0.5 - (length - min) / (max - min), a right answer earns λ and a wrong one min(0, λ); where all lengths are
    equal, 0.

    Example: right answers of 10 and 20 characters to an easy prompt and of 1,000 and 1,010 to a hard one earn 0.5,
    0.49, -0.49 and -0.5, where comparison within the prompts gives 0.5, -0.5, 0.5 and -0.5.

    Attributes:
        prompts: number of prompts whose completions are compared with one another, as many as one process of the
            published run had; a single process with all prompts of a step stands for several.
    """

    __name__: ClassVar[str] = "published_length"
    prompts: int = 2

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        size = self.prompts * self.num_generations
        parts = [rollouts[start : start + size] for start in range(0, len(rollouts), size)]
        return [reward for part in parts for reward in _compare_lengths(part)]


def has_box_before_think_end(text: str) -> bool:
    """Whether the published pattern matches: the earliest box, brace and `</think>` in order decide."""
    box = text.find("oxed{")
    brace = text.find("}", box)
    return -1 < box < brace and text.find("</think>", brace) > -1


def is_right(rollout: Rollout) -> bool:
    """The published verification: of the whole text, with the answer where math-verify expects the reference."""
    gold = parse(rf"\boxed{{{rollout.gold}}}")
    answer = parse(rollout.text, extraction_config=[BOXED_FIRST], extraction_mode="first_match")
    return not gold or verify(answer, gold)


def _compare_lengths(rollouts: Sequence[Rollout]) -> list[float]:
    lengths = [len(rollout.text) for rollout in rollouts]
    shortest, longest = min(lengths), max(lengths)
    if shortest == longest:
        return [0.0] * len(rollouts)
    brevity = [0.5 - (length - shortest) / (longest - shortest) for length in lengths]
    return [value if is_right(rollout) else min(0.0, value) for rollout, value in zip(rollouts, brevity, strict=True)]
