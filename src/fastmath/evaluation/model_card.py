"""What leaves the house: a model of a run with its tokenizer, its template, and a card made from the run."""

import fnmatch
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from fastmath.evaluation.models import MODELS, find_reading
from fastmath.evaluation.tables import render_table
from fastmath.nano.rows import generate_rows
from fastmath.prompts import SYSTEM_PROMPTS, THINK_END, build_messages
from fastmath.recipe.errors import SettingsError, require_known
from fastmath.recipe.sections import Recipe
from fastmath.runs.files import write_aside
from fastmath.runs.manifest import read_manifest
from fastmath.runs.model_folder import check_model_folder
from fastmath.runs.stages import MODEL_SECTIONS, comes_before, list_stages

CARD = "README.md"
PUBLISHED = (
    *("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json"),
    *("tokenizer*", "vocab.*", "merges.txt", "added_tokens.json", "special_tokens_map.json", "chat_template*"),
)
"""Files of a model that others need; what a trainer leaves beside them stays behind."""
SAME_WEIGHTS: Mapping[str, str] = {"compressed": "awq"}
"""Another format of a model, and its folder within that model's stage → the model, whose figures are its own, too."""
_STEPS = {
    "sft": "supervised fine-tuning on correct reasoning traces (`sft`)",
    "grpo": "GRPO with rewards for right and brief reasoning (`grpo`)",
    "quantize_awq": "4-bit AWQ quantisation (`quantize`)",
}
_FORMAT_STEPS = {"compressed": "the same weights packed as compressed-tensors; the figures of `awq` are theirs"}


def export_model(run_dir: Path, name: str, destination: Path) -> Path:
    """Copy a model of a finished run, with a card, to a folder that needs nothing of this project.

    Args:
        run_dir: a run whose models have been evaluated.
        name: `sft`, `grpo` or `awq`, as in the report, or `compressed`: the weights of `awq` as compressed-tensors.
        destination: folder to make; it must not exist or be empty.

    Returns:
        Path of the card.

    Raises:
        SettingsError: the run has no such model or has not been evaluated, or the folder is not empty.
        fastmath.runs.model_folder.ModelFolderError: a part of the model is missing.
    """
    config, report = run_dir / "evaluate" / "config.yaml", run_dir / "report.json"
    if not (config.is_file() and report.is_file()):
        raise SettingsError(
            f"{run_dir} has not been evaluated, and a card tells its figures; run it to the stage `evaluate`"
        )
    told = json.loads(report.read_text())
    own = [entry["name"] for entry in told["models"] if entry["name"] != "base"]
    own += [other for other, model in SAME_WEIGHTS.items() if model in own]
    require_known("the model", name, own)
    if destination.is_dir() and any(destination.iterdir()):
        raise SettingsError(f"{destination} is not empty; want a new folder")
    stage, folder = MODELS[SAME_WEIGHTS.get(name, name)]
    source = run_dir / stage / (name if name in SAME_WEIGHTS else folder)
    check_model_folder(source)
    recipe = Recipe.model_validate(yaml.safe_load(config.read_text()))
    with write_aside(destination) as aside:
        aside.mkdir(parents=True)
        for path in sorted(source.iterdir()):
            if any(fnmatch.fnmatch(path.name, pattern) for pattern in PUBLISHED):
                shutil.copy(path, aside / path.name)
        manifest = read_manifest(run_dir / stage)
        (aside / CARD).write_text("\n".join(write_card(recipe, name, told, manifest)) + "\n")
    return destination / CARD


def write_card(recipe: Recipe, name: str, report: dict[str, Any], manifest: dict[str, Any]) -> Iterator[str]:
    """The lines of a model's card.

    Args:
        recipe: the run's recipe.
        name: name of the model in the report, or of a format of it.
        report: the run's `report.json`.
        manifest: manifest of the stage that has made the model.
    """
    model = recipe.model
    licence = "unknown" if model.licence == "not stated" else model.licence.lower()
    header = {"license": licence, "language": "en", "pipeline_tag": "text-generation"}
    header |= {"base_model": model.name} if model.revision is not None else {}
    origin = "scratch" if model.nano is not None else f"`{Path(model.name).name}`"
    origin += f" at commit `{model.revision}`" if model.revision is not None else ""
    yield f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n"
    yield f"# {recipe.name}, {name}\n"
    yield (
        f"A model that reasons about a mathematical problem and boxes its answer, made from {origin} by the recipe "
        f"`{recipe.name}`, seed {recipe.seed}:\n"
    )
    yield from (f"1. {step}" for step in _list_steps(recipe, name))
    yield f"\n## With vLLM\n\n```python\n{write_example(recipe, name)}\n```\n"
    yield "Generation ends where the recipe says; the model's own end tokens are in `generation_config.json`.\n"
    yield f"## Results\n\n{render_table(report)}\n"
    settings = recipe.evaluate
    yield (
        f"{settings.problems} held-out problems x {settings.samples} samples at temperature {settings.temperature}, "
        f"top_p {settings.top_p}, min_p {settings.min_p}; in brackets 95 % bootstrap intervals over problems.\n"
    )
    yield "## Data\n\n| source | kind | revision | licence |\n| :-- | :-- | :-- | :-- |"
    for source in recipe.data.sources:
        yield f"| {source.name} | {source.kind} | {source.revision or ''} | {source.licence} |"
    yield "\nProblems that repeat a held-out one were removed before training.\n"
    yield "## Limits\n"
    yield from _list_limits(recipe)
    yield f"\n## Licence\n\nOf the base model: {model.licence}. The sources' licences stand above.\n"
    git, packages = manifest.get("git", {}), manifest.get("packages", {})
    yield f"## Made with\n\nfastmath at commit `{git.get('commit')}`{' with changes' if git.get('dirty') else ''}; "
    yield ", ".join(f"{package} {version}" for package, version in packages.items()) + ".\n"
    yield f"```yaml\n{_dump_settings(recipe)}```"


def write_example(recipe: Recipe, name: str) -> str:
    """Five lines of Python that ask the model a question in vLLM."""
    settings, reading = recipe.evaluate, find_reading(SAME_WEIGHTS.get(name, name), recipe)
    sampling = {"temperature": settings.temperature, "top_p": settings.top_p, "min_p": settings.min_p}
    sampling |= {"max_tokens": settings.token_budget}
    if reading.generation_end == "think_end":
        sampling |= {"stop": [THINK_END], "include_stop_str_in_output": True, "skip_special_tokens": False}
    arguments = ", ".join(f"{key}={value!r}" for key, value in sampling.items())
    problem = "What is 12 * 12 - 5?"
    if recipe.model.nano is not None:  # it knows its own problems alone
        problem = str(next(iter(generate_rows("test", recipe.data.nano, 1, recipe.seed)))["problem"])
    return "\n".join(
        [
            "from vllm import LLM, SamplingParams",
            'llm = LLM(".")  # this folder',
            f"messages = {build_messages(problem, SYSTEM_PROMPTS[recipe.model.system_prompt])!r}",
            f"outputs = llm.chat(messages, SamplingParams({arguments}))",
            "print(outputs[0].outputs[0].text)",
        ]
    )


def _dump_settings(recipe: Recipe) -> str:
    """The settings of model and trainings as YAML, without the paths of the machine on which they ran."""
    settings = recipe.model_dump(mode="json", exclude={"data", "evaluate", "kernel"}, exclude_none=True)
    if recipe.model.revision is None:
        settings["model"]["name"] = Path(recipe.model.name).name
    return yaml.safe_dump(settings, sort_keys=False)


def _list_steps(recipe: Recipe, name: str) -> list[str]:
    """What has made a model, in order."""
    last = MODELS[SAME_WEIGHTS.get(name, name)][0]
    stages = [stage for stage in list_stages(recipe) if stage in MODEL_SECTIONS and not comes_before(last, stage)]
    return [_STEPS[stage] for stage in stages] + [step for other, step in _FORMAT_STEPS.items() if other == name]


def _list_limits(recipe: Recipe) -> Iterator[str]:
    test = "problems of the embedded task" if recipe.data.test_path is None else f"`{Path(recipe.data.test_path).name}`"
    yield f"- Measured on {test} alone; other problems, languages and prompts have not been tried."
    yield "- An answer can be wrong however sure the reasoning sounds; the share of right ones is the table's pass@1."
    yield "- Trained for short answers to problems with one final answer, and for nothing else: no dialogue, no safety."
    if recipe.model.nano is not None:
        yield "- It knows its embedded task and no language: it is for trying out the whole chain."
