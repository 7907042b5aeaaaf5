"""In vLLM's place: an engine on one L4 whose every sample says the same, and that writes down how it was started.

It has of vLLM's interface what `fastmath.engine.vllm` uses, so that the kernel's own path to an engine is walked where
neither vLLM nor a GPU is at hand.
"""

from dataclasses import dataclass
from typing import Any


@dataclass
class SamplingParams:
    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    min_p: float = 0.0
    stop_token_ids: Any = None
    stop: Any = None
    detokenize: bool = False
    output_kind: Any = None
