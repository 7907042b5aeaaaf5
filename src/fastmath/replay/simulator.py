"""The kernel's own solver on recorded samples and a virtual clock: one question, and whole contests.

A virtual second is the time of one engine step without any sample. A step with b live samples takes 1 + b / slowdown
seconds and gives each of them one token. Samples that start together run side by side, and batches shrink as samples
finish. Harvests cannot be replayed, because no recording says what a sample would have answered before its end.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from fastmath.kernel.solver import Action, Finished, Solver, SolverRules, Start, TimePassed
from fastmath.policies.clock import ClockRules, tell_time
from fastmath.policies.plan import History, Policy
from fastmath.replay.votes import Recording

CONTEST_SAMPLES = 16
"""Default number of samples in the full votes whose time a contest's limit is a share of."""
NO_ANSWER = -1
"""Fallback answer to a question without any vote; always counted as wrong."""


@dataclass(frozen=True)
class Played:
    """The result of one replayed question.

    Attributes:
        right: whether the answer was correct.
        voted: whether any sample voted.
        tokens: tokens that all samples generated until the answer.
        steps: engine steps until the answer; the question's duration if steps took the same time for any batch size.
        seconds: virtual seconds from the question's start to the answer.
    """

    right: bool
    voted: bool
    tokens: float
    steps: float
    seconds: float


@dataclass
class VirtualEngine:
    """An engine that replays the recorded samples of one question side by side on a virtual clock.

    Attributes:
        question: recording whose samples are replayed; sample i of the solver is the i-th of them.
        slowdown: batch size that doubles the time of an engine step (see the module).
        now: virtual seconds since the contest began.
        position: engine steps since the question began.
        tokens: tokens that all samples have generated so far.
    """

    question: Recording
    slowdown: float
    now: float
    position: float = 0.0
    tokens: float = 0.0

    def __post_init__(self) -> None:
        self._ends: list[tuple[float, int]] = []  # heap of (position at which the sample ends, sample)

    @property
    def step_seconds(self) -> float:
        """Duration of an engine step with the samples that are running now, in virtual seconds."""
        return 1 + len(self._ends) / self.slowdown

    @property
    def next_end(self) -> float:
        """Virtual time at which the next sample ends; infinite if none is running."""
        return self.now + (self._ends[0][0] - self.position) * self.step_seconds if self._ends else math.inf

    def start(self, samples: Sequence[int]) -> None:
        """Start these samples."""
        for sample in samples:
            heapq.heappush(self._ends, (self.position + self.question.samples[sample].tokens, sample))

    def finish(self) -> Finished:
        """Run until the next sample ends, and return it."""
        end, sample = self._ends[0]
        now = self.next_end
        self._advance(end - self.position)
        self.now = now
        heapq.heappop(self._ends)
        recorded = self.question.samples[sample]
        return Finished(sample, recorded.tokens, recorded.answer)

    def wait(self, until: float) -> None:
        """Run until a given virtual time, which must not be later than the next sample's end."""
        self._advance((until - self.now) / self.step_seconds)
        self.now = until

    def _advance(self, steps: float) -> None:
        self.tokens += steps * len(self._ends)
        self.position += steps


def play_question(question: Recording, solver: Solver, slowdown: float) -> Played:
    """Drive a solver on recorded samples from the start of its allotted time to its answer."""
    engine = VirtualEngine(question, slowdown, solver.allotment.start)
    actions: Sequence[Action] = solver.begin(engine.now)
    while True:
        for action in actions:
            if isinstance(action, Start):
                engine.start(action.samples)
        if solver.answer is not None:
            break
        wakeup = max(solver.next_wakeup, engine.now)
        if engine.next_end <= wakeup:
            actions = solver.handle(engine.finish(), engine.now)
        else:
            engine.wait(wakeup)
            actions = solver.handle(TimePassed(), engine.now)
    seconds = engine.now - solver.allotment.start
    return Played(solver.answer.answer == question.gold, bool(solver.votes), engine.tokens, engine.position, seconds)


@dataclass(frozen=True)
class ContestScore:
    """The result of one replayed contest.

    Attributes:
        questions: result of each question, in their order.
        seconds: virtual seconds that the contest took.
        limit_seconds: virtual seconds that it was allowed to take.
    """

    questions: tuple[Played, ...]
    seconds: float
    limit_seconds: float

    @property
    def right(self) -> int:
        """Number of correct answers, all of them by a vote."""
        return sum(played.right for played in self.questions)

    @property
    def unanswered(self) -> int:
        """Number of questions that were answered without any vote."""
        return sum(not played.voted for played in self.questions)


@dataclass(frozen=True)
class ContestSetting:
    """Time limit, engine and number of samples of replayed contests.

    Attributes:
        limit: time limit, as a share of the time that full votes of `full_samples` take on all questions; infinite = no
            clock.
        slowdown: batch size that doubles the time of an engine step (see the module); infinite if it never grows.
        samples: maximum number of samples per question.
        full_samples: number of samples of a full vote.
    """

    limit: float
    slowdown: float = 24.0
    samples: int = CONTEST_SAMPLES
    full_samples: int = CONTEST_SAMPLES

    @property
    def wanted_samples(self) -> int:
        """Number of recorded samples that each question must have."""
        return max(self.samples, self.full_samples)


def play_contest(questions: Sequence[Recording], policy: Policy, setting: ContestSetting) -> ContestScore:
    """Play the questions in their order; each needs at least `setting.wanted_samples` samples."""
    slowdown = setting.slowdown
    full = sum(full_vote_seconds(question, slowdown, setting.full_samples) for question in questions)
    rules = ClockRules(setting.limit * full, len(questions), reserve_share=0.0, spare_questions=0)
    history, elapsed, results = History(), 0.0, []
    for answered, question in enumerate(questions):
        plan = policy.plan(tell_time(rules, elapsed, answered), setting.samples, slowdown, history)
        solver = Solver(SolverRules(fallback_answer=NO_ANSWER), plan)
        played = play_question(question, solver, slowdown)
        elapsed += played.seconds
        history = history.add(solver.outcome(elapsed))
        results.append(played)
    return ContestScore(tuple(results), elapsed, rules.limit_seconds)


def full_vote_seconds(question: Recording, slowdown: float, samples: int = CONTEST_SAMPLES) -> float:
    """Virtual seconds of a full vote: until the last of the first `samples` samples ends; all start together.

    Example: lengths 10 and 30, slowdown 4: 10 * (1 + 2/4) + 20 * (1 + 1/4) = 40.
    """
    seconds = position = 0.0
    lengths = sorted(sample.tokens for sample in question.samples[:samples])
    for ended, length in enumerate(lengths):
        seconds += (length - position) * (1 + (len(lengths) - ended) / slowdown)
        position = length
    return seconds


def play_unhurried(questions: Sequence[Recording], policy: Policy) -> list[Played]:
    """Play the questions in their order without a time limit, on an engine whose steps take the same at any batch."""
    rules = ClockRules(math.inf, len(questions), reserve_share=0.0, spare_questions=0)
    history, played = History(), []
    for answered, question in enumerate(questions):
        plan = policy.plan(tell_time(rules, 0.0, answered), len(question.samples), math.inf, history)
        solver = Solver(SolverRules(fallback_answer=NO_ANSWER), plan)
        played.append(play_question(question, solver, math.inf))
        history = history.add(solver.outcome(played[-1].seconds))
    return played
