"""What a recipe names on the Hugging Face Hub, and the commits that it is pinned to.

A Hub repository changes under its name: without a commit a run cannot be repeated, and what is read or executed is
whatever its owner uploaded last. So a recipe may be shipped and planned without one, and is not run without one.
"""

import re
from dataclasses import dataclass

from fastmath.recipe.errors import SettingsError

HUB_SCHEME = "hf://"
"""How the address of a Hub file begins, as in `huggingface_hub.HfFileSystem`, polars and pandas."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_ADDRESS = re.compile(r"hf://datasets/(?P<repository>[^/@]+/[^/@]+)(?:@(?P<revision>[^/]+))?/(?P<file>[^/].*)")


@dataclass(frozen=True)
class HubFile:
    """One file of a Hub dataset.

    Attributes:
        repository: `owner/name` of the dataset.
        revision: the commit; None takes the newest, and is refused before a run.
        file: path inside the dataset.
    """

    repository: str
    revision: str | None
    file: str


def parse_hub_file(address: str) -> HubFile:
    """Read `hf://datasets/OWNER/NAME@COMMIT/FILE`.

    Example: `hf://datasets/HuggingFaceH4/MATH-500/test.jsonl` is `test.jsonl` of `HuggingFaceH4/MATH-500`, not pinned.

    Raises:
        SettingsError: the address has another form.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise SettingsError(f"{address!r} is no file of a Hub dataset; want hf://datasets/OWNER/NAME@COMMIT/FILE")
    return HubFile(found["repository"], found["revision"], found["file"])


def require_commit(setting: str, repository: str, revision: str | None, dataset: bool = True) -> str:
    """Refuse a Hub repository that is not pinned to a commit; a branch or a tag moves.

    Args:
        setting: what named the repository; the error message begins with it.
        repository: `owner/name`.
        revision: what the recipe pins it to.
        dataset: whether it is a dataset; otherwise it is a model.

    Returns:
        The commit, 40 hexadecimal digits.

    Raises:
        SettingsError: the revision is None or no commit; the message says how to find it.
    """
    if revision is not None and _COMMIT.fullmatch(revision):
        return revision
    kind = "dataset" if dataset else "model"
    found = "no commit" if revision is None else f"{revision!r}, which is no commit of 40 digits and may move"
    raise SettingsError(
        f"{setting}: the Hub {kind} {repository} is pinned to {found}. Take the commit of today's version, "
        f"`python -c \"import huggingface_hub as hub; print(hub.{kind}_info('{repository}').sha)\"`, and set it"
        + ("" if dataset else f"; if {repository!r} is meant as a folder, there is none of this name")
    )
