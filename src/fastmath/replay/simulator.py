"""The kernel's own solver on recorded samples and a virtual clock: one question, and whole contests.

A virtual second is the time of one engine step without any sample. A step with b live samples takes 1 + b / slowdown
seconds and gives each of them one token. Samples that start together run side by side, and batches shrink as samples
finish. Harvests cannot be replayed, because no recording says what a sample would have answered before its end.
"""

import heapq
import math
import random
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastmath.kernel.solver import Action, Finished, Solver, SolverRules, Start, TimePassed
from fastmath.policies.clock import ClockRules, tell_time
from fastmath.policies.plan import History, Policy
from fastmath.policies.public import PublicPolicy
from fastmath.replay.votes import Recording, draw_contest, draw_samples

CONTEST_SAMPLES = 16
"""Number of samples in the full votes whose time a contest's limit is a share of."""
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
        if engine.next_end <= solver.next_wakeup:
            actions = solver.handle(engine.finish(), engine.now)
        else:
            engine.wait(max(solver.next_wakeup, engine.now))
            actions = solver.handle(TimePassed(), engine.now)
    seconds = engine.now - solver.allotment.start
    return Played(solver.answer.answer == question.gold, bool(solver.votes), engine.tokens, engine.position, seconds)


@dataclass(frozen=True)
class ContestScore:
    """The result of one replayed contest.

    Attributes:
        right: number of correct answers.
        seconds: virtual seconds that the contest took.
        limit_seconds: virtual seconds that it was allowed to take.
        unanswered: number of questions that were answered without any vote.
    """

    right: int
    seconds: float
    limit_seconds: float
    unanswered: int


@dataclass(frozen=True)
class ContestSetting:
    """Time limit, engine and number of samples of replayed contests.

    Attributes:
        limit: time limit, as a share of the time that full votes of `CONTEST_SAMPLES` samples take on all questions.
        slowdown: batch size that doubles the time of an engine step (see the module); infinite if it never grows.
        samples: maximum number of samples per question.
    """

    limit: float
    slowdown: float = 24.0
    samples: int = CONTEST_SAMPLES


def play_contest(questions: Sequence[Recording], policy: Policy, setting: ContestSetting) -> ContestScore:
    """Play the questions in their order; each needs at least `CONTEST_SAMPLES` and `setting.samples` samples."""
    slowdown = setting.slowdown
    full = sum(full_vote_seconds(question, slowdown) for question in questions)
    rules = ClockRules(setting.limit * full, len(questions), reserve_share=0.0, spare_questions=0)
    history, elapsed, right, unanswered = History(), 0.0, 0, 0
    for answered, question in enumerate(questions):
        plan = policy.plan(tell_time(rules, elapsed, answered), setting.samples, slowdown, history)
        solver = Solver(SolverRules(fallback_answer=NO_ANSWER), plan)
        played = play_question(question, solver, slowdown)
        elapsed += played.seconds
        history = history.add(solver.outcome(elapsed))
        right += played.right
        unanswered += not played.voted
    return ContestScore(right, elapsed, rules.limit_seconds, unanswered)


def full_vote_seconds(question: Recording, slowdown: float) -> float:
    """Virtual seconds of a full vote: until the last of the first `CONTEST_SAMPLES` samples ends; all start together.

    Example: lengths 10 and 30, slowdown 4: 10 * (1 + 2/4) + 20 * (1 + 1/4) = 40.
    """
    seconds = position = 0.0
    lengths = sorted(sample.tokens for sample in question.samples[:CONTEST_SAMPLES])
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


def by_model(recordings: Sequence[Recording]) -> dict[str, list[Recording]]:
    """The recordings by model; models and recordings keep their order of appearance."""
    models: dict[str, list[Recording]] = {}
    for recording in recordings:
        models.setdefault(recording.model, []).append(recording)
    return models


def replay_questions(
    recordings: Sequence[Recording], policy: Policy, samples: int, seeds: int, processes: int
) -> dict[str, Any]:
    """Replay every question once for each of `seeds` seeds without a time limit, beside full votes on the same samples.

    Returns:
        `questions`, `accuracy` with its 95 % interval over questions, `tokens` and `wall` (mean tokens and mean engine
        steps per question), and both as ratios to those of the full vote.
    """
    work = partial(_replay_pass, recordings, policy, samples)
    passes = _map_seeds(work, range(seeds), processes)
    # Averaged per question first, because replays of one question with several seeds are not independent questions.
    accuracies = [statistics.fmean(row[0] for row in rows) for rows in zip(*passes, strict=True)]
    accuracy, low, high = _mean_with_interval(accuracies)
    tokens, steps, full_tokens, full_steps = (
        statistics.fmean(row[column] for rows in passes for row in rows) for column in range(1, 5)
    )
    return {
        "questions": len(recordings),
        "accuracy": round(accuracy, 4),
        "accuracy_low": round(max(low, 0.0), 4),
        "accuracy_high": round(min(high, 1.0), 4),
        "tokens": round(tokens, 1),
        "wall": round(steps, 1),
        "tokens_ratio": round(tokens / full_tokens, 4),
        "wall_ratio": round(steps / full_steps, 4),
    }


def _replay_pass(
    recordings: Sequence[Recording], policy: Policy, samples: int, seed: int
) -> list[tuple[float, float, float, float, float]]:
    """For each recording, in order: right, tokens, steps, tokens of the full vote, steps of the full vote."""
    rng = random.Random(seed)
    drawn = [draw_samples(recording, samples, rng) for recording in recordings]
    results: dict[int, tuple[float, float, float, float, float]] = {}
    for model in dict.fromkeys(recording.model for recording in recordings):
        places = [place for place, recording in enumerate(recordings) if recording.model == model]
        rng.shuffle(places)  # the gateway asks in random order, and a policy learns from earlier questions
        questions = [drawn[place] for place in places]
        full = play_unhurried(questions, PublicPolicy())
        for place, ours, all_ in zip(places, play_unhurried(questions, policy), full, strict=True):
            results[place] = (float(ours.right), ours.tokens, ours.steps, all_.tokens, all_.steps)
    return [results[place] for place in range(len(recordings))]


def replay_contests(
    recordings: Sequence[Recording], policy: Policy, setting: ContestSetting, seeds: int, processes: int
) -> dict[str, Any]:
    """Play `seeds` contests with the recordings of each model; `processes` workers share them.

    Returns:
        `contests`, `score` (correct answers out of 50) with its 95 % interval, `seconds_used` and `limit_seconds`
        (virtual seconds, means over contests), and `unanswered` (questions without a vote per contest).
    """
    scores = contest_scores(recordings, policy, setting, seeds, processes)
    score, low, high = _mean_with_interval([played.right for played in scores])
    return {
        "contests": len(scores),
        "score": round(score, 3),
        "score_low": round(low, 3),
        "score_high": round(high, 3),
        "seconds_used": round(statistics.fmean(played.seconds for played in scores), 1),
        "limit_seconds": round(statistics.fmean(played.limit_seconds for played in scores), 1),
        "unanswered": round(statistics.fmean(played.unanswered for played in scores), 3),
    }


def contest_scores(
    recordings: Sequence[Recording], policy: Policy, setting: ContestSetting, seeds: int, processes: int
) -> list[ContestScore]:
    """Results of all contests, model by model; every policy gets the same draws, so that results can be paired."""
    by_seed = _map_seeds(partial(_replay_seed, by_model(recordings), policy, setting), range(seeds), processes)
    return [scores[model] for model in range(len(by_seed[0])) for scores in by_seed]


def _replay_seed(
    models: dict[str, list[Recording]], policy: Policy, setting: ContestSetting, seed: int
) -> list[ContestScore]:
    drawn = (draw_contest(rows, seed, max(setting.samples, CONTEST_SAMPLES)) for rows in models.values())
    return [play_contest(questions, policy, setting) for questions in drawn]


def _map_seeds(work: Any, seeds: range, processes: int) -> list[Any]:
    """Results of `work` for each seed, in the order of the seeds, computed by `processes` processes."""
    if processes == 1 or len(seeds) == 1:
        return [work(seed) for seed in seeds]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(work, seeds, chunksize=max(1, len(seeds) // (4 * processes))))


def _mean_with_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, low and high end of its normal 95 % interval; for a single value all three are that value."""
    mean = statistics.fmean(values)
    error = 1.96 * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return mean, mean - error, mean + error
