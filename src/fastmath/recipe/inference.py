"""The sections `evaluate` and `kernel` of a recipe, and the engine that both run on."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from fastmath.answers.contests import CONTESTS
from fastmath.answers.extract import AnswerPlace
from fastmath.policies.adaptive import Schedule, read_schedule
from fastmath.prompts import SYSTEM_PROMPTS, GenerationEnd
from fastmath.recipe.errors import require_known
from fastmath.recipe.section import Section


class ReadingSettings(Section):
    """Where the samples of a model end, and where their answers are read.

    Attributes:
        generation_end: `end_of_text`, where the model itself ends; `think_end`, at the end of its reasoning.
        answer_place: part of a sample whose last box is its answer: `reasoning`, before `</think>`; `after`, behind it;
            `anywhere`, in the whole sample.
    """

    generation_end: GenerationEnd = "think_end"
    answer_place: AnswerPlace = "reasoning"

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        if self.generation_end == "box":
            raise ValueError("`generation_end: box` belongs to the kernel, which reads its samples while they grow")
        if self.generation_end == "think_end" and self.answer_place == "after":
            raise ValueError(
                "`answer_place: after` with `generation_end: think_end` leaves nothing to read; want `generation_end: "
                "end_of_text`, or `answer_place: reasoning`"
            )
        return self


class EngineSettings(Section):
    """Configuration of a vLLM engine.

    Attributes:
        arguments: vLLM's engine arguments by vLLM's names, for example `{max_model_len: 512}`.
        environment: environment variables that are set before vLLM is imported.
    """

    arguments: dict[str, Any] = Field(default_factory=dict)
    environment: dict[str, str] = Field(default_factory=dict)


NEUTRAL_ENGINE_ARGUMENTS = frozenset(
    {
        "data_parallel_size",
        "distributed_executor_backend",
        "enable_prefix_caching",
        "enforce_eager",
        "gpu_memory_utilization",
        "max_model_len",
        "max_num_batched_tokens",
        "max_num_seqs",
        "pipeline_parallel_size",
        "tensor_parallel_size",
    }
)
"""vLLM's engine arguments that decide how fast and on what samples are drawn, and not from which distribution."""
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""The name of an evaluated model, which is part of a file's name and of dotted keys."""


class EvaluatedModel(Section):
    """A model that is evaluated beside those of the run; a text such as `OWNER/NAME@COMMIT` names it, too.

    Attributes:
        path: folder of a checkpoint with its tokenizer, or the name of a Hub model.
        revision: commit of a Hub model.
        answers: where its samples end and where its answers are read; None takes what the recipe says by which a
            fastmath run has made it, and for other models that of `model.answers`.
        system_prompt: key in `fastmath.prompts.SYSTEM_PROMPTS`; None takes that of the evaluation, or of the model.
    """

    path: str
    revision: str | None = None
    answers: ReadingSettings | None = None
    system_prompt: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        path, at, revision = value.rpartition("@")
        return {"path": path, "revision": revision} if at else {"path": value}


class EvaluateSettings(Section):
    """Evaluation on samples of the held-out problems, or of other sets.

    Attributes:
        models: further models by name, beside those that the run has made.
        sets: sets of problems in place of the run's held-out ones: JSONL, CSV or parquet files of problem and answer,
            or hf://datasets/OWNER/NAME@COMMIT/FILE.
        problems: number of problems of each set, taken from its beginning; None takes all.
        samples: number of samples per problem.
        temperature: sampling temperature.
        top_p: probability mass from which each token is sampled (nucleus sampling); 1.0 keeps all tokens.
        min_p: least probability of a token that is sampled, as a share of the likeliest one's; 0.0 keeps all tokens.
        token_budget: the largest budget, in tokens: the length at which a sample is cut off.
        budgets: smaller budgets, in tokens; samples that are longer than a budget count as cut off there.
        budget_shares: smaller budgets where `budgets` names none, as shares of the median length of the SFT model's
            samples (or of the first model's).
        engines: number of engine processes side by side (data parallelism), each with its own copy of the model.
        shard_samples: finished samples that are written at a time; a kill loses fewer than these.
        system_prompt: name of the system prompt, where it is not that of the model, see `KernelSettings`.
        engine: configuration of the vLLM engine that draws the samples.
    """

    models: dict[str, EvaluatedModel] = Field(default_factory=dict)
    sets: tuple[str, ...] = ()
    problems: int | None = Field(200, ge=1)
    samples: int = Field(16, ge=1)
    temperature: float = Field(1.0, gt=0)
    top_p: float = Field(1.0, gt=0, le=1)
    min_p: float = Field(0.0, ge=0, le=1)
    token_budget: int = Field(256, ge=1)
    budgets: tuple[int, ...] = ()
    budget_shares: tuple[float, ...] = (1.0, 0.7)
    engines: int = Field(1, ge=1)
    shard_samples: int = Field(128, ge=1)
    system_prompt: str | None = None
    engine: EngineSettings = EngineSettings()

    @model_validator(mode="after")
    def _know_system_prompts(self) -> Self:
        named = {f"evaluate.models.{name}.system_prompt": model.system_prompt for name, model in self.models.items()}
        for key, value in {"evaluate.system_prompt": self.system_prompt, **named}.items():
            if value is not None:
                require_known(f"`{key}`", value, SYSTEM_PROMPTS)
        return self

    @model_validator(mode="after")
    def _name_models(self) -> Self:
        for name in self.models:
            if MODEL_NAME.fullmatch(name) is None:
                raise ValueError(f"`evaluate.models` has {name!r}; want names of letters, digits, `_` and `-`")
        return self

    @model_validator(mode="after")
    def _cut_within_samples(self) -> Self:
        wrong = next((budget for budget in self.budgets if not 1 <= budget <= self.token_budget), None)
        if wrong is not None:
            raise ValueError(
                f"`evaluate.budgets` has {wrong}, and samples end at `evaluate.token_budget` {self.token_budget}; want "
                "budgets from 1 to that, since a budget is a prefix of the samples"
            )
        return self


def _read_schedule(value: Any) -> Any:
    return read_schedule(value) if isinstance(value, Mapping) else value


class KernelSettings(Section):
    """Settings of the contest: rules, policy, sampling and clock.

    Attributes:
        profile: contest whose rules hold, a key in `fastmath.answers.contests.CONTESTS` (`aimo1`, `aimo2`, `aimo3`).
        questions: number of questions that the clock plans for, and that a local contest takes from the held-out
            problems; None uses the contest's number.
        samples: most samples per question.
        policy: rule that stops and decides the vote on a question; `fastmath replay --policy list` prints the names.
            One of your own is named by its import path, `package.module:ClassName`: a class with the method `plan` of
            `fastmath.policies.plan.Policy`, which is called without arguments.
        schedule: numbers of the policy `default`, or the JSON file that `fastmath replay-fit` has written with them;
            None takes those of the package. A slowdown that it holds takes the place of `slowdown`.
        slowdown: cost of a larger batch: an engine step with b running samples takes 1 + b / slowdown times as long as
            one with none. `benchmarks/slowdown.py` measures it.
        token_budget: most tokens per sample.
        temperature: sampling temperature.
        top_p: probability mass from which each token is sampled (nucleus sampling); 1.0 keeps all tokens.
        min_p: least probability of a token that is sampled, as a share of the likeliest one's; 0.0 keeps all tokens.
        generation_end: where a sample ends: `end_of_text`, where the model itself ends; `think_end`, at the end of its
            reasoning; `box`, at its first complete box.
        answer_place: part of a sample whose last box is its answer: `reasoning`, `after` or `anywhere`.
        limit_seconds: wall time for all questions, in seconds. With None a local contest first measures full votes and
            takes `limit_share` of their time; on Kaggle and under `kernel serve` the contest's own limit holds.
        limit_share: the limit as a share of the time that full votes take; used only if `limit_seconds` is None.
        fallback_answer: answer to a question without any vote; it must be a valid answer of the contest.
        hang_seconds: time without a token from any running sample after which the engine is restarted, in seconds.
        harvest_seconds: how long before a question's deadline the samples that are still running are cut off and asked
            for their answers, in seconds; 0 disables this.
        harvest_weight: weight of the vote of a sample that was cut off and asked; a sample that ended by itself has 1.
        require_votes: whether a contest counts as failed if no question was answered by a vote; without it only one in
            which no token was generated, or every question ended in an error. The scored run never fails by it.
        system_prompt: name of the system prompt of the contest, where it is not that of the model, see
            `fastmath.prompts.SYSTEM_PROMPTS`.
        engine: configuration of the vLLM engine that draws the samples.
    """

    profile: str = "aimo2"
    questions: int | None = Field(None, ge=1)
    samples: int = Field(16, ge=1)
    policy: str = "default"
    schedule: Annotated[Schedule | None, BeforeValidator(_read_schedule)] = None
    slowdown: float = Field(24.0, gt=0)
    token_budget: int = Field(256, ge=1)
    temperature: float = Field(1.0, gt=0)
    top_p: float = Field(1.0, gt=0, le=1)
    min_p: float = Field(0.0, ge=0, le=1)
    generation_end: GenerationEnd = "think_end"
    answer_place: AnswerPlace = "reasoning"
    limit_seconds: float | None = Field(None, gt=0)
    limit_share: float = Field(1 / 3, gt=0)
    fallback_answer: int = 0
    hang_seconds: float = Field(60.0, gt=0)
    harvest_seconds: float = Field(10.0, ge=0)
    harvest_weight: float = Field(0.5, gt=0, le=1)
    require_votes: bool = False
    system_prompt: str | None = None
    engine: EngineSettings = EngineSettings()

    @model_validator(mode="after")
    def _match_contest(self) -> Self:
        if self.schedule is not None and self.policy != "default":
            raise ValueError(
                f"`kernel.schedule` holds the numbers of the policy `default`, and `kernel.policy` is {self.policy!r}; "
                "leave one of them out"
            )
        if self.profile not in CONTESTS:
            raise ValueError(f"`kernel.profile` is {self.profile!r}; want one of {', '.join(sorted(CONTESTS))}")
        smallest, largest = CONTESTS[self.profile].answer_range
        if not smallest <= self.fallback_answer <= largest:
            raise ValueError(
                f"`kernel.fallback_answer` is {self.fallback_answer}; want one of {self.profile}'s answers, {smallest} "
                f"to {largest}"
            )
        if self.system_prompt is not None:
            require_known("`kernel.system_prompt`", self.system_prompt, SYSTEM_PROMPTS)
        if self.system_prompt in CONTESTS and self.system_prompt != self.profile:
            raise ValueError(
                f"`kernel.system_prompt` {self.system_prompt!r} tells the model the range of answers of another "
                f"contest than `kernel.profile` {self.profile!r}; want the same contest"
            )
        return self
