"""Checking that a folder contains a complete model."""

import json
import logging
from pathlib import Path

logger = logging.getLogger(__name__)

PARTS = {"configuration": "config.json", "weights": "*.safetensors", "tokenizer": "tokenizer*.json"}
"""Parts of a model, each with the pattern of its files."""


class ModelFolderError(FileNotFoundError):
    """A model folder does not exist or lacks a part of the model."""


def check_model_folder(folder: Path) -> None:
    """Refuse a folder that lacks a part of the model, before minutes are spent on loading it.

    Raises:
        ModelFolderError: the folder or a part of the model is missing; the message lists the missing parts and what
            the folder contains.
    """
    if not folder.is_dir():
        raise ModelFolderError(f"there is no model folder {folder}; the stage that makes it has to run first")
    missing = [f"its {part} ({pattern})" for part, pattern in PARTS.items() if not any(folder.glob(pattern))]
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        missing += [shard for shard in shards if not (folder / shard).is_file()]
    if missing:
        held = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
        raise ModelFolderError(
            f"model folder {folder} lacks {' and '.join(missing)}; it holds {held}. Run the stage that makes it again, "
            "or copy the whole checkpoint"
        )


def find_model_folder(root: Path) -> Path:
    """Find the model below a folder: the one with configuration, weights and tokenizer.

    Kaggle has changed the folder in which it mounts models, and other inputs may hold a `config.json` as well. Of
    several models the quantised one is taken, and among equals the first by path; the log says which.

    Raises:
        ModelFolderError: there is none.
    """
    folders = sorted(path.parent for path in root.glob("**/config.json"))
    models = [folder for folder in folders if all(any(folder.glob(pattern)) for pattern in PARTS.values())]
    if not models:
        listed = ", ".join(map(str, folders)) or "none"
        raise ModelFolderError(
            f"want a folder with {', '.join(PARTS.values())} below {root}; folders with a config.json: {listed}. Mount "
            "the model (model_sources in kernel-metadata.json)"
        )
    chosen = min(models, key=lambda folder: (not _is_quantised(folder), folder))
    if len(models) > 1:
        logger.warning("there are %d models below %s; %s is taken", len(models), root, chosen)
    return chosen


def _is_quantised(folder: Path) -> bool:
    try:
        return "quantization_config" in json.loads((folder / "config.json").read_text())
    except ValueError:  # somebody else's file, which must not cost the contest
        return False


def require_finite(folder: Path) -> None:
    """Refuse a model with weights that are NaN or infinite; the tensors are read one by one.

    Raises:
        ModelFolderError: there are such weights; the message names the first tensor and counts them.
    """
    import torch  # a gigabyte, which the check of a folder's files does not need
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (a safetensors file is no mapping)
                tensor = tensors.get_tensor(name)
                bad = tensor.numel() - int(torch.isfinite(tensor).sum()) if tensor.is_floating_point() else 0
                if bad:
                    raise ModelFolderError(
                        f"{bad} of {tensor.numel()} weights of {name!r} in {path} are NaN or infinite: the training "
                        "has diverged; lower its `learning_rate` or `max_grad_norm`, or lengthen its `warmup_steps`"
                    )
