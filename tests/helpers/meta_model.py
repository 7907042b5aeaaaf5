"""Models of a shape without any memory for their weights."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from fastmath.planning.shapes import ModelShape


def build_on_meta(shape: ModelShape) -> PreTrainedModel:
    """The model that transformers builds of a shape, on torch's meta device."""
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(**vars(shape)))
