"""Groups of completions, those without spread among them, and putting others in the places of these.

A group is what GRPO compares: the completions of one prompt. Where all of them earn the same, all advantages are 0, and
the step learns nothing from the group. DAPO samples further prompts instead (arXiv 2503.14476, section 3.2, "dynamic
sampling"). Here are the parts of that which need no trainer; `fastmath.training.policy` puts them together.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch.nn.functional import pad

FLAT = 1e-6
"""Largest difference of rewards in a group without spread, as a share of the largest reward, or of 1 if that is more.

Sums of the same numbers in another order differ by some roundings of 6e-8 each. TRL divides by the spread plus 1e-4, so
that a difference of 1e-6 makes an advantage of 0.01 at most.
"""


class Rows(Protocol):
    """A training set."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> dict[str, Any]: ...


def find_groups_with_spread(
    rewards: torch.Tensor, weights: torch.Tensor, generations: int, *, sums: bool = True
) -> list[bool]:
    """Which groups have completions that earn different rewards.

    The advantages do not tell: the mean of equal rewards is rounded, and divided by a spread of 0 plus TRL's 1e-4 that
    leaves advantages of up to some thousandths.

    Args:
        rewards: (B, K) of K reward functions, B a multiple of `generations`; NaN where a function returned None.
        weights: (K,) weights of the functions.
        generations: number of completions of a group, which follow one another.
        sums: whether the weighted sums of the rewards are compared, as TRL's `sum_then_normalize` does; otherwise each
            function's rewards, as `normalize_then_sum`.

    Returns:
        One value a group. Completions for which all functions returned None are passed over.

    Example: two groups of two completions with the rewards 1, 0 and 1, 1 give [True, False].
    """
    weighted = rewards * weights.to(rewards)
    if sums:
        nothing = rewards.isnan().all(dim=1, keepdim=True)
        weighted = weighted.nansum(dim=1, keepdim=True).masked_fill(nothing, torch.nan)  # (B, 1)
    groups = weighted.view(-1, generations, weighted.shape[1])
    highest = groups.nan_to_num(nan=-torch.inf).amax(dim=1)
    lowest = groups.nan_to_num(nan=torch.inf).amin(dim=1)
    scale = groups.nan_to_num(nan=0.0).abs().amax(dim=1).clamp(min=1.0)
    return (highest - lowest > FLAT * scale).any(dim=1).tolist()


def measure_agreement(correct: Sequence[bool | None], generations: int) -> tuple[float, float]:
    """The shares of groups whose completions are all right, and all wrong.

    Args:
        correct: whether each completion is right; None where it cannot be judged. Such completions are passed over, and
            a group of nothing else is neither.
        generations: number of completions of a group, which follow one another.

    Example: groups of two, right and right, wrong and unjudged, right and wrong: a third each.
    """
    groups = [set(correct[start : start + generations]) - {None} for start in range(0, len(correct), generations)]
    return groups.count({True}) / len(groups), groups.count({False}) / len(groups)


def pair_groups(spread: Sequence[bool], fresh: Sequence[bool]) -> list[tuple[int, int]]:
    """Which group of one process is replaced by which fresh one: (place, number of the fresh one).

    Those without spread are replaced by fresh ones with spread, both in their order, as far as there are both.

    Example: where groups 1 and 2 of three have no spread, and of three fresh ones the last alone has, (1, 2).
    """
    places = (place for place, has_spread in enumerate(spread) if not has_spread)
    sources = (source for source, has_spread in enumerate(fresh) if has_spread)
    return list(zip(places, sources, strict=False))


@dataclass(frozen=True)
class _Layout:
    """How a tensor of (B, T) is made wider: on which side, and with what (None is the padding token)."""

    side: Literal["left", "right"] = "right"
    fill: float | None = 0.0


# The padding is masked, but TRL masks only behind its exponentials, and infinity times 0 is NaN. So the fill keeps them
# finite: those of policy - old policy and of reference - policy, whatever the policy's log-probability of the padding.
# The logarithms of the importance sampling ratio are summed without a mask (`vespo`): a ratio of 1 adds nothing.
_PER_TOKEN: Mapping[str, _Layout] = {
    "prompt_ids": _Layout("left", None),
    "prompt_mask": _Layout("left"),
    "completion_ids": _Layout("right", None),
    "completion_mask": _Layout(),
    "old_per_token_logps": _Layout(fill=0.0),
    "ref_per_token_logps": _Layout(fill=-1e4),
    "sampling_per_token_logps": _Layout(fill=0.0),
    "importance_sampling_ratio": _Layout(fill=1.0),
    "tool_mask": _Layout(fill=1.0),
}
_PER_COMPLETION = frozenset({"advantages"})
_TOTALS = frozenset({"num_items_in_batch"})


def merge_groups(
    batch: Mapping[str, torch.Tensor],
    fresh: Mapping[str, torch.Tensor],
    pairs: Sequence[tuple[int, int]],
    generations: int,
    padding_token: int,
) -> dict[str, torch.Tensor]:
    """Put groups of one generation into the places of groups of another.

    Args:
        batch: what TRL's `_generate_and_score_completions` returned (trl 1.16.0): `advantages` (B,), tensors of (B, P)
            over the tokens of the prompts, padded on the left, and of (B, T) over those of the completions, padded on
            the right. `importance_sampling_ratio` may also be (B, 1).
        fresh: the same of further prompts, of any P and T.
        pairs: place in `batch` and number in `fresh` of each group, from `pair_groups`.
        generations: number of completions of a group, which follow one another.
        padding_token: id of the padding token.

    Returns:
        The tensors of (B, ...), as wide as the wider of both. `num_items_in_batch` is that of `batch`, and no longer
        true: its sum goes over all processes, see `count_tokens`.

    Raises:
        NotImplementedError: there is something else, such as the pixels of an image.
        ValueError: the two generations do not have the same tensors.
    """
    unknown = sorted((batch.keys() | fresh.keys()) - _PER_TOKEN.keys() - _PER_COMPLETION - _TOTALS)
    if unknown:
        raise NotImplementedError(
            f"groups with {', '.join(map(repr, unknown))} cannot be merged, since nothing says how these are padded; "
            f"want {', '.join([*_PER_TOKEN, *_PER_COMPLETION, *_TOTALS])} alone, or no `grpo.oversampling`"
        )
    if batch.keys() != fresh.keys():
        raise ValueError(
            f"one generation has {sorted(batch)} and the other {sorted(fresh)}; want the same tensors in both"
        )
    size = len(batch["advantages"])
    order = torch.arange(size)
    for place, source in pairs:
        order[place * generations : (place + 1) * generations] = size + source * generations + torch.arange(generations)
    merged = dict(batch)
    for name in batch.keys() - _TOTALS:
        parts = [batch[name], fresh[name]]
        if name in _PER_TOKEN:
            width = max(part.shape[1] for part in parts)
            parts = [_widen(part, width, _PER_TOKEN[name], padding_token) for part in parts]
        merged[name] = torch.cat(parts)[order.to(parts[0].device)]
    return merged


def _widen(tensor: torch.Tensor, width: int, layout: _Layout, padding_token: int) -> torch.Tensor:
    missing = width - tensor.shape[1]
    sides = (missing, 0) if layout.side == "left" else (0, missing)
    return pad(tensor, sides, value=padding_token if layout.fill is None else layout.fill)


def count_tokens(batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Number of tokens, (), of this process's completions that count in the loss, as TRL counts them."""
    mask = batch["completion_mask"]
    return (mask * batch["tool_mask"] if "tool_mask" in batch else mask).sum()


def name_prompt(row: Mapping[str, Any]) -> str:
    """The prompt of a row of the training set as one text, by which it is known."""
    return json.dumps(row["prompt"], sort_keys=True)


def draw_fresh_rows(
    rows: Rows, present: Set[str], count: int, seed: int, step: int
) -> Iterator[tuple[dict[str, Any], ...]]:
    """Draw fresh rows of the training set, `count` a round, until fewer than that are left.

    The order depends on the seed, the step and the present prompts alone, so that a training that is resumed draws what
    it would have drawn, and another batch of the same step something else.

    Args:
        rows: the training set.
        present: the prompts that are not fresh, from `name_prompt`.
        count: rows a round.
        seed: seed of the training.
        step: number of the training's step.
    """
    name = repr((seed, step, sorted(present)))
    generator = torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1)
    drawn = (rows[index] for index in torch.randperm(len(rows), generator=generator).tolist())
    fresh = (row for row in drawn if name_prompt(row) not in present)
    while len(further := tuple(itertools.islice(fresh, count))) == count:
        yield further
