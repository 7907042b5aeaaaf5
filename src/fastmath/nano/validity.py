r"""Whether a completion of a nano problem is valid: every step of the solution stands in it, right and in order.

A model that is rewarded for right answers and for brevity may skip steps and guess well. The problem's own generator
knows all of its steps, so that a right answer without a right derivation can be told from one with it.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastmath.answers.extract import extract_answer
from fastmath.answers.integers import to_int
from fastmath.nano.families import FAMILIES, no_slip
from fastmath.nano.rows import RECHECKS
from fastmath.prompts import THINK_END

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_STATEMENT = re.compile(rf"(?:(?:{'|'.join(RECHECKS)}) )?(?P<step>\((?P<label>[0-9]+)\).*)")


@dataclass(frozen=True)
class Solution:
    """What the generator of a problem writes when it makes no mistake.

    Attributes:
        steps: its steps with their labels, e.g. `(2) 2*2=4`; at least one.
        answer: the answer.
    """

    steps: tuple[str, ...]
    answer: int


def solve(problem: str) -> Solution | None:
    """Read a problem back into its family and parameters, and work it; None for a text that is no nano problem.

    Example: `Find the remainder when 432^(3) is divided by 10.` has the steps `(2) 2*2=4` and `(3) 4*2=8`, and the
    answer 8.
    """
    for family in FAMILIES:
        parameters = family.parse(problem)
        if parameters is not None:
            steps, answer = family.work(parameters, no_slip)
            labelled = tuple(f"({label}) {step}" for label, step in enumerate(steps, family.first_label))
            return Solution(labelled, answer) if labelled else None
    return None


def is_valid(completion: str, solution: Solution) -> bool:
    r"""Whether a completion contains every step of the solution, right and in order, and boxes the answer.

    The reasoning is what stands before the first `</think>`, or all of a completion without one. A line of it states
    step n if it begins with the label `(n)`, or with `wait`, `check` or `again`, one space and the label. What it
    states is all of the line from the label on. The completion is valid if

    - the labels, each where it is first stated, are those of the solution in their order: none is missing, none is
      beyond the solution, none comes early;
    - the last line that states a step equals the generator's step, character for character: a mistake may be
      corrected by a re-check, as generated traces of hard problems do, and a re-check may spoil a step;
    - the last box of the completion, in the reasoning or behind it, holds the answer.

    So a step may be stated any number of times. A re-check of a step that has not been stated is its first statement.
    More text behind a step on its line makes another step of it, which is wrong. A line that begins with anything else
    states no step and does not matter, even if a label follows.

    Args:
        completion: text of a completion; with or without the `<think>` that a prompt may have written for it.
        solution: solution of its problem, from `solve`.

    Example: the solution has the steps `(2) 2*2=4` and `(3) 4*2=8`, and the answer 8. These lines, with a box of 8
    behind them, are

        (2) 2*2=5 / wait (2) 2*2=4 / (3) 4*2=8      valid: step 2 is right where it stands last
        (2) 2*2=4 / wait (2) 2*2=5 / (3) 4*2=8      invalid: step 2 is wrong where it stands last
        (3) 4*2=8                                   invalid: step 2 is missing
        (3) 4*2=8 / (2) 2*2=4                       invalid: step 3 comes early
        (2) 2*2=4 / (3) 4*2=8 / (4) 8*2=6           invalid: there is no step 4
        (2) 2*2=4 / (3) 4*2=8, done                 invalid: the step is `4*2=8`
    """
    reasoning = completion.partition(THINK_END)[0]
    # A label keeps the place of its first statement and takes the text of its last one.
    stated: dict[str, str] = {}
    for line in reasoning.split("\n"):
        if found := _STATEMENT.fullmatch(line):
            stated[found["label"]] = found["step"]
    if tuple(stated.values()) != solution.steps:
        return False
    box = extract_answer(completion, where="anywhere", require_finished=False)
    return box is not None and to_int(box) == solution.answer


def write_shortest_trace(solution: Solution) -> str:
    r"""The shortest valid trace that the generator's lines make: each step once, the box, and the end of reasoning.

    It is what a model writes behind the prompt, which has opened the reasoning, and ends with the stop token. A model
    that says every step can be briefer in the box's line alone: a box without `So` is valid, too.

    Example: `(2) 2*2=4\n(3) 4*2=8\nSo \boxed{8}.\n</think>`.
    """
    return "\n".join([*solution.steps, f"So \\boxed{{{solution.answer}}}.", THINK_END])


def count_shortest_tokens(solution: Solution, tokenizer: "PreTrainedTokenizerBase") -> int:
    """Number of tokens of the shortest trace, counted as `tokens` of a sample: with the stop token `</think>`."""
    return len(tokenizer.encode(write_shortest_trace(solution), add_special_tokens=False))
