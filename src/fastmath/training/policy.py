"""TRL's GRPOTrainer that also watches its sampler and its groups, and can replace groups that teach nothing."""

import math
from typing import Any

import torch
from accelerate.utils import gather_object

from fastmath.recipe.grpo import OversamplingSettings
from fastmath.training.judge import ANSWER, CORRECT
from fastmath.training.metric_names import ALL_RIGHT, ALL_WRONG, LOG_RATIO, ROUNDS, WITH_SPREAD, WITHOUT_SPREAD
from fastmath.training.oversampling import (
    count_tokens,
    draw_fresh_rows,
    find_groups_with_spread,
    measure_agreement,
    merge_groups,
    name_prompt,
    pair_groups,
)
from fastmath.training.reward_base import text_of
from fastmath.training.rollout_log import LoggedCompletion, RolloutLog, choose_places
from fastmath.training.timing import TimedGRPOTrainer


class WatchedGRPOTrainer(TimedGRPOTrainer):
    """A GRPOTrainer that logs the mean log-ratio of policy and sampler and the groups without spread.

    **The sampler.** vLLM and the trainer compute the same probabilities with different kernels, so that the mean
    log-ratio per token is nearly 0 as long as vLLM has the trainer's weights and samples from the whole vocabulary.
    Where `top_p`, `top_k` or `min_p` leave out a part of it, the mean is the logarithm of the mass that was kept, below
    0 by construction. A jump means that vLLM's weights are not the trainer's. TRL logs the mean of absolute
    differences, which hides the sign, and nothing where its correction is off.

    **The groups.** Every generation logs `groups/without_spread`, and with a judge `groups/all_right` and
    `groups/all_wrong`, over all processes. TRL's `frac_reward_zero_std` looks at the whole batch's spread with
    `scale_rewards: batch` and `multi_objective_aggregation: normalize_then_sum`, and elsewhere at a rounded one: of
    eight rewards of 0.7 it is 6e-8, and not 0.

    **Oversampling.** With settings for it, fresh prompts are sampled while too few groups have spread, and the groups
    with spread among them take the places of those without. Each process replaces its own groups, which must be whole.
    What a group is and earns does not depend on its batch, so the batch is like one that was sampled at once. TRL's own
    metrics of completions and rewards are then means over all generations of a step, as are `groups/without_spread`,
    `all_right` and `all_wrong`: they tell of the policy, not of the groups that were chosen. Its log of completions is
    that of the last generation.

    **The completions.** With a log for them, a few of each step are kept with their rewards: those of its first
    generation, so that oversampling changes nothing about what is seen. TRL's own log of completions
    (`log_completions`) prints them and keeps a file of all of them a step.

    The methods that are overridden (trl 1.16.0, trl/trainer/grpo_trainer.py) keep their results, but for the replaced
    groups.
    """

    def __init__(
        self,
        *arguments: Any,
        oversampling: OversamplingSettings | None = None,
        rollout_log: RolloutLog | None = None,
        **options: Any,
    ) -> None:
        """Build TRL's trainer.

        Args:
            arguments: those of GRPOTrainer.
            oversampling: how groups without spread are replaced; None keeps them. The completions of each process must
                divide into whole groups, and advantages must depend on the group alone (`build_grpo_config` sees to
                both).
            rollout_log: where a few completions of every step are logged, by the first process; None logs none.
            options: those of GRPOTrainer.
        """
        super().__init__(*arguments, **options)
        self._oversampling, self._rollout_log = oversampling, rollout_log
        self._spread: list[bool] = []  # of the groups of all processes, in the last generation

    def _calculate_rewards(self, inputs: list[dict[str, Any]], *arguments: Any) -> torch.Tensor:
        rewards = super()._calculate_rewards(inputs, *arguments)  # (completions of all processes, reward functions)
        generations = self.num_generations if self.model.training else self.num_generations_eval
        sums = self.multi_objective_aggregation == "sum_then_normalize"
        self._spread = find_groups_with_spread(rewards, self.reward_weights, generations, sums=sums)
        self.record({WITHOUT_SPREAD: self._spread.count(False) / len(self._spread)})
        correct = gather_object(self._pending_extra_logs.get(CORRECT, [None] * len(inputs)))
        if any(value is not None for value in correct):
            agreement = measure_agreement(correct, generations)
            self.record(dict(zip((ALL_RIGHT, ALL_WRONG), agreement, strict=True)))
        if self._rollout_log is not None and self.model.training and self.is_world_process_zero():
            self._log_rollouts(self._rollout_log, inputs, *arguments, rewards[: len(inputs)])
        return rewards

    def _log_rollouts(
        self,
        log: RolloutLog,
        inputs: list[dict[str, Any]],
        prompts: list[Any],
        completions: list[Any],
        completion_ids: list[list[int]],
        rewards: torch.Tensor,
    ) -> None:
        """Log a few of this process's completions; `rewards`, (B, reward functions), has NaN for None."""
        answers, correct = (self._pending_extra_logs.get(name, [None] * len(inputs)) for name in (ANSWER, CORRECT))
        ends = {*self.eos_token_ids, self._tokenizer.pad_token_id}
        sums = (rewards * self.reward_weights.to(rewards)).nansum(dim=1)  # (B,)
        logged = []
        for place in choose_places(len(inputs), self.num_generations, log.count):
            earned = [None if math.isnan(value) else value for value in rewards[place].tolist()]
            logged.append(
                LoggedCompletion(
                    step=self.state.global_step + 1,
                    problem=text_of(prompts[place]),
                    gold=str(inputs[place].get("answer", "")),
                    text=text_of(completions[place]),
                    answer=answers[place],
                    correct=correct[place],
                    cut=completion_ids[place][-1] not in ends,
                    tokens=len(completion_ids[place]),
                    rewards=dict(zip(self.reward_func_names, earned, strict=True)),
                    reward=None if earned.count(None) == len(earned) else sums[place].item(),
                )
            )
        log.write(self.state.global_step + 1, logged)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        batch = super()._generate_and_score_completions(inputs)
        if self._oversampling is None or not self.model.training:
            return batch
        return self._replace_groups(inputs, batch, self._oversampling)

    def _replace_groups(
        self, inputs: list[dict[str, Any]], batch: dict[str, Any], settings: OversamplingSettings
    ) -> dict[str, Any]:
        """Sample fresh prompts until enough groups have spread, or the rounds or the prompts are used up."""
        spread, rounds = self._spread, 0
        wanted, own = settings.groups or len(spread), len(inputs) // self.num_generations
        mine = slice(own * self.accelerator.process_index, own * (self.accelerator.process_index + 1))
        present = set(gather_object([name_prompt(row) for row in inputs[:: self.num_generations]]))
        step, padding = self.state.global_step, self._tokenizer.pad_token_id
        fresh_rows = draw_fresh_rows(self.train_dataset, present, len(spread), self.args.seed, step)
        # All processes know all groups and draw the same rows, so that all of them make the same number of rounds.
        while sum(spread) < wanted and rounds < settings.rounds and (rows := next(fresh_rows, None)) is not None:
            rounds += 1
            repeated = [dict(row) for row in rows[mine] for _ in range(self.num_generations)]
            fresh = super()._generate_and_score_completions(repeated)
            batch = merge_groups(
                batch, fresh, pair_groups(spread[mine], self._spread[mine]), self.num_generations, padding
            )
            spread = _replace_spread(spread, self._spread, own)
        batch["num_items_in_batch"] = self.accelerator.gather(count_tokens(batch)).sum()
        self.record({ROUNDS: rounds, WITH_SPREAD: sum(spread) / len(spread)})
        return batch

    def _get_per_token_logps_and_entropies(self, *arguments: Any, **options: Any) -> tuple[Any, ...]:
        result = super()._get_per_token_logps_and_entropies(*arguments, **options)
        self._log_probabilities = result[0].detach()
        return result

    def _compute_loss(self, model: torch.nn.Module, inputs: dict[str, Any]) -> torch.Tensor:
        loss = super()._compute_loss(model, inputs)
        sampled = inputs.get("sampling_per_token_logps")
        if sampled is not None:
            self._log_ratio(self._log_probabilities - sampled, inputs["completion_mask"])
        return loss

    def _log_ratio(self, differences: torch.Tensor, mask: torch.Tensor) -> None:
        """Log the mean of the (B, T) differences over the tokens that count, on all processes together."""
        counts = mask.bool() & differences.isfinite()
        sums = torch.stack([differences.where(counts, 0.0).sum(), counts.sum().to(differences.dtype)])
        total, tokens = self.accelerator.gather(sums.unsqueeze(0)).sum(dim=0).tolist()
        if tokens:
            self.record({LOG_RATIO: total / tokens})


def _replace_spread(spread: list[bool], fresh: list[bool], own: int) -> list[bool]:
    """Which groups of all processes have spread once each process has replaced its `own` ones."""
    replaced = list(spread)
    for start in range(0, len(spread), own):
        for place, _ in pair_groups(spread[start : start + own], fresh[start : start + own]):
            replaced[start + place] = True
    return replaced
