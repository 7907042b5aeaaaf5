"""Whole contests in chaos: the questions, the contest itself, and what must hold of it afterwards."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from fastmath.answers.contests import CONTESTS, contest_answer
from fastmath.contest.assembly import make_rules, make_sampling
from fastmath.contest.gateway import LocalGateway
from fastmath.engine.supervision import EngineKeeper
from fastmath.kernel.journal import read_records
from fastmath.kernel.kernel import Kernel
from fastmath.policies.clock import ClockRules
from fastmath.policies.public import find_policies
from fastmath.policies.voting import Vote, count_votes, leading_answer
from fastmath.recipe.inference import KernelSettings
from helpers.chaos import FAULTS, ChaosEngine, ChaosJournal, Desk, Recorded, Weather, failing_parser_and_vote
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
        struck: how often each fault happened.
        disk_agrees: whether every answer in the journal is the submitted one, and the file can be read.
    """

    submission: pl.DataFrame
    late: float
    over: float
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
    journal = ChaosJournal(folder / "questions.jsonl", {"seed": str(seed)})
    journal.weather, journal.told = weather, []
    desk = Desk(next(iter(questions.values())))
    kernel_settings = KernelSettings(
        **{"samples": SAMPLES, "token_budget": 1000, "harvest_seconds": 3.0 if is_fake else 0.0} | settings
    )
    kernel = Kernel(
        keeper=EngineKeeper(lambda *_: ChaosEngine(weather, desk, PACE if is_fake else REAL_PACE), time),
        profile=PROFILE,
        system_prompt=None,
        sampling=make_sampling(kernel_settings),
        rules=make_rules(kernel_settings),
        policy=find_policies()[kernel_settings.policy],
        clock=ClockRules(limit, len(questions)),
        journal=journal,
        samples=SAMPLES,
        hang_seconds=15.0 if is_fake else 0.02,
        time=time,
    )
    late: list[float] = []

    def predict(id_: pl.Series, question: pl.Series) -> pl.DataFrame:
        desk.question = questions[id_.item(0)]
        prediction = kernel.predict(id_, question)
        if journal.told and journal.told[-1].id == id_.item(0):
            record = journal.told[-1]
            deadline = record.started_seconds + record.deadline_seconds
            late.append(time.now() - kernel.started - deadline - time.jumped_since(kernel.started + deadline))
        return prediction

    with failing_parser_and_vote(weather):
        submission = LocalGateway(predict, seed=seed).run(folder / "test.csv", folder)
        over = time.now() - kernel.started - limit - time.jumped_since(kernel.started + limit)
        weather.share = 0.0  # what comes now is the notebook's affair
        kernel.keeper.close()
        time.stop()
    answers = dict(submission.iter_rows())
    on_disk = read_records(journal.path) if journal.path.exists() else []
    agrees = all(answers[record["id"]] == record["answer"] for record in on_disk)
    return Outcome(submission, max(late, default=float("-inf")), over, weather.struck, agrees)
