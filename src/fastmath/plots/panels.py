"""Which curves a training has: one quantity a panel, so that the colour can always say the run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fastmath.training.metric_names import LOG_RATIO, RIGHT, WITHOUT_SPREAD
from fastmath.training.selection import PASS_1, PREFIX

Training = Literal["sft", "grpo"]
"""A stage that trains."""


@dataclass(frozen=True)
class Panel:
    """One quantity of a training.

    Attributes:
        metric: name in `metrics.jsonl`.
        title: what it is, in a few words.
        unit: unit of its values; `share` for one that is shown in per cent.
        about: what it tells, in a sentence.
        band: the metrics of a spread around it, its lower and its upper end; None for none.
        deviation: the metric of a standard deviation, which stands for a band of one on each side; None for none.
        measured: whether its values are measurements with an interval, which are joined and never smoothed.
        positive: whether it is never negative, so that a logarithmic axis can show it.
        absent: why a training may not have logged it.
    """

    metric: str
    title: str
    unit: str
    about: str
    band: tuple[str, str] | None = None
    deviation: str | None = None
    measured: bool = False
    positive: bool = True
    absent: str = ""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that it shows, its own first."""
        return self.metric, *(self.band or ()), *([self.deviation] if self.deviation else [])


SFT_PANELS = (
    Panel("loss", "Loss", "nats a token", "Whether the training has come to rest."),
    Panel(
        "mean_token_accuracy", "Tokens predicted right", "share", "How much of the traces the model would have written."
    ),
    Panel("entropy", "Entropy", "nats a token", "How undecided the model is about the next token."),
    Panel("grad_norm", "Norm of the gradient", "", "Spikes are batches unlike the others."),
)
"""The panels of supervised fine-tuning."""

MAIN_METRICS: Mapping[Training, tuple[str, ...]] = {
    "sft": ("loss", "mean_token_accuracy"),
    "grpo": ("reward", RIGHT, "completions/mean_length", "kl", PASS_1),
}
"""The metrics by which a training is watched while it runs."""

_REWARD = Panel(
    "reward",
    "Reward, weighted sum",
    "",
    "What is maximised, with the standard deviation over a step's completions.",
    deviation="reward_std",
    positive=False,
)
_LENGTH = Panel(
    "completions/mean_length",
    "Length of completions",
    "tokens",
    "From the shortest to the longest completion of a step. It should fall while right answers hold.",
    band=("completions/min_length", "completions/max_length"),
)
_FURTHER = (
    Panel("entropy", "Entropy", "nats a token", "A fall to zero ends exploration, a rise announces a collapse."),
    Panel(
        "kl",
        "KL divergence from the start",
        "nats a token",
        "How far the model has gone; a sudden rise announces a collapse.",
        absent="`grpo.trainer.beta` is 0, so that no reference model is asked",
    ),
    Panel("completions/clipped_ratio", "Completions cut off", "share", "They earn nothing for an answer they lost."),
    Panel(
        WITHOUT_SPREAD,
        "Groups without spread",
        "share",
        "Groups whose completions all earn the same, of which nothing is learned.",
    ),
    Panel(
        LOG_RATIO,
        "Log-ratio of policy and sampler",
        "nats a token",
        "Near 0 as long as the sampler has the policy's weights and samples from the whole vocabulary.",
        positive=False,
        absent="rollouts are not sampled by vLLM (`grpo.trainer.use_vllm`)",
    ),
)
_RIGHT_ROLLOUTS = Panel(RIGHT, "Completions that are right", "share", "Of the training's own problems.")
_NOT_VALIDATED = "the training is not validated (`grpo.validation`)"


def list_panels(training: Training, logged: Iterable[str]) -> list[Panel]:
    """The panels of a training in the order in which they are read, those without a logged value included.

    Args:
        training: which one.
        logged: names of the metrics in `metrics.jsonl`, of all trainings that are drawn together.
    """
    if training == "sft":
        return list(SFT_PANELS)
    names = list(dict.fromkeys(logged))
    return [_REWARD, *_list_rewards(names), _RIGHT_ROLLOUTS, _LENGTH, *_FURTHER, *_list_validations(names)]


def _list_rewards(names: Sequence[str]) -> list[Panel]:
    """A panel a reward function, in the order in which they are logged."""
    found = [name.removesuffix("/mean") for name in names if name.startswith("rewards/") and name.endswith("/mean")]
    return [
        Panel(
            f"{name}/mean",
            f"Reward: {name.partition('/')[2].replace('_', ' ')}",
            "",
            "One of the rewards, without its weight.",
            deviation=f"{name}/std",
            positive=False,
        )
        for name in found
    ]


def _list_validations(names: Sequence[str]) -> list[Panel]:
    """The validation's accuracy, the majority of its samples, and their length, with intervals over problems."""
    majorities = [name for name in names if name.startswith(f"{PREFIX}majority@") and name.count("/") == 1]
    what = {PASS_1: ("Validation: accuracy", "share", "Share of right samples, of problems that are not trained on.")}
    for name in majorities:
        votes = name.rpartition("@")[2]
        what[name] = (f"Validation: majority of {votes}", "share", "Chance that the vote of a problem's samples wins.")
    what[f"{PREFIX}tokens"] = ("Validation: length", "tokens", "Mean length of the samples.")
    return [
        Panel(name, title, unit, about, (f"{name}/low", f"{name}/high"), measured=True, absent=_NOT_VALIDATED)
        for name, (title, unit, about) in what.items()
    ]
