"""SmolLM2-135M-Instruct through the whole chain by its recipe, with few steps, on a machine without a GPU.

    python benchmarks/real_weights.py --data FOLDER [--work runs/real_weights] [--keep]

The weights come from a package on the index; FOLDER holds `traces/gsm8k_train_solutions.jsonl`,
`problems/gsm8k_test.jsonl` and `problems/aimo2_reference.csv`. GSM8K's solutions become the reasoning of traces whose
box is their answer. Every stage is one of `fastmath run smollm2_135m`, so that the same command goes on after an
interruption. What is seen at the end:

1. Tokens that are trained on begin with the tokens of the prompt, the loss of SFT, and the ratio of policy and sampler.
2. How far the 4-bit model's and the bfloat16 model's probabilities are from the float32 model's.
3. Whether the logits of the 4-bit model as compressed-tensors, read by transformers, are those of AutoAWQ's, expanded.
4. Whether the models that are made load in vLLM and in transformers in a process that does not have this project.

The last line is one JSON object; `--keep` also writes it to `benchmarks/results`, by machine.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from machine_results import keep

from fastmath.engine.checkpoint import has_4bit_kernels
from fastmath.engine.expand import expand_checkpoint
from fastmath.evaluation.model_card import export_model
from fastmath.prompts import SYSTEM_PROMPTS, render_prompt
from fastmath.recipe.load import REPOSITORY_FOLDER, load_recipe
from fastmath.runs.provenance import describe_commit, describe_hardware
from fastmath.training.examples import read_training_set
from helpers.registry import write_smollm2

CALCULATOR = re.compile(r"<<[^>]*>>")
ENGINE_ENVIRONMENT = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_CPU_KVCACHE_SPACE": "2",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",  # a second thread waits for ever for a core that another process has
}
ENGINE_ARGUMENTS = {"dtype": "bfloat16", "max_model_len": 768, "enforce_eager": True, "max_num_seqs": 64}
ON_TWO_CORES: Mapping[str, Any] = {
    **{f"{stage}.accelerate": "cpu" for stage in ("sft", "grpo")},
    **{f"{stage}.trainer.bf16": False for stage in ("sft", "grpo")},
    **{f"{stage}.trainer.gradient_checkpointing": False for stage in ("sft", "grpo")},
    "sft.trainer.gradient_accumulation_steps": 2,
    "sft.trainer.max_steps": 30,
    "sft.trainer.save_strategy": "steps",
    "sft.trainer.save_steps": 10,
    "sft.trainer.save_total_limit": 1,
    "sft.trainer.logging_steps": 1,
    "grpo.trainer.per_device_train_batch_size": 4,
    "grpo.trainer.gradient_accumulation_steps": 8,
    "grpo.trainer.max_steps": 4,
    "grpo.trainer.max_completion_length": 256,
    "grpo.trainer.vllm_max_model_length": 768,
    "grpo.trainer.save_steps": 1,
    "grpo.trainer.save_total_limit": 1,
    "quantize.clip": False,  # which takes half an hour
    "quantize.calibration_chunks": 32,
    "quantize.calibration_tokens": 256,
    "evaluate.problems": 40,
    "evaluate.samples": 8,
    "evaluate.token_budget": 320,
    "evaluate.engine": {"arguments": ENGINE_ARGUMENTS, "environment": ENGINE_ENVIRONMENT},
    "kernel.questions": 10,
    "kernel.samples": 8,
    "kernel.token_budget": 320,
    "kernel.limit_share": 0.6,
    "kernel.engine": {"arguments": ENGINE_ARGUMENTS, "environment": ENGINE_ENVIRONMENT},
}
"""The recipe's settings that a machine of two cores and 12 GiB can pay for within 90 minutes."""

LOAD_IN_VLLM = """
import json, sys
if __name__ == "__main__":
    from vllm import LLM, SamplingParams
    folder, dtype, prompts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    llm = LLM(folder, dtype=dtype, max_model_len=512, enforce_eager=True)
    outputs = llm.generate([{"prompt_token_ids": ids} for ids in prompts], SamplingParams(max_tokens=48, temperature=0))
    assert not any(name.partition(".")[0] == "fastmath" for name in sys.modules)
    print(json.dumps([each.outputs[0].text for each in outputs]))
"""
LOAD_IN_TRANSFORMERS = """
import json, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, dtype, prompts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
texts = []
for ids in prompts:
    output = model.generate(torch.tensor([ids]), max_new_tokens=48, do_sample=False)
    texts.append(tokenizer.decode(output[0, len(ids):], skip_special_tokens=True))
assert not any(name.partition(".")[0] == "fastmath" for name in sys.modules)
print(json.dumps(texts))
"""


def write_source(solutions: Path, destination: Path) -> None:
    r"""Write GSM8K's solutions as conversations in Light-R1's schema, whose boxes are read as the answers.

    Example: `48/2 = <<48/2=24>>24\n#### 24` becomes `<think>\n48/2 = 24\n</think>\n\nThe answer is \boxed{24}.`
    """
    with destination.open("w") as file:
        for line in solutions.read_text().splitlines():
            row = json.loads(line)
            solution, _, answer = row["answer"].rpartition("####")
            reasoning, box = CALCULATOR.sub("", solution).strip(), rf"\boxed{{{answer.strip().replace(',', '')}}}"
            trace = f"<think>\n{reasoning}\nSo the answer is {box}.\n</think>\n\nThe answer is {box}."
            turns = [{"from": "user", "value": row["question"]}, {"from": "assistant", "value": trace}]
            file.write(json.dumps({"conversations": turns}) + "\n")


def describe_data(data: Path, source: Path) -> dict[str, Any]:
    """The recipe's data settings with GSM8K in place of the Hub's sets."""
    rule = {"name": "drawn", "draw": 2000}
    kind = {"name": "gsm8k", "kind": "light_r1", "licence": "MIT", "grpo": True, "rules": [rule]}
    return {
        "data.test_path": str(data / "problems" / "gsm8k_test.jsonl"),
        "data.decontaminate.files": [],
        "data.sources": [kind | {"path": str(source)}],
    }


def run(run_dir: Path, overrides: Mapping[str, Any], *options: str) -> float:
    """Run the recipe, or go on with it; returns the seconds of this call."""
    settings = [part for key, value in overrides.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    command = ["-m", "fastmath.cli.main", "run", "smollm2_135m", "--run-dir", str(run_dir), *options, *settings]
    began = time.monotonic()
    subprocess.run([sys.executable, *command], check=True, stdout=sys.stderr)
    return time.monotonic() - began


def export(run_dir: Path, name: str, destination: Path) -> Path:
    """The folder with which a model leaves the house."""
    if not destination.exists():
        destination.parent.mkdir(exist_ok=True)
        export_model(run_dir, name, destination)
    return destination


def read_metrics(run_dir: Path, stage: str, name: str) -> list[float]:
    """Values of one metric of a training, in the order of the steps."""
    rows = map(json.loads, (run_dir / stage / "metrics.jsonl").read_text().splitlines())
    return [row[name] for row in rows if row.get(name) is not None]


def count_other_prompts(run_dir: Path) -> int:
    """Number of training examples whose tokens do not begin with those of the prompt of inference."""
    recipe = load_recipe(str(run_dir / "sft" / "config.yaml"))
    system_prompt = SYSTEM_PROMPTS[recipe.model.system_prompt]
    tokenizer = AutoTokenizer.from_pretrained(run_dir / "quantize_awq" / "model")
    path = run_dir / "build_data" / "sft.parquet"
    examples = read_training_set(path, tokenizer, system_prompt)
    prompts = [render_prompt(tokenizer, text, system_prompt) for text in polars.read_parquet(path)["problem"]]
    masked = [
        [token for token, own in zip(example["input_ids"], example["completion_mask"], strict=True) if not own]
        for example in examples
    ]
    return sum(ours != theirs for ours, theirs in zip(masked, prompts, strict=True))


@torch.inference_mode()
def compare_probabilities(run_dir: Path, expanded: Path, texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """How far two models are from the float32 model on the same texts: divergence in nats a token, and agreement."""
    folders = {"bf16": (run_dir / "grpo" / "model", "bfloat16"), "awq": (expanded, "float32")}
    tokenizer = AutoTokenizer.from_pretrained(run_dir / "grpo" / "model")
    tokens = [tokenizer(text, return_tensors="pt")["input_ids"] for text in texts]
    exact = AutoModelForCausalLM.from_pretrained(run_dir / "grpo" / "model", dtype="float32")
    found = {}
    for name, (folder, dtype) in folders.items():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        divergences, agreements = [], []
        for ids in tokens:
            wanted = exact(ids).logits[0].log_softmax(-1)  # (T, V)
            got = model(ids).logits[0].float().log_softmax(-1)
            divergences += (wanted.exp() * (wanted - got)).sum(-1).tolist()
            agreements += (wanted.argmax(-1) == got.argmax(-1)).float().tolist()
        found[name] = {
            "divergence": round(statistics.fmean(divergences), 5),
            "same_likeliest_token": round(statistics.fmean(agreements), 4),
            "tokens": len(divergences),
        }
    return found


@torch.inference_mode()
def compare_formats(expanded: Path, compressed: Path, texts: Sequence[str]) -> dict[str, float]:
    """The largest absolute difference of a logit between the two formats of the 4-bit weights, by type of computing."""
    tokenizer = AutoTokenizer.from_pretrained(expanded)
    tokens = [tokenizer(text, return_tensors="pt")["input_ids"] for text in texts]
    found = {}
    for dtype in ("float32", "float16"):
        ours, theirs = (AutoModelForCausalLM.from_pretrained(each, dtype=dtype) for each in (expanded, compressed))
        found[dtype] = max((ours(ids).logits - theirs(ids).logits).abs().max().item() for ids in tokens)
    return found


def load_alone(program: str, folder: Path, dtype: str, prompts: Sequence[Sequence[int]]) -> list[str]:
    """What a model writes in a process that has neither this project's modules nor its plugin of vLLM."""
    alone = {"VLLM_PLUGINS": "", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    finished = subprocess.run(
        [sys.executable, "-c", program, str(folder), dtype, json.dumps(prompts)],
        env=os.environ | ENGINE_ENVIRONMENT | alone,
        capture_output=True,
        text=True,
    )
    if finished.returncode:
        raise RuntimeError(f"{folder} does not load as {dtype}: {finished.stderr[-2000:]}")
    return json.loads(finished.stdout.splitlines()[-1])


def load_all(exported: Mapping[str, Path], expanded: Path, prompts: Sequence[Sequence[int]]) -> dict[str, list[str]]:
    """The first words of every product in every program that is to load it."""
    loads = {
        "bf16 in vLLM": (LOAD_IN_VLLM, exported["grpo"], "bfloat16"),
        "bf16 in transformers": (LOAD_IN_TRANSFORMERS, exported["grpo"], "bfloat16"),
        "awq, expanded, in vLLM": (LOAD_IN_VLLM, expanded, "float32"),
        "compressed in transformers": (LOAD_IN_TRANSFORMERS, exported["compressed"], "float32"),
    }
    if has_4bit_kernels():
        loads |= {f"{name} in vLLM": (LOAD_IN_VLLM, exported[name], "float16") for name in ("awq", "compressed")}
    return {name: load_alone(*load, prompts) for name, load in loads.items()}


def summarise(run_dir: Path, aimo: Path) -> dict[str, Any]:
    """The figures of the two runs."""
    report, contest = (json.loads((folder / "report.json").read_text()) for folder in (run_dir, aimo))
    losses = read_metrics(run_dir, "sft", "loss")
    funnel = json.loads((run_dir / "build_data" / "funnel.json").read_text())
    return {
        "seconds": report["wall_seconds"],
        "seconds_aimo2": contest["wall_seconds"],
        "peak_memory_gib": round(report["peak_memory_gib"], 2),
        "data": funnel,
        "sft_loss": [round(statistics.fmean(part), 3) for part in (losses[:5], losses[-5:])],
        "importance_sampling_ratio": read_metrics(run_dir, "grpo", "sampling/importance_sampling_ratio/mean"),
        "log_ratio": read_metrics(run_dir, "grpo", "sampling/log_ratio/mean"),
        "reward": read_metrics(run_dir, "grpo", "reward"),
        "models": {entry["name"]: entry["budgets"][0] for entry in report["models"]},
        "kernel": report["kernel"],
        "kernel_aimo2": contest["kernel"],
    }


def main() -> None:
    """Run the chain and print what it shows."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=REPOSITORY_FOLDER / "runs" / "real_weights")
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    work, data = arguments.work.absolute(), arguments.data.absolute()
    work.mkdir(parents=True, exist_ok=True)
    model = work / "SmolLM2"
    if not model.exists():
        write_smollm2(work)
    source = work / "gsm8k.jsonl"
    write_source(data / "traces" / "gsm8k_train_solutions.jsonl", source)

    run_dir, aimo = work / "run", work / "aimo2"
    start = {"model.name": str(model), "model.revision": None}
    run(run_dir, start | describe_data(data, source) | ON_TWO_CORES)
    quantised = run_dir / "quantize_awq" / "model"
    held_out = {"data.test_path": str(data / "problems" / "aimo2_reference.csv"), "data.decontaminate.files": []}
    own = {"data.sources": [], "evaluate.problems": 10, "evaluate.samples": 2}
    own |= {"kernel.questions": 10, "kernel.samples": 4}
    reading = {"model.answers": {"generation_end": "think_end", "answer_place": "reasoning"}}
    inference = {key: value for key, value in ON_TWO_CORES.items() if key.startswith(("evaluate", "kernel"))}
    exported = {name: export(run_dir, name, work / "export" / name) for name in ("grpo", "awq", "compressed")}
    run(aimo, inference | held_out | own | reading, "--model", str(quantised), "--from", "evaluate")

    expanded = work / "awq-expanded"
    if not expanded.exists():
        expand_checkpoint(quantised, expanded)
    tokenizer = AutoTokenizer.from_pretrained(quantised)
    problems = polars.read_parquet(run_dir / "build_data" / "test.parquet")["problem"].to_list()
    prompts = [render_prompt(tokenizer, problem, SYSTEM_PROMPTS["boxed"]) for problem in problems[:2]]
    traces = polars.read_parquet(run_dir / "build_data" / "sft.parquet")["generation"].to_list()[:20]
    hardware = describe_hardware()
    result = {
        "commit": describe_commit(),
        "machine": hardware,
        "other_prompts": count_other_prompts(run_dir),
        **summarise(run_dir, aimo),
        "probabilities": compare_probabilities(run_dir, expanded, traces),
        "formats": compare_formats(expanded, exported["compressed"], traces),
        "4-bit kernels": has_4bit_kernels(),
        "loaded_alone": load_all(exported, expanded, prompts),
    }
    if arguments.keep:
        keep("real_weights", result, f"{hardware['processor']} {hardware['cpus']} cores")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
