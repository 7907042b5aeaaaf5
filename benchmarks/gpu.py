"""What only a GPU shows: the recipes' CUDA settings on a small real model, and the memory that the plan foretells.

    python benchmarks/gpu.py --model FOLDER --data FOLDER [--work runs/gpu] [--parts shipped,deepspeed,...] [--keep]

MODEL is SmolLM2-135M-Instruct as a folder; DATA holds `traces/gsm8k_train_solutions.jsonl` and
`problems/gsm8k_test.jsonl`. Every part is a process of its own, so that one that fails leaves the others:

- `shipped`: SFT and GRPO of `smollm2_135m` as it is shipped, with vLLM's rollouts on the same GPU, but few steps;
- `deepspeed`: the embedded model by the 14B recipe's launch files, optimiser, precision, sampling and sleep mode;
- `adapters`: GRPO by the 1.5B recipe's adapters with sleep mode;
- `quantize`, `evaluate`, `kernel`: AWQ of the trained model, samples of all models and a contest, by 4-bit kernels;
- `given`: samples and a contest of an AWQ model that has been made elsewhere, `--quantised FOLDER --problems FILE`;
- `memory_1_5b`, `memory_14b`: memory of one step of models with random weights, beside what the plan says.

The last line is one JSON object; `--keep` also writes it to `benchmarks/results`, by machine.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from machine_results import keep
from real_weights import describe_data, write_source

from fastmath.recipe.load import REPOSITORY_FOLDER, load_recipe
from fastmath.runs.provenance import describe_commit, describe_hardware, list_package_versions
from fastmath.runs.stage import Stage

FEW_STEPS: Mapping[str, Any] = {
    "sft.trainer.max_steps": 30,
    "sft.trainer.save_strategy": "no",
    "sft.trainer.logging_steps": 1,
    "grpo.trainer.max_steps": 6,
    "grpo.trainer.max_completion_length": 512,
    "grpo.trainer.vllm_max_model_length": 1024,
    "grpo.trainer.save_strategy": "no",
    "evaluate.problems": 200,
    "evaluate.samples": 16,
    "evaluate.token_budget": 512,
    "kernel.questions": 20,
    "kernel.token_budget": 512,
    "kernel.limit_share": 0.6,
}
ONE_PROCESS = {"num_processes": 1}
AS_14B: Mapping[str, Any] = {
    "sft.accelerate": "zero3",
    "grpo.accelerate": "zero2",
    "sft.launch": ONE_PROCESS,
    "grpo.launch": ONE_PROCESS,
    **{f"{stage}.trainer.optim": "paged_adamw_8bit" for stage in ("sft", "grpo")},
    **{f"{stage}.trainer.model_init_kwargs.dtype": "bfloat16" for stage in ("sft", "grpo")},
    **{f"{stage}.trainer.bf16": True for stage in ("sft", "grpo")},
    **{f"{stage}.trainer.gradient_checkpointing": True for stage in ("sft", "grpo")},
    **{f"{stage}.environment": {} for stage in ("sft", "grpo")},
    "data.nano.train_problems": 1000,
    "sft.first_epoch_run": False,
    "sft.trainer.max_steps": 60,
    "sft.trainer.warmup_steps": 5,
    "sft.trainer.logging_steps": 10,
    "grpo.trainer.max_steps": 4,
    "grpo.trainer.use_vllm": True,
    "grpo.trainer.vllm_max_model_length": 512,
    "grpo.trainer.vllm_gpu_memory_utilization": 0.2,
    "grpo.trainer.top_p": 0.9,
    "grpo.trainer.min_p": 0.05,
    "grpo.trainer.vllm_enable_sleep_mode": True,
    "grpo.trainer.vllm_importance_sampling_correction": False,
}
ADAPTERS: Mapping[str, Any] = {
    "sft": None,
    "grpo.lora": {"rank": 64, "alpha": 128},
    "grpo.trainer.max_steps": 3,
    "grpo.trainer.learning_rate": 4e-5,
    "grpo.trainer.vllm_enable_sleep_mode": True,
}


def open_recipe(work: Path, model: Path, data: Path, own: Mapping[str, Any]) -> Any:
    """The small recipe with few steps, on GSM8K."""
    start = {"model.name": str(model), "model.revision": None}
    absent = {key for key, value in own.items() if value is None}
    few = {key: value for key, value in FEW_STEPS.items() if key.split(".")[0] not in absent}
    return load_recipe("smollm2_135m", start | describe_data(data, work / "gsm8k.jsonl") | few | own)


def run_stages(recipe: Any, run_dir: Path, stages: Mapping[str, Callable[[Stage], Any]]) -> dict[str, Any]:
    """Run stages that are not there yet; returns the seconds of each."""
    seconds = {}
    for name, work in stages.items():
        stage = Stage(name, recipe, run_dir)
        if stage.is_current():
            continue
        began = time.monotonic()
        with stage.running():
            work(stage)
        seconds[name] = round(time.monotonic() - began, 1)
    return seconds


def read_rows(run_dir: Path, stage: str) -> list[dict[str, Any]]:
    """The steps of a training with the metrics that tell whether it went well."""
    shown = ("loss", "mean_token_accuracy", "reward", "kl", "completions/mean_length", "completions/clipped_ratio",
             "sampling/importance_sampling_ratio/mean", "sampling/log_ratio/mean", "step_time")  # fmt: skip
    rows = map(json.loads, (run_dir / stage / "metrics.jsonl").read_text().splitlines())
    return [{name: row[name] for name in shown if row.get(name) is not None} for row in rows if "loss" in row]


def train(work: Path, name: str, recipe: Any) -> dict[str, Any]:
    """Data and trainings of one part."""
    from fastmath.data import build
    from fastmath.training import grpo, sft

    stages = {"build_data": build.run} | {stage: {"sft": sft, "grpo": grpo}[stage].run for stage in recipe.trainings}
    seconds = run_stages(recipe, work / name, stages)
    return {"seconds": seconds} | {stage: read_rows(work / name, stage) for stage in recipe.trainings}


def quantize(work: Path, model: Path, data: Path) -> dict[str, Any]:
    """AWQ of what `shipped` has trained."""
    from fastmath.engine import quantize

    recipe = open_recipe(work, model, data, {})
    return {"seconds": run_stages(recipe, work / "shipped", {"quantize_awq": quantize.run})}


def evaluate(work: Path, model: Path, data: Path) -> dict[str, Any]:
    """Samples of all models of `shipped`, the quantised one by vLLM's 4-bit kernels."""
    from fastmath.evaluation.models import sample_models
    from fastmath.evaluation.report import build_report

    recipe = open_recipe(work, model, data, {})
    seconds = run_stages(recipe, work / "shipped", {"evaluate": sample_models})
    report = build_report(work / "shipped")
    return {"seconds": seconds} | {entry["name"]: entry["budgets"][0] for entry in report["models"]}


def play(work: Path, model: Path, data: Path) -> dict[str, Any]:
    """A contest of the kernel with the quantised model."""
    from fastmath.contest.play import run_contest

    recipe = open_recipe(work, model, data, {})
    seconds = run_stages(recipe, work / "shipped", {"kernel": lambda stage: run_contest(stage, "")})
    return {"seconds": seconds, "report": json.loads((work / "shipped" / "kernel" / "report.json").read_text())}


def play_given(work: Path, quantised: Path | None, problems: Path | None) -> dict[str, Any]:
    """Samples and a contest of an AWQ model by the settings of `nano`, with vLLM's default engine."""
    from fastmath.contest.play import run_contest
    from fastmath.data import build
    from fastmath.evaluation.models import sample_models
    from fastmath.evaluation.report import build_report

    own = {
        **{"model.name": str(quantised), "model.nano": None, "data.test_path": str(problems), "data.sources": []},
        **{"model.answers": {"generation_end": "think_end", "answer_place": "reasoning"}},
        **{"sft": None, "grpo": None, "quantize": None},
        **{
            f"{stage}.engine": {"arguments": {"max_model_len": 512, "gpu_memory_utilization": 0.3}}
            for stage in ("evaluate", "kernel")
        },
    }
    stages = {"build_data": build.run, "evaluate": sample_models, "kernel": lambda stage: run_contest(stage, "")}
    seconds = run_stages(load_recipe("nano", own), work / "given", stages)
    report = build_report(work / "given")
    return {"seconds": seconds, "base": report["models"][0]["budgets"][0], "kernel": report["kernel"]}


def measure_memory(recipe_name: str, tokens: int, own: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """GiB that torch has allocated at the height of two SFT steps of random weights, and what the plan says of them."""
    import datasets
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from trl import SFTTrainer

    from fastmath.nano.model import train_tokenizer
    from fastmath.planning.memory import GIB
    from fastmath.planning.shapes import find_shape
    from fastmath.planning.trainings import Training
    from fastmath.training.models import make_adapters
    from fastmath.training.trainers import build_sft_config

    settings = {"max_steps": 2, "save_strategy": "no", "max_length": tokens, "gradient_accumulation_steps": 2}
    kept = {"sft.accelerate": "gpu1", "sft.trainer.model_init_kwargs.attn_implementation": "sdpa"}
    recipe = load_recipe(recipe_name, {f"sft.trainer.{name}": value for name, value in settings.items()} | kept | own)
    shape = find_shape(recipe, REPOSITORY_FOLDER)
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    dimensions = {name: getattr(shape, name) for name in (*names, "vocab_size", "tie_word_embeddings")}
    config = build_sft_config(recipe, folder)
    dtype = getattr(torch, str(config.model_init_kwargs["dtype"]))
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(shape.model_type, max_position_embeddings=tokens, **dimensions), dtype=dtype
        )
    config.model_init_kwargs = None
    example = {"input_ids": torch.randint(0, shape.vocab_size, (tokens,)).tolist(), "completion_mask": [1] * tokens}
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=datasets.Dataset.from_list([example] * 4),
        processing_class=train_tokenizer(["So 7."]),
        peft_config=make_adapters(recipe.sft.lora),
    )
    torch.cuda.reset_peak_memory_stats()
    trainer.train()
    planned = Training.read("sft", recipe).estimate_memory(shape)
    rows = [row for row in trainer.state.log_history if "loss" in row]
    return {
        "tokens": tokens,
        "optimizer": str(config.optim),
        "allocated_gib": round(torch.cuda.max_memory_allocated() / GIB, 2),
        "reserved_gib": round(torch.cuda.max_memory_reserved() / GIB, 2),
        "planned_gib": round(planned.total / GIB, 2),
        "losses": [row["loss"] for row in rows],
        "seconds": round(trainer.state.log_history[-1]["train_runtime"], 1),
    }


def list_parts(arguments: argparse.Namespace, work: Path, model: Path, data: Path) -> dict[str, Callable[[], Any]]:
    """Every part by its name, in order."""
    no_packing = {"sft.trainer.packing": False}
    return {
        "shipped": lambda: train(work, "shipped", open_recipe(work, model, data, {})),
        "deepspeed": lambda: train(work, "deepspeed", load_recipe("nano", AS_14B)),
        "quantize": lambda: quantize(work, model, data),
        "evaluate": lambda: evaluate(work, model, data),
        "kernel": lambda: play(work, model, data),
        "given": lambda: play_given(work, arguments.quantised, arguments.problems),
        "adapters": lambda: train(work, "adapters", open_recipe(work, model, data, ADAPTERS)),
        "memory_1_5b": lambda: measure_memory("fast_math_r1_1_5b", 8192, {}, work),
        "memory_14b": lambda: measure_memory("fast_math_r1_14b", 8192, no_packing, work),
    }


def run_part(name: str, options: list[str], work: Path, seconds: float) -> dict[str, Any]:
    """Run one part in a process of its own; of one that fails, the end of its log."""
    began = time.monotonic()
    command = [sys.executable, __file__, *options, "--part", name]
    with (work / f"{name}.log").open("w") as log:
        try:
            finished = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, timeout=seconds)
            failure = f"exit code {finished.returncode}" if finished.returncode else None
        except subprocess.TimeoutExpired:
            failure = f"not done after {seconds} s"
    lines = (work / f"{name}.log").read_text().splitlines()
    result = {"failure": failure, "log": lines[-15:]} if failure else json.loads(lines[-1])
    print(f"{name}: {failure or 'done'} after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return result


def main() -> None:
    """Run the parts and print what they show."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=REPOSITORY_FOLDER / "runs" / "gpu")
    parser.add_argument("--quantised", type=lambda text: Path(text).absolute())
    parser.add_argument("--problems", type=lambda text: Path(text).absolute())
    parser.add_argument("--parts", default="")
    parser.add_argument("--part-seconds", type=float, default=1800.0, help="longest time of one part")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    work, model, data = (path.absolute() for path in (arguments.work, arguments.model, arguments.data))
    work.mkdir(parents=True, exist_ok=True)
    parts = list_parts(arguments, work, model, data)
    if arguments.part:
        print("\n" + json.dumps(parts[arguments.part]()))
        return
    write_source(data / "traces" / "gsm8k_train_solutions.jsonl", work / "gsm8k.jsonl")
    options = ["--model", str(model), "--data", str(data), "--work", str(work)]
    if arguments.quantised is not None:
        options += ["--quantised", str(arguments.quantised), "--problems", str(arguments.problems)]
    hardware = describe_hardware()
    result = {"commit": describe_commit(), "machine": hardware, "packages": list_package_versions()}
    for name in arguments.parts.split(",") if arguments.parts else parts:
        result[name] = run_part(name, options, work, arguments.part_seconds)
        (work / "gpu.json").write_text(json.dumps(result))
    if arguments.keep:
        keep("gpu", result, " ".join(hardware["gpus"]))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
