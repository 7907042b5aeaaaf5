"""Files that tests read: small ones that stand in the repository, and richer ones that lie beside some checkouts."""

from pathlib import Path

import pytest

FIXTURES = Path(__file__).parents[1] / "fixtures"
SHARED = Path(__file__).parents[3] / "shared" / "data"
"""Real problems, traces and votes, which their owners' terms keep out of the repository."""

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real files are not in {SHARED}")


def find(path: str) -> Path:
    """A file of the repository, or, where its name begins with `shared/`, one of the richer ones."""
    return SHARED / path.removeprefix("shared/") if path.startswith("shared/") else FIXTURES / path


def with_shared(*paths: str) -> list[object]:
    """Such files as parameters of a test; the richer ones are skipped where they are not there."""
    return [
        pytest.param(find(path), id=path, marks=needs_shared if path.startswith("shared/") else ()) for path in paths
    ]
