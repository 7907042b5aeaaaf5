"""What the tests of sampling share."""

from pathlib import Path

import pytest

from helpers.tiny_jobs import make_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained model."""
    folder = tmp_path_factory.mktemp("model")
    make_tiny_model(folder)
    return folder
