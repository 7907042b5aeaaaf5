"""What the tests of figures share."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True, scope="module")
def close_figures() -> Iterator[None]:
    """Close what a module's tests have drawn, which pyplot would otherwise keep."""
    yield
    plt.close("all")
