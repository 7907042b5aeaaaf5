"""The files outside a run that a stage reads, known by their contents: data, test sets, launch files, a base model."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from fastmath.recipe.load import find_accelerate_file
from fastmath.recipe.pins import HUB_SCHEME
from fastmath.recipe.sections import Recipe
from fastmath.runs.files import write_json
from fastmath.runs.stages import find_model_stage

HASHES = ".hashes.json"
"""File in the run folder that remembers what has been hashed."""


def list_sources(stage: str, recipe: Recipe, root: Path) -> dict[str, Path]:
    """The local files that a stage reads from outside the run, by the setting that names them.

    Hub names are no files: their contents are fixed by `revision`, which is a setting.

    Args:
        stage: name of the stage.
        recipe: the resolved recipe.
        root: folder at which relative paths in the recipe start.
    """
    if stage != "build_data":
        training = recipe.trainings.get(stage)
        found = {f"{stage}.accelerate": find_accelerate_file(training.accelerate)} if training is not None else {}
        base = recipe.model.nano is None and stage != "reward_curves" and find_model_stage(stage, recipe) is None
        found |= dict(_list_folder("model.name", root / recipe.model.name)) if base else {}
        return found | (_list_evaluated(recipe, root) if stage == "evaluate" else {})
    data = recipe.data
    named = {f"source {source.name}": source.path for source in data.sources if source.path is not None}
    held_out = {"data.test_path": data.test_path, "data.validation_path": data.validation_path}
    named |= {name: file for name, file in held_out.items() if file is not None}
    named |= {f"data.decontaminate.files.{index}": file for index, file in enumerate(data.decontaminate.files)}
    local = {name: file for name, file in named.items() if not file.startswith(HUB_SCHEME)}
    return {key: path for name, file in local.items() for key, path in _list_folder(name, root / file)}


def _list_evaluated(recipe: Recipe, root: Path) -> dict[str, Path]:
    """The files of the sets and of the further models of an evaluation."""
    models = {f"evaluate.models.{name}": model.path for name, model in recipe.evaluate.models.items()}
    sets = {f"evaluate.sets.{name}": name for name in recipe.evaluate.sets if not name.startswith(HUB_SCHEME)}
    return {key: path for name, file in (models | sets).items() for key, path in _list_folder(name, root / file)}


def _list_folder(name: str, path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield name, path
    elif path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        yield from ((f"{name}: {file.relative_to(path)}", file) for file in files)


def hash_sources(sources: Mapping[str, Path], run_dir: Path) -> dict[str, str]:
    """SHA-256 of each file by its key; a file is read once and then known by its path, size and time.

    Args:
        sources: files from `list_sources`.
        run_dir: the run folder, which remembers the hashes; it need not exist yet.
    """
    memory = run_dir / HASHES
    known = json.loads(memory.read_text()) if memory.exists() else {}
    hashes, fresh = {}, {}
    for key, path in sources.items():
        state = path.stat()
        version = f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
        hashes[key] = known.get(version) or fresh.setdefault(version, _hash_file(path))
    if fresh and run_dir.is_dir():
        write_json(memory, known | fresh)
    return hashes


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
