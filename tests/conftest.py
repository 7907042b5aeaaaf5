"""What the whole suite shares: one tiny run of the recipe, in the background, and what is asked of its model."""

import os
from pathlib import Path

import pytest

# Two cores and spinning threads: one thread each is faster in a suite that runs many small processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from fastmath.runs.pipeline import StageResult
from helpers.background import Background, Finished

BACKGROUND = pytest.StashKey[Background]()
BACKGROUND_FIXTURES = ("tiny_run", "served", "reference_contest")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that look at what runs in the background come last; the others keep the second core company."""
    items.sort(key=lambda item: max(map(_position, item.fixturenames), default=0))


def _position(fixture: str) -> int:
    return 1 + BACKGROUND_FIXTURES.index(fixture) if fixture in BACKGROUND_FIXTURES else 0


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start in the background what the collected tests will look at."""
    wanted = {name for item in session.items for name in item.fixturenames} & set(BACKGROUND_FIXTURES)
    if wanted and not session.config.option.collectonly:
        background = Background()
        session.config.stash[BACKGROUND] = background
        for name in sorted(wanted, key=BACKGROUND_FIXTURES.index):
            background.start(name)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if BACKGROUND in session.config.stash:
        session.config.stash[BACKGROUND].close()


@pytest.fixture(scope="session")
def tiny_run(request: pytest.FixtureRequest) -> tuple[Path, list[StageResult]]:
    """A run folder in which every notebook and the kernel have been executed by papermill, and the results."""
    background = request.config.stash[BACKGROUND]
    return background.run_dir, background.results()


@pytest.fixture(scope="session")
def served(request: pytest.FixtureRequest) -> tuple[Path, Finished]:
    """The output folder of `fastmath kernel serve` with the tiny run's model, and the finished command."""
    background = request.config.stash[BACKGROUND]
    return background.folder / "served", background.start("served").result()


@pytest.fixture(scope="session")
def reference_contest(request: pytest.FixtureRequest) -> tuple[Path, Finished]:
    """A run folder whose kernel notebook has answered the reference questions, and the finished papermill command."""
    background = request.config.stash[BACKGROUND]
    return background.folder / "reference", background.start("reference_contest").result()
