"""TRL's GRPOTrainer that also watches how far the sampler is from the policy."""

from typing import Any

import torch

from fastmath.training.timing import TimedGRPOTrainer

LOG_RATIO = "sampling/log_ratio/mean"
"""Metric: mean over tokens of log p(policy) - log p(sampler), in nats."""


class WatchedGRPOTrainer(TimedGRPOTrainer):
    """A GRPOTrainer that logs the mean log-ratio per token of policy and sampler wherever vLLM samples.

    vLLM and the trainer compute the same probabilities with different kernels, so that the mean is nearly 0 as long as
    vLLM has the trainer's weights and samples from the whole vocabulary. Where `top_p`, `top_k` or `min_p` leave out a
    part of it, the mean is the logarithm of the mass that was kept, below 0 by construction. A jump means that vLLM's
    weights are not the trainer's.

    TRL logs the mean of absolute differences, which hides the sign, and nothing where its correction is off. The two
    methods that are overridden (trl 1.16.0, trl/trainer/grpo_trainer.py) keep their results.
    """

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
            self._metrics["train" if self.model.training else "eval"][LOG_RATIO].append(total / tokens)
