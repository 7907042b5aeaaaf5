"""A process that keeps one core busy, beside which a benchmark is run again."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SPIN = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""
"""A loop of pure Python that ends with the process that started it."""


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """Keep one core busy while the context lasts."""
    process = subprocess.Popen([sys.executable, "-c", SPIN])
    try:
        yield
    finally:
        process.kill()
        process.wait()
