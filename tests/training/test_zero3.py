"""DeepSpeed's ZeRO-3 on two processes, from the file that is shipped; its checkpoints go on and load elsewhere."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from fastmath.prompts import render_prompt
from helpers.fixed_rollouts import RATE
from helpers.two_processes import STEPS, fine_tune, largest_difference, train_on_rollouts

pytestmark = pytest.mark.slow

VLLM = """
import json, sys
from vllm import LLM, SamplingParams
llm = LLM(sys.argv[1], dtype="float32", max_model_len=256, enforce_eager=True)
parameters = SamplingParams(max_tokens=16, temperature=0, ignore_eos=True)
print(json.dumps(llm.generate([{"prompt_token_ids": json.loads(sys.argv[2])}], parameters)[0].outputs[0].token_ids))
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return fine_tune(tmp_path_factory.mktemp("zero3"), zero_stage=3)


def test_sft_has_the_losses_and_the_weights_of_one_process(tuned_alone, shared):
    assert shared.losses == pytest.approx(tuned_alone.losses, rel=1e-4)
    assert largest_difference(shared.weights, tuned_alone.weights) < 1e-4


def test_a_checkpoint_goes_on_to_the_same_losses_and_weights(shared, tmp_path):
    run_dir = tmp_path / "run"
    shutil.copytree(shared.model.parents[1], run_dir)
    manifest = json.loads((run_dir / "sft" / "manifest.json").read_text())
    (run_dir / "sft" / "manifest.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    shutil.rmtree(run_dir / "sft" / "model")
    shutil.rmtree(run_dir / "sft" / "checkpoints" / f"checkpoint-{STEPS}")
    again = fine_tune(run_dir, zero_stage=3)
    assert again.losses == shared.losses
    assert largest_difference(again.weights, shared.weights) == 0.0


def test_grpo_has_the_losses_and_the_gradients_of_one_process(rollouts, rolled_alone):
    cut = train_on_rollouts(rollouts, zero_stage=3)
    assert cut.zero_stage == 3
    assert json.loads((rollouts / "zero3-run" / "rehearsal.json").read_text())["rows"] == 8  # half of the completions
    assert cut.losses == pytest.approx(rolled_alone.losses, rel=1e-4)
    assert largest_difference(cut.weights, rolled_alone.weights) / RATE < 1e-6


def test_its_model_loads_in_transformers_and_in_vllm(shared):
    tokenizer = AutoTokenizer.from_pretrained(shared.model)
    model, loading = AutoModelForCausalLM.from_pretrained(shared.model, output_loading_info=True)
    assert not any(loading.values()), loading
    prompt = render_prompt(tokenizer, "What is 2 + 3?", None)
    wanted = model.generate(torch.tensor([prompt]), max_new_tokens=16, do_sample=False, eos_token_id=-1)
    finished = subprocess.run(
        [sys.executable, "-c", VLLM, str(shared.model), json.dumps(prompt)],
        env=os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert json.loads(finished.stdout.splitlines()[-1]) == wanted[0, len(prompt) :].tolist()
