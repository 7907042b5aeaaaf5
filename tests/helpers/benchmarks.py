"""Modules of `benchmarks/`, which is no package."""

import importlib.util
from types import ModuleType

from fastmath.recipe.load import REPOSITORY_FOLDER


def load_benchmark(name: str) -> ModuleType:
    """The module `benchmarks/{name}.py`; its `main` is not run."""
    spec = importlib.util.spec_from_file_location(name, REPOSITORY_FOLDER / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
