"""An order of the training examples that depends on the seed and the epoch alone.

transformers' LengthGroupedSampler shuffles by the global random state: a training that resumes in a later epoch, or
another number of processes, would see other batches than the one that was interrupted.
"""

from collections.abc import Iterator
from typing import Any

import torch
from transformers.trainer_pt_utils import LengthGroupedSampler
from trl import SFTTrainer


class EpochLengthSampler(LengthGroupedSampler):
    """Groups examples of like lengths, in an order of its own for every epoch, which accelerate tells it."""

    def __init__(self, batch_size: int, lengths: list[int], seed: int) -> None:
        """Set what decides the order.

        Args:
            batch_size: number of examples of a step of all processes together, within which lengths are alike.
            lengths: length of each example, in tokens.
            seed: the training's seed.
        """
        super().__init__(batch_size, lengths=lengths)
        self._seed, self._epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Take the order of an epoch, from 0."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self.generator = torch.Generator().manual_seed(self._seed + self._epoch)
        return super().__iter__()


class OrderedSFTTrainer(SFTTrainer):
    """TRL's SFTTrainer whose batches of like lengths are the same after an interruption, and with more processes."""

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler | None:
        if self.args.train_sampling_strategy != "group_by_length":
            return super()._get_train_sampler(train_dataset)
        arguments = self.args
        step = arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size
        lengths = [len(ids) for ids in (train_dataset or self.train_dataset)["input_ids"]]
        return EpochLengthSampler(step, lengths, arguments.seed)
