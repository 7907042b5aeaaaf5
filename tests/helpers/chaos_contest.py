"""Whole contests in chaos: the questions, the contest itself, and what must hold of it afterwards."""

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import polars as pl
import psutil

from fastmath.answers.contests import CONTESTS, contest_answer
from fastmath.contest.assembly import make_rules, make_sampling
from fastmath.contest.gateway import GatewayError, LocalGateway
from fastmath.engine.loading import LoadRules
from fastmath.engine.supervision import EngineKeeper
from fastmath.kernel.journal import read_records
from fastmath.kernel.kernel import Kernel
from fastmath.policies.clock import ClockRules
from fastmath.policies.public import find_policies
from fastmath.policies.voting import Vote, count_votes, leading_answer
from fastmath.recipe.inference import KernelSettings
from helpers.chaos import FAULTS, QUESTION_FAULTS, ChaosEngine, Desk, Recorded, Weather
from helpers.chaos_kernel import ChaosJournal, FailingPolicy, failing_parser_and_vote, noting_what_is_due
from helpers.fake_time import FakeTime, RealTime
from helpers.files import SHARED
from helpers.made_votes import make_votes

RECORDED = SHARED / "votes" / "aime2024.jsonl"
"""Real votes; where they are not at hand, made-up ones stand for them."""
PROFILE = CONTESTS["aimo2"]
SAMPLES = 16
PACE = 0.001
"""Virtual seconds a recorded token takes: a median sample takes 13."""
REAL_PACE = 1e-6
AMPLE = 20_000.0
"""Virtual seconds in which fifty questions vote in full."""


@dataclass(frozen=True)
class Outcome:
    """What came of a contest.

    Attributes:
        submission: as the gateway wrote it.
        late: seconds that the latest answer came behind its deadline; below 0 none did.
        over: seconds that the contest went past its limit, without what the clock had jumped.
        idle: seconds that the latest answer came after votes and time had decided its question.
        call: duration of the longest call but the first of each kernel, as a share of what the gateway allows.
        children: processes that loads have left behind.
        struck: how often each fault happened.
        disk_agrees: whether every answer in the journal is the submitted one, and the file can be read.
    """

    submission: pl.DataFrame
    late: float
    over: float
    idle: float
    call: float
    children: int
    struck: dict[str, int]
    disk_agrees: bool

    def is_whole(self, ids: Sequence[str]) -> bool:
        """Whether every question has one answer of the contest's type and range."""
        typed = dict(self.submission.schema) == {"id": pl.String, "answer": pl.Int64}
        ranged = self.submission["answer"].is_between(*PROFILE.answer_range).all()
        return typed and ranged and sorted(self.submission["id"]) == sorted(ids)


def recorded_questions(seed: int, count: int = 50) -> dict[str, Recorded]:
    """Fifty questions of one recorded model with 16 of its samples each, drawn with replacement."""
    rows = [json.loads(line) for line in RECORDED.read_text().splitlines()] if RECORDED.exists() else make_votes()
    rng = random.Random(seed)
    model = rng.choice(sorted({row["model"] for row in rows}))
    rows = [row for row in rows if row["model"] == model]
    drawn = {}
    for index in range(count):
        row = rng.choice(rows)
        samples = rng.sample(list(zip(row["answers"], row["tokens"], strict=True)), SAMPLES)
        drawn[f"q{index}"] = Recorded(f"{row['id']}: What is 3+4?", tuple(samples))
    return drawn


def easy_questions(count: int = 50) -> dict[str, Recorded]:
    """Questions to which every sample answers 7, some of them so late that the vote is decided before."""
    samples = tuple(("7", 3000 + 1000 * sample) for sample in range(SAMPLES))
    return {f"q{index}": Recorded("What is 3+4?", samples) for index in range(count)}


def full_vote(question: Recorded) -> int:
    """What the recorded samples vote for by themselves, in the order in which they would finish."""
    ordered = sorted(question.samples, key=lambda sample: sample[1])
    answers = [contest_answer(text, PROFILE) for text, _ in ordered]
    leader = leading_answer(count_votes(Vote(answer) for answer in answers if answer is not None))
    return 0 if leader is None else leader


MOST_RESTARTS = 5
"""Restarts of one contest; each has all questions asked again."""


class RestartError(RuntimeError):
    """The notebook is restarted: the kernel's process is gone, and all questions are asked again."""


@dataclass
class Contest:
    """One contest on virtual or real time, whose kernel may be restarted again and again.

    Attributes:
        folder: folder of the questions and the journal.
        questions: the questions by their ids.
        weather: what goes wrong.
        limit: seconds of the contest.
        settings: the recipe's section `kernel`.
        seed: seed of the order of the questions.
    """

    folder: Path
    questions: dict[str, Recorded]
    weather: Weather
    limit: float
    settings: KernelSettings
    seed: int

    def __post_init__(self) -> None:
        self.time, self.is_fake = self.weather.time, isinstance(self.weather.time, FakeTime)
        self.desk = Desk(next(iter(self.questions.values())))
        self.call_seconds = self.limit / 10  # as AIMO2's 30 minutes of its five hours
        self.late, self.idle, self.calls = [], [], []
        self.began: float | None = None
        self.restarts = 0
        self.kernel = self._open_kernel()

    def play(self) -> pl.DataFrame:
        """The submission of the first kernel whose gateway comes to the last question."""
        while True:
            try:
                gateway = LocalGateway(self.predict, seed=self.seed + self.restarts)
                return gateway.run(self.folder / "test.csv", self.folder)
            except GatewayError as error:
                if not isinstance(error.__cause__, RestartError):
                    raise
            self.kernel.journal.is_dead = True
            share, self.weather.share = self.weather.share, 0.0  # a killed process takes its engine along
            self.kernel.keeper.close()
            self.weather.share = share
            self.kernel, self.restarts = self._open_kernel(), self.restarts + 1

    def predict(self, id_: pl.Series, question: pl.Series) -> pl.DataFrame:
        kernel, began = self.kernel, self.time.now()
        self.desk.question, self.desk.ended = self.questions[id_.item(0)], 0
        self.desk.fate = self.weather.strikes(*QUESTION_FAULTS)
        is_first, told = kernel._calls == 0, len(kernel.journal.told)
        # What was answered before the first record is on the disk was not answered for a journal.
        can_restart = kernel.journal.path.exists() and self.restarts < MOST_RESTARTS
        restart = self.weather.strikes("restart") if can_restart else None
        is_answered_before = self.weather.rng.random() < 0.5
        if restart and not is_answered_before:
            raise RestartError
        prediction = kernel.predict(id_, question)
        self.began = kernel.started if self.began is None else self.began
        if not is_first:
            self.calls.append(self._seconds_since(began))
        if len(kernel.journal.told) > told:
            record = kernel.journal.told[-1]
            deadline = record.started_seconds + record.deadline_seconds
            self.late.append(self._seconds_since(kernel.started + deadline))
            self.idle.append(self._seconds_since(kernel.started + min(deadline, self._due)))
        if restart:
            raise RestartError
        return prediction

    @property
    def _due(self) -> float:
        return getattr(self.kernel._solver, "due", math.inf)

    def _seconds_since(self, moment: float) -> float:
        return self.time.now() - moment - self.time.jumped_since(moment)

    def _open_kernel(self) -> Kernel:
        weather, settings = self.weather, self.settings
        journal = ChaosJournal(self.folder / "questions.jsonl", {"seed": str(self.seed)})
        journal.weather, journal.told = weather, []
        pace = PACE if self.is_fake else REAL_PACE
        # As twenty minutes of five hours.
        loads = LoadRules(self.limit / 15, least_seconds=self.limit / 300) if self.is_fake else LoadRules(0.2, 3.0, 0.1)
        return Kernel(
            keeper=EngineKeeper(lambda _, load: ChaosEngine(weather, self.desk, pace, load), self.time, loads),
            profile=PROFILE,
            system_prompt=None,
            sampling=make_sampling(settings),
            rules=make_rules(settings),
            policy=FailingPolicy(find_policies()[settings.policy], weather),
            clock=ClockRules(self.limit, len(self.questions), call_seconds=self.call_seconds),
            journal=journal,
            samples=SAMPLES,
            hang_seconds=15.0 if self.is_fake else 0.02,
            time=self.time,
        )


def play(
    folder: Path,
    questions: dict[str, Recorded],
    seed: int,
    share: float,
    limit: float,
    is_fake: bool = True,
    faults: Sequence[str] = FAULTS,
    **settings: Any,
) -> Outcome:
    """One contest on virtual time, or with samples that take none on real time.

    Args:
        share: chance of a fault at each occasion.
        limit: seconds of the contest.
        settings: of the recipe's section `kernel`.
    """
    time = FakeTime() if is_fake else RealTime()
    weather = Weather(random.Random(seed), share, time, faults)
    folder.mkdir(parents=True, exist_ok=True)
    rows = {"id": list(questions), "problem": [question.text for question in questions.values()]}
    pl.DataFrame(rows).write_csv(folder / "test.csv")
    defaults = {"samples": SAMPLES, "token_budget": 1000, "harvest_seconds": 3.0 if is_fake else 0.0}
    before = set(psutil.Process().children(recursive=True))
    with (
        failing_parser_and_vote(weather),
        noting_what_is_due(),
        # The time at which a journal was begun is one of the contest's.
        patch("fastmath.kernel.journal.time", SimpleNamespace(time=time.now)),
    ):
        contest = Contest(folder, questions, weather, limit, KernelSettings(**defaults | settings), seed)
        submission = contest.play()
        over = contest._seconds_since(contest.began + limit)
        weather.share = 0.0  # what comes now is the notebook's affair
        contest.kernel.keeper.close()
        time.stop()
    answers = dict(submission.iter_rows())
    path = contest.kernel.journal.path
    on_disk = read_records(path) if path.exists() else []
    return Outcome(
        submission,
        late=max(contest.late, default=-math.inf),
        over=over,
        idle=max(contest.idle, default=-math.inf),
        call=max(contest.calls, default=0.0) / contest.call_seconds,
        children=len(set(psutil.Process().children(recursive=True)) - before),
        struck=weather.struck,
        disk_agrees=all(answers[record["id"]] == record["answer"] for record in on_disk),
    )
