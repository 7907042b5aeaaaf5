"""Families of olympiad-style problems whose solutions are short chains of small steps.

A family draws parameters, states the problem, reads it back and solves it step by step. Every step passes its result
through a function `slip`, so that the same code writes right and wrong solutions: the identity gives the right one, and
a slip at step `i` gives a solution that goes wrong there and carries the error on, as a model does.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

Parameters = tuple[int, ...]


@dataclass(frozen=True)
class Difficulty:
    """How hard a problem is.

    Attributes:
        steps: number of steps of its solution.
        largest: largest operand of a single step.
    """

    steps: int
    largest: int


class Bounds(Protocol):
    """Settings from which a difficulty is drawn: `NanoDataSettings` for most problems, `HardSettings` for the hard."""

    steps: tuple[int, int]
    largest: int


def draw_difficulty(bounds: Bounds, rng: random.Random) -> Difficulty:
    """Draw the number of steps between the bounds."""
    return Difficulty(rng.randint(*bounds.steps), bounds.largest)


Slip = Callable[[int, int], int]
"""(index of the step, its true result) → the result that is written down."""


@dataclass(frozen=True)
class Family:
    """One kind of problem.

    Attributes:
        name: identifier, used in the `uuid` of a row.
        problem_type: the OpenR1-Math-220k label, e.g. `Number Theory`.
        draw: draws the parameters of a problem: (random generator, difficulty) → parameters.
        state: writes the text of the problem: parameters → text.
        read: reads the parameters of a text that has the form of this family, None of another: text → parameters.
        work: solves the problem: (parameters, slip) → (written steps, final answer).
        first_label: number of the first step, chosen so that the last step has a number that the problem states: the
            term, the power, or the count of digits or steps. A small model learns from it where a solution ends.
    """

    name: str
    problem_type: str
    draw: Callable[[random.Random, Difficulty], Parameters]
    state: Callable[[Parameters], str]
    read: Callable[[str], Parameters | None]
    work: Callable[[Parameters, Slip], tuple[list[str], int]]
    first_label: int = 1

    def parse(self, text: str) -> Parameters | None:
        """The parameters whose problem this text states, the inverse of `state`; None for any other text.

        Example: of the remainders, `Find the remainder when 432^(6) is divided by 10.` gives (432, 6).
        """
        parameters = self.read(text)
        return parameters if parameters is not None and self.state(parameters) == text else None


def _find_numbers(form: str, text: str) -> Parameters | None:
    """All numbers of a text, in order; None where it has another form, a pattern in which `#` stands for a number."""
    # `int` reads no more than 4,300 digits.
    matched = re.fullmatch(form.replace("#", "[0-9]{1,4300}"), text)
    return tuple(map(int, re.findall("[0-9]+", text))) if matched else None


def no_slip(index: int, result: int) -> int:
    """The slip of a solution without mistakes."""
    return result


# Last digit of a chain of additions and multiplications.
# Parameters: (start, is_product, operand, is_product, operand, ...).


def _draw_chain(rng: random.Random, difficulty: Difficulty) -> Parameters:
    parameters = [rng.randrange(1, 10)]
    for _ in range(difficulty.steps):
        parameters += [rng.randrange(2), rng.randint(2, difficulty.largest)]
    return tuple(parameters)


def _operations(parameters: Parameters) -> list[tuple[int, int]]:
    return list(zip(parameters[1::2], parameters[2::2], strict=True))


def _state_chain(parameters: Parameters) -> str:
    words = ("add", "multiply by")
    listed = [
        f"({index}) {words[is_product]} {operand}."
        for index, (is_product, operand) in enumerate(_operations(parameters), 1)
    ]
    operations = " ".join(listed)
    return f"Start with {parameters[0]} and do {len(listed)} steps: {operations} Find the last digit of the result."


def _read_chain(text: str) -> Parameters | None:
    form = r"Start with # and do # steps:( \(#\) (add|multiply by) #\.)+ Find the last digit of the result\."
    numbers = _find_numbers(form, text)
    if numbers is None:
        return None
    start, _, *labelled = numbers
    are_products = (word == "multiply by" for word in re.findall("add|multiply by", text))
    operations = zip(are_products, labelled[1::2], strict=True)
    return (start, *(number for is_product, operand in operations for number in (int(is_product), operand)))


def _work_chain(parameters: Parameters, slip: Slip) -> tuple[list[str], int]:
    value, steps = parameters[0], []
    for index, (is_product, operand) in enumerate(_operations(parameters)):
        before = value
        value = slip(index, (before * operand if is_product else before + operand) % 10)
        steps.append(f"{before}{'*' if is_product else '+'}{operand}={value}")
    return steps, value


# Remainder of a power modulo 10. Parameters: (base, exponent).


def _draw_remainder(rng: random.Random, difficulty: Difficulty) -> Parameters:
    return (rng.randrange(2, 1000), difficulty.steps + 1)


def _state_remainder(parameters: Parameters) -> str:
    return f"Find the remainder when {parameters[0]}^({parameters[1]}) is divided by 10."


def _read_remainder(text: str) -> Parameters | None:
    numbers = _find_numbers(r"Find the remainder when #\^\(#\) is divided by 10\.", text)
    return None if numbers is None else numbers[:2]


def _work_remainder(parameters: Parameters, slip: Slip) -> tuple[list[str], int]:
    base, exponent = parameters[0] % 10, parameters[1]
    value, steps = base, []
    for index in range(exponent - 1):
        before = value
        value = slip(index, before * base % 10)
        steps.append(f"{before}*{base}={value}")
    return steps, value


# Sum of the digits of a number. Parameters: (number,).


def _draw_digits(rng: random.Random, difficulty: Difficulty) -> Parameters:
    digits = [rng.randint(1, min(9, difficulty.largest + 1)) for _ in range(difficulty.steps + 1)]
    return (int("".join(map(str, digits))),)


def _state_digit_sum(parameters: Parameters) -> str:
    return f"Find the sum of the ({len(str(parameters[0]))}) digits of {parameters[0]}."


def _read_digit_sum(text: str) -> Parameters | None:
    numbers = _find_numbers(r"Find the sum of the \(#\) digits of #\.", text)
    return None if numbers is None else numbers[1:]


def _work_digit_sum(parameters: Parameters, slip: Slip) -> tuple[list[str], int]:
    first, *rest = (int(digit) for digit in str(parameters[0]))
    total, steps = first, []
    for index, digit in enumerate(rest):
        before = total
        total = slip(index, before + digit)
        steps.append(f"{before}+{digit}={total}")
    return steps, total


# Last digit of a term of a geometric sequence. Parameters: (first term, ratio, index of the term).


def _draw_sequence(rng: random.Random, difficulty: Difficulty) -> Parameters:
    return (rng.randrange(2, 1000), rng.randint(2, difficulty.largest), difficulty.steps + 1)


def _state_sequence(parameters: Parameters) -> str:
    first, ratio, term = parameters
    return f"A geometric sequence has term (1) {first} and ratio {ratio}. Find the last digit of term ({term})."


def _read_sequence(text: str) -> Parameters | None:
    form = r"A geometric sequence has term \(1\) # and ratio #\. Find the last digit of term \(#\)\."
    numbers = _find_numbers(form, text)
    return None if numbers is None else numbers[1:]


def _work_sequence(parameters: Parameters, slip: Slip) -> tuple[list[str], int]:
    first, ratio, term = parameters
    value, steps = first % 10, []
    for index in range(term - 1):
        before = value
        value = slip(index, before * ratio % 10)
        steps.append(f"{before}*{ratio}={value}")
    return steps, value


# How many numbers of a list are divisible by a divisor. Parameters: (divisor, number, number, ...).


def _draw_count(rng: random.Random, difficulty: Difficulty) -> Parameters:
    return (rng.choice((2, 5)), *(rng.randrange(10, 100) for _ in range(difficulty.steps)))


def _state_count(parameters: Parameters) -> str:
    divisor, *numbers = parameters
    listed = " ".join(f"({index}) {number}." for index, number in enumerate(numbers, 1))
    return f"Consider these {len(numbers)} numbers: {listed} How many of them are divisible by {divisor}?"


def _read_count(text: str) -> Parameters | None:
    form = r"Consider these # numbers:( \(#\) #\.)+ How many of them are divisible by [25]\?"
    numbers = _find_numbers(form, text)
    return None if numbers is None else (numbers[-1], *numbers[2:-1:2])


def _work_count(parameters: Parameters, slip: Slip) -> tuple[list[str], int]:
    divisor, *numbers = parameters
    count, steps = 0, []
    for index, number in enumerate(numbers):
        divides = number % divisor == 0
        count = slip(index, count + divides)
        steps.append(f"{number} {'yes' if divides else 'no'} {count}")
    return steps, count


FAMILIES: Sequence[Family] = (
    Family("chain", "Number Theory", _draw_chain, _state_chain, _read_chain, _work_chain),
    Family(
        "remainder", "Number Theory", _draw_remainder, _state_remainder, _read_remainder, _work_remainder, first_label=2
    ),
    Family(
        "digit_sum", "Number Theory", _draw_digits, _state_digit_sum, _read_digit_sum, _work_digit_sum, first_label=2
    ),
    Family("sequence", "Algebra", _draw_sequence, _state_sequence, _read_sequence, _work_sequence, first_label=2),
    Family("count", "Combinatorics", _draw_count, _state_count, _read_count, _work_count),
)
