"""Files of problems: where a recipe's evaluation sets lie, on this machine or on the Hub."""

from pathlib import Path

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.pins import HUB_SCHEME, parse_hub_file, require_commit


def require_problem_file(setting: str, name: str, root: Path) -> None:
    """Refuse a file that is neither there nor pinned on the Hub.

    Args:
        setting: the setting that names the file; the error message begins with it.
        name: a local path, or `hf://datasets/OWNER/NAME@COMMIT/FILE`.
        root: folder at which a relative path starts.

    Raises:
        SettingsError: there is no such local file, or the dataset is not pinned to a commit.
    """
    if name.startswith(HUB_SCHEME):
        file = parse_hub_file(name)
        require_commit(setting, file.repository, file.revision)
    elif not (root / name).is_file():
        raise SettingsError(
            f"{setting}: there is no file {root / name}; want JSONL, CSV or parquet of problem and answer, or "
            "hf://datasets/OWNER/NAME@COMMIT/FILE"
        )


def find_problem_file(setting: str, name: str, root: Path) -> Path:
    """The local path of a file of problems, which is downloaded if it lies on the Hub and is not in its cache.

    Args and errors are those of `require_problem_file`.
    """
    require_problem_file(setting, name, root)
    if not name.startswith(HUB_SCHEME):
        return root / name
    from huggingface_hub import hf_hub_download  # slow to import, and only Hub datasets need it

    file = parse_hub_file(name)
    return Path(hf_hub_download(file.repository, file.file, repo_type="dataset", revision=file.revision))


def name_problem_set(name: str) -> str:
    """The name of an evaluation set in the rejects.

    Example: `sets/aime_2025.jsonl` is `aime_2025`, and `hf://datasets/MathArena/aime_2025@…/train.parquet` is it, too.
    """
    return parse_hub_file(name).repository.split("/")[1] if name.startswith(HUB_SCHEME) else Path(name).stem
