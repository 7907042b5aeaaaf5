"""The log-ratio of policy and sampler, with TRL's own vLLM rollouts on the CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "helpers" / "vllm_rollouts.py"


def roll_out(folder: Path, **settings: object) -> dict[str, float]:
    """Metrics of one GRPO step whose completions have 64 tokens; a process of its own, as vLLM keeps its state."""
    result = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), json.dumps(settings)], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.slow
def test_the_log_ratio_is_nothing_where_the_whole_vocabulary_is_sampled(tmp_path: Path) -> None:
    metrics = roll_out(tmp_path, vllm_importance_sampling_correction=False)
    assert abs(metrics["sampling/log_ratio/mean"]) < 0.002


@pytest.mark.slow
def test_truncated_sampling_shows_in_the_log_ratio_and_trl_s_default_weight_collapses(tmp_path: Path) -> None:
    metrics = roll_out(tmp_path, top_p=0.9)
    assert metrics["sampling/log_ratio/mean"] < -0.005
    # The weight of a completion is the product of 64 kept masses.
    assert metrics["sampling/importance_sampling_ratio/mean"] < 0.5
