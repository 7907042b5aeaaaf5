"""Sampling the policy of a GRPO training with the means that its trainer has, as an engine of the evaluation's sampler.

Whatever generates the rollouts generates here: vLLM in the process or on a server, shared by several GPUs or asleep, or
transformers, also with weights that several processes share (ZeRO-3).
"""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from transformers import GenerationConfig, PreTrainedTokenizerBase
from trl import GRPOTrainer

from fastmath.engine.drawing import Drawing, Drawn, require_room
from fastmath.prompts import Ending, count_reasoning_tokens, find_ending
from fastmath.training.rollouts import list_end_tokens


class PolicyEngine:
    """The policy of a trainer, as `fastmath.sampling.sampler.sample_problems` takes an engine.

    All processes draw at the same time and as many samples each, since they may share weights or an engine.

    Attributes:
        tokenizer: the policy's tokenizer.
        context_tokens: most tokens of a prompt and its sample together.
    """

    def __init__(self, trainer: GRPOTrainer, seed: int) -> None:
        """Take the policy of a trainer; every drawing begins with the same random numbers.

        Args:
            trainer: the trainer, which may have begun to train.
            seed: seed of the samples.
        """
        self._trainer, self._seed = trainer, seed
        self.tokenizer: PreTrainedTokenizerBase = trainer.processing_class
        room = getattr(trainer.accelerator.unwrap_model(trainer.model).config, "max_position_embeddings", None)
        limits = [room, trainer.args.vllm_max_model_length if trainer.use_vllm else None]
        self.context_tokens: int = min((limit for limit in limits if limit is not None), default=2**31)

    def draw(self, prompts: Sequence[Sequence[int]], drawing: Drawing) -> Iterator[tuple[int, Drawn]]:
        """Draw one sample of every prompt, and yield each with its prompt's position.

        Args:
            prompts: token ids of each prompt.
            drawing: how they are drawn.

        Raises:
            ValueError: the longest prompt and the token budget do not fit into the context.
        """
        require_room(prompts, drawing.token_budget, self.context_tokens)
        ending = find_ending(self.tokenizer, drawing.end)
        with _draw_as(self._trainer, drawing, ending) as ends, self._own_random_numbers():
            # A batch of transformers goes on until its longest sample ends, and longer problems have longer ones.
            order = sorted(range(len(prompts)), key=lambda position: len(prompts[position]))
            for start in range(0, len(order), self._batch):
                places = order[start : start + self._batch]
                batch = [list(prompts[place]) for place in places]
                drawn, _ = self._trainer._generate_single_turn(batch, None, {}, num_generations=1)
                for place, ids in zip(places, drawn, strict=True):
                    yield place, self._read(ids, drawing, ending, ends)

    @contextlib.contextmanager
    def _own_random_numbers(self) -> Iterator[None]:
        """Draw with other random numbers than the training, which goes on as if nothing had been drawn."""
        accelerator = self._trainer.accelerator
        with torch.random.fork_rng([accelerator.device] if accelerator.device.type == "cuda" else []):
            torch.manual_seed(self._seed + accelerator.process_index)
            yield

    @property
    def _batch(self) -> int:
        """Samples drawn at a time: vLLM makes its own batches, and a generation batch is known to fit into memory."""
        arguments = self._trainer.args
        held = arguments.per_device_train_batch_size * arguments.steps_per_generation
        return 2**31 if arguments.use_vllm else max(held, arguments.per_device_eval_batch_size)

    def _read(self, ids: Sequence[int], drawing: Drawing, ending: Ending, ends: Sequence[int]) -> Drawn:
        reasoning = count_reasoning_tokens(self.tokenizer, ids)
        if ending.strings and not self._trainer.use_vllm:  # transformers has gone on behind a text of several tokens
            ids = ids[:reasoning]
        text = self.tokenizer.decode(ids, skip_special_tokens=False)
        ended = ids[-1] in ends or any(string in text for string in ending.strings)
        return Drawn(text, len(ids), reasoning, "stop" if ended else "length")


@contextlib.contextmanager
def _draw_as(trainer: GRPOTrainer, drawing: Drawing, ending: Ending) -> Iterator[list[int]]:
    """Let a trainer's next generations be drawn in this way; yields the tokens at which they end."""
    ends = list_end_tokens(trainer.accelerator.unwrap_model(trainer.model), trainer.processing_class, ending)
    sampling = {"temperature": drawing.temperature, "top_p": drawing.top_p, "min_p": drawing.min_p or None}
    if trainer.use_vllm:
        stops = (ending.stops | {"include_stop_str_in_output": True}) if drawing.end != "end_of_text" else {}
        settings = sampling | {"max_completion_length": drawing.token_budget, "generation_kwargs": stops}
        changes = [(trainer.vllm_generation, name, value) for name, value in settings.items()]
    else:
        changed = sampling | {"max_new_tokens": drawing.token_budget, "eos_token_id": ends}
        config = GenerationConfig(**(trainer.generation_config.to_dict() | changed))
        changes = [(trainer, "generation_config", config), (trainer, "eos_token_ids", ends)]
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    for owner, name, value in changes:
        setattr(owner, name, value)
    try:
        yield ends
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)
