"""Trainings of one process, with which those of two processes are compared."""

from pathlib import Path

import pytest

from helpers.two_processes import Trained, fine_tune, make_rollouts, train_on_rollouts


@pytest.fixture(scope="session")
def tuned_alone(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """SFT by one process."""
    return fine_tune(tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="session")
def rollouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model of the given rollouts."""
    folder = tmp_path_factory.mktemp("rollouts")
    make_rollouts(folder)
    return folder


@pytest.fixture(scope="session")
def rolled_alone(rollouts: Path) -> Trained:
    """GRPO on the given rollouts by one process."""
    return train_on_rollouts(rollouts)
