"""The variants of GRPO that `brevity.py` compares: recipe lines over one common base, with their sources."""

from collections.abc import Mapping
from typing import Any

from nano_runs import ONE_PROCESS

TASK: Mapping[str, Any] = ONE_PROCESS | {
    # Wordy on average, so that brevity is worth something, and terse now and then: GRPO can choose only among traces
    # that SFT has shown.
    "data.nano.rechecks": [0.5, 10.5],
    "model.nano.initializer_range": 0.02,
    "data.nano.test_problems": 500,
    "data.nano.validation_problems": 128,
    "sft.trainer.num_train_epochs": 16,
    "sft.trainer.max_length": 640,
    "evaluate.problems": 500,
    "evaluate.samples": 32,
    "evaluate.engines": 2,
    "evaluate.token_budget": 512,
    "evaluate.engine.arguments.max_model_len": 640,
}
"""Settings of the task and of the SFT start, which every variant has."""

BUDGET = 512
"""Longest completion, in tokens."""
BASE: Mapping[str, Any] = {
    "grpo.rewards": "paper",
    "grpo.interpolation": None,
    "grpo.trainer.epsilon_high": None,
    "grpo.trainer.scale_rewards": "group",
    "grpo.trainer.max_steps": 400,  # the generated tokens end the training
    # Falls with the steps that were made; a schedule up to the last step would favour the wordy ones, which make fewer.
    "grpo.trainer.learning_rate": 4e-4,
    "grpo.trainer.lr_scheduler_type": "inverse_sqrt",
    "grpo.trainer.lr_scheduler_kwargs": {"timescale": 15},
    "grpo.trainer.max_completion_length": BUDGET,
    "grpo.trainer.save_steps": 50,
    "grpo.validation.every": 10,
    "grpo.validation.problems": 100,
}
"""Settings of GRPO in every variant."""

FORMAT = {"name": "boxed_before_think_end"}
ACCURACY = {"name": "accuracy"}
CLIP_HIGHER = {"grpo.trainer.epsilon_high": 0.28, "grpo.trainer.scale_rewards": "batch"}
APART = {"grpo.trainer.multi_objective_aggregation": "normalize_then_sum"}


def _reward(name: str, weight: float = 1.0, **parameters: Any) -> dict[str, Any]:
    return {"name": name, "weight": weight, "parameters": parameters}


# The pattern over all of them: length counts among right answers alone, by pass rate; clip-higher, batch scaling.
AMONG_RIGHT = {"grpo.rewards": [FORMAT, ACCURACY, {"name": "length_among_right"}]} | CLIP_HIGHER

# The published code: lengths in characters (469 are to nano's budget as 30,000 to the paper's), over the batch.
PUBLISHED = {
    "grpo.rewards": [
        _reward("benchmarks.published_rewards:PublishedFormat"),
        _reward("benchmarks.published_rewards:PublishedCosine", max_length=2 * 469),
        _reward("benchmarks.published_rewards:PublishedLength"),
    ]
}
# The product lies between start and trained model (WiSE-FT, arXiv 2109.01903; 2504.10478).
BETWEEN = {"grpo.interpolation": 0.7}

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "published": PUBLISHED,
    # Fast-Math-R1 (arXiv 2507.08267) as this project has it: tokens, within the group.
    "paper": {},
    # GDPO (arXiv 2601.05242): every reward is normalised by itself.
    "gdpo": APART,
    # DLER (arXiv 2510.15110): truncation alone, clip-higher, a weak KL term, groups with spread. Unscaled advantages
    # stand for its batch scaling, which would differ between the rounds of a step and which Adam mostly undoes.
    "dler": {
        "grpo.rewards": [FORMAT, ACCURACY],
        "grpo.trainer.max_completion_length": 128,
        "grpo.trainer.beta": 0.0005,
        "grpo.trainer.epsilon_high": 0.28,
        "grpo.trainer.scale_rewards": "none",
        "grpo.oversampling": {"rounds": 2},
    },
    # DDCA (arXiv 2602.02099): length among right answers, by pass rate.
    "ddca": {"grpo.rewards": [FORMAT, ACCURACY, {"name": "length_among_right"}], "grpo.trainer.scale_rewards": "none"},
    # ALP (arXiv 2506.05256): length by pass rate, for every completion.
    "alp": {"grpo.rewards": [FORMAT, ACCURACY, _reward("solve_rate_length", max_length=BUDGET)]},
    # Laser-D (arXiv 2505.15612): a bonus for right answers within a budget by difficulty.
    "laser_d": {"grpo.rewards": [FORMAT, ACCURACY, _reward("difficulty_budget", easy=64, medium=96, hard=160)]},
    # ThinkPrune (arXiv 2504.01296): right within a limit that tightens in rounds.
    "thinkprune": {"grpo.rewards": [FORMAT, _reward("tightening_budget", limits=[256, 160, 96, 64], steps_each=15)]},
    # ShorterBetter (arXiv 2504.21370): distance to the shortest right answer of the group.
    "shorter_better": {"grpo.rewards": [FORMAT, ACCURACY, _reward("shortest_right", max_length=BUDGET)]},
    # GRPO-LEAD (arXiv 2504.09696): right answers by their length among the right ones.
    "grpo_lead": {"grpo.rewards": [FORMAT, _reward("length_z_among_right", alpha=0.5)]},
    "among_right": AMONG_RIGHT,
    # The same with half the pressure.
    "among_right_half": {"grpo.rewards": [FORMAT, ACCURACY, _reward("length_among_right", weight=0.5)]} | CLIP_HIGHER,
    "among_right_interpolated": AMONG_RIGHT | BETWEEN,
    "published_interpolated": PUBLISHED | BETWEEN,
    "paper_interpolated": BETWEEN,
}
"""Settings over `BASE`, by the name of the variant."""
