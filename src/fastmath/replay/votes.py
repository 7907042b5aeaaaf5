"""Recorded samples: questions with the answer and the length of every sample, and random draws from them.

The file is JSONL; each line is one question as one model answered it: `id, gold, model, answers[], tokens[]`.
"""

import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fastmath.answers.contests import CONTESTS, ContestProfile, contest_answer
from fastmath.recipe.errors import SettingsError

QUESTIONS = 50
"""Number of questions in a replayed contest."""
_FIELDS = {"id": str, "gold": str, "model": str, "answers": list, "tokens": list}


class VotesFileError(SettingsError):
    """The file of recorded votes is not valid; the message names the line where there is one."""


@dataclass(frozen=True)
class RecordedSample:
    """One recorded sample.

    Attributes:
        tokens: number of tokens that it generated.
        answer: integer that it votes for; None where it has no answer that the contest allows.
    """

    tokens: int
    answer: int | None


@dataclass(frozen=True)
class Recording:
    """The samples of one model for one question.

    Attributes:
        id: id of the question.
        model: name of the model.
        gold: correct answer.
        samples: the samples in their recorded or drawn order.
    """

    id: str
    model: str
    gold: int
    samples: tuple[RecordedSample, ...]


def read_votes(path: Path, model: str | None = None, profile: ContestProfile = CONTESTS["aimo2"]) -> list[Recording]:
    """Read the recordings of a file, in the file's order.

    Args:
        path: the JSONL file, gzipped where its name ends in `.gz`.
        model: name of the model whose recordings are wanted; None reads those of all models.
        profile: contest whose rules decide which answers count as votes.

    Raises:
        VotesFileError: the file cannot be read, a line is not valid, or there is no recording of the model.
    """
    try:
        content = path.read_bytes()
        lines = (gzip.decompress(content) if path.suffix == ".gz" else content).decode().splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise VotesFileError(f"{path} cannot be read: {error}") from error
    recordings = [_read_line(line, f"{path}, line {number}", profile) for number, line in enumerate(lines, 1) if line]
    models = sorted({recording.model for recording in recordings})
    chosen = [recording for recording in recordings if model in (None, recording.model)]
    if not chosen:
        raise VotesFileError(f"{path} holds no question of {model or 'any model'}; want one of {', '.join(models)}")
    return chosen


def _read_line(line: str, place: str, profile: ContestProfile) -> Recording:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise VotesFileError(
            f"{place}: no valid JSON ({error.msg}); want one object of {', '.join(_FIELDS)}"
        ) from error
    if not isinstance(row, dict):
        raise VotesFileError(f"{place}: a {type(row).__name__}; want one object of {', '.join(_FIELDS)}")
    for name, kind in _FIELDS.items():
        if name not in row:
            raise VotesFileError(f"{place}: {name!r} is missing; found {', '.join(map(str, row))}")
        if not isinstance(row[name], kind) and not (kind is str and isinstance(row[name], int)):
            raise VotesFileError(f"{place}: {name!r} is a {type(row[name]).__name__}; want a {kind.__name__}")
    answers, tokens = row["answers"], row["tokens"]
    if len(answers) != len(tokens) or not answers:
        raise VotesFileError(
            f"{place}: {len(answers)} answers and {len(tokens)} token counts; want as many, at least 1"
        )
    wrong = next(
        (count for count in tokens if not isinstance(count, int) or isinstance(count, bool) or count < 0), None
    )
    if wrong is not None:
        raise VotesFileError(f"{place}: a sample of {wrong!r} tokens; want whole numbers from 0")
    gold = contest_answer(str(row["gold"]), profile)
    if gold is None:
        fitting = [name for name, other in CONTESTS.items() if contest_answer(str(row["gold"]), other) is not None]
        raise VotesFileError(
            f"{place}: the gold answer {row['gold']!r} is no answer of {profile.name}, whose answers are integers from "
            f"{profile.answer_range[0]} to {profile.answer_range[1]}"
            + (f"; it is one of {' and '.join(fitting)} (--profile)" if fitting else "")
        )
    samples = zip(tokens, (_read_answer(text, profile) for text in answers), strict=True)
    return Recording(str(row["id"]), row["model"], gold, tuple(RecordedSample(*sample) for sample in samples))


def _read_answer(text: object, profile: ContestProfile) -> int | None:
    return None if text is None or text == "" else contest_answer(str(text), profile)


def draw_samples(recording: Recording, samples: int, rng: random.Random) -> Recording:
    """The question with `samples` of its samples, drawn without replacement.

    Raises:
        VotesFileError: the question has fewer samples.
    """
    require_samples(recording, samples)
    return replace(recording, samples=tuple(rng.sample(recording.samples, samples)))


def require_samples(recording: Recording, samples: int) -> None:
    """Check that a question has at least `samples` recorded samples.

    Raises:
        VotesFileError: it has fewer.
    """
    if len(recording.samples) < samples:
        raise VotesFileError(
            f"question {recording.id} of {recording.model} has {len(recording.samples)} recorded samples; want at "
            f"least the {samples} that a question may take (--n)"
        )


def draw_contest(recordings: Sequence[Recording], seed: int, samples: int = 16, run: int = 0) -> list[Recording]:
    """Draw a contest: `QUESTIONS` questions with replacement, and for each of them `samples` samples without.

    A second run (`run` 1) asks the same questions in another order. Its samples are others than those of the first one
    where so many are recorded, and all are drawn from again where they are not.

    Raises:
        VotesFileError: a question has fewer samples.
    """
    rng = random.Random(seed)
    questions = [rng.choice(recordings) for _ in range(QUESTIONS)]
    drawn = []
    for question in questions:
        require_samples(question, samples)
        drawn.append(rng.sample(range(len(question.samples)), samples))
    for _ in range(run):
        drawn = [_draw_others(question, places, rng) for question, places in zip(questions, drawn, strict=True)]
    contest = [
        replace(question, samples=tuple(question.samples[place] for place in places))
        for question, places in zip(questions, drawn, strict=True)
    ]
    if run > 0:
        rng.shuffle(contest)
    return contest


def _draw_others(question: Recording, taken: Sequence[int], rng: random.Random) -> list[int]:
    others = sorted(set(range(len(question.samples))) - set(taken))
    return rng.sample(others if len(others) >= len(taken) else range(len(question.samples)), len(taken))
