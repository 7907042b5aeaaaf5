"""Rules of the contests about answers and time, and the integer for which a sample votes under them."""

from dataclasses import dataclass

from fastmath.answers.integers import to_int


@dataclass(frozen=True)
class ContestProfile:
    """Rules of one contest.

    Attributes:
        name: key in `CONTESTS`.
        questions: number of questions.
        limit_seconds: wall time allowed for all questions together, in seconds, including installation and model
            loading.
        answer_range: smallest and largest valid answer, both inclusive.
        modulus: number modulo which the contest asks for every answer; None where each question states its own, if any.
        call_seconds: time in which the gateway wants the answer to one question, in seconds, from its second call on;
            it sets the first one no limit, since the model is loaded then. A single later answer loses the whole
            contest. None = no such limit is known.
    """

    name: str
    questions: int
    limit_seconds: float
    answer_range: tuple[int, int]
    modulus: int | None
    call_seconds: float | None = None


CONTESTS: dict[str, ContestProfile] = {
    profile.name: profile
    for profile in (
        ContestProfile("aimo1", questions=50, limit_seconds=9 * 3600, answer_range=(0, 999), modulus=1000),
        ContestProfile("aimo2", 50, limit_seconds=5 * 3600, answer_range=(0, 999), modulus=None, call_seconds=1800),
        ContestProfile(
            "aimo3", 50, limit_seconds=5 * 3600, answer_range=(0, 99_999), modulus=None, call_seconds=9 * 3600
        ),
    )
}


def contest_answer(text: str | None, profile: ContestProfile) -> int | None:
    """The integer for which an extracted answer votes; None (no vote) where it is not an integer or out of range.

    Args:
        text: content of the box, as `extract_answer` returns it; None where a sample has no answer.
        profile: rules of the contest; its modulus, if it has one, is applied before its range is checked.

    Example: `1{,}024` votes for 24 in aimo1 (modulo 1000), casts no vote in aimo2 (0-999) and votes for 1024 in aimo3.
    """
    value = None if text is None else to_int(text, modulus=profile.modulus)
    smallest, largest = profile.answer_range
    return value if value is not None and smallest <= value <= largest else None
