"""What several of these tests share."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture
def forget_competition() -> Iterator[None]:
    """Undo what importing a `kaggle_evaluation` changes, so that the next test imports its own."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name in [name for name in sys.modules if name.startswith(("kaggle_evaluation", "aimo_2_"))]:
        del sys.modules[name]
