"""The contests' rules about answers and time, and the integer that a sample votes for under them."""

from dataclasses import dataclass

from fastmath.answers.integers import to_int


@dataclass(frozen=True)
class ContestProfile:
    """Rules of one contest.

    Attributes:
        name: key in `CONTESTS`.
        questions: number of questions.
        limit_seconds: time for all of them, installation and model loading included.
        answer_range: smallest and largest answer, both allowed.
        modulus: the contest asks for answers modulo this; None where the questions say so themselves.
    """

    name: str
    questions: int
    limit_seconds: float
    answer_range: tuple[int, int]
    modulus: int | None


CONTESTS: dict[str, ContestProfile] = {
    profile.name: profile
    for profile in (
        ContestProfile("aimo1", questions=50, limit_seconds=9 * 3600, answer_range=(0, 999), modulus=1000),
        ContestProfile("aimo2", questions=50, limit_seconds=5 * 3600, answer_range=(0, 999), modulus=None),
        ContestProfile("aimo3", questions=50, limit_seconds=5 * 3600, answer_range=(0, 99_999), modulus=None),
    )
}


def contest_answer(text: str | None, profile: ContestProfile) -> int | None:
    """The integer that an extracted answer votes for; None, and so no vote, where it is none or out of range.

    Args:
        text: the content of the box, as `extract_answer` returns it; None where a sample has no answer.
        profile: gives the range and, where the contest has one, the modulus applied first.

    Example: `1{,}024` votes for 24 in aimo1 (modulo 1000), for nothing in aimo2 (0-999) and for 1024 in aimo3.
    """
    value = None if text is None else to_int(text, modulus=profile.modulus)
    smallest, largest = profile.answer_range
    return value if value is not None and smallest <= value <= largest else None
