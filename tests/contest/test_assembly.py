"""A kernel as a recipe has it: the time that a contest gives a call, and engines that can be ended and made smaller."""

import math
from pathlib import Path
from typing import Any

import pytest

from fastmath.contest import assembly, serving
from fastmath.contest.assembly import build_kernel, engine_starter
from fastmath.engine.loading import LoadProcesses
from fastmath.engine.supervision import EngineKeeper
from fastmath.recipe.load import load_recipe
from helpers.scripted_engine import ScriptedEngine, boxed


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.mark.parametrize(("profile", "seconds"), [("aimo1", math.inf), ("aimo2", 1800.0), ("aimo3", 9 * 3600.0)])
def test_the_clock_knows_what_the_contest_gives_one_call(
    tmp_path: Path, model: Path, profile: str, seconds: float
) -> None:
    recipe = load_recipe("nano", {"kernel.profile": profile})
    keeper = EngineKeeper(lambda *_: ScriptedEngine([boxed(7)]))
    kernel = build_kernel(recipe, model, keeper, 17_700.0, 50, tmp_path / "questions.jsonl")
    assert kernel.clock.call_seconds == seconds


def test_a_smaller_engine_is_started_with_less_memory_and_a_hold_on_its_load(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[dict[str, Any], LoadProcesses]] = []

    def engine(_: Path, settings: Any, __: int, processes: LoadProcesses) -> ScriptedEngine:
        seen.append((settings.arguments, processes))
        return ScriptedEngine([])

    monkeypatch.setattr(assembly, "AsyncEngine", engine)
    processes = LoadProcesses()
    start = engine_starter(load_recipe("nano", {}), model)
    start(1.0, processes)
    start(0.5, processes)
    (whole, _), (half, hold) = seen
    assert hold is processes
    # nano runs 32 at once; vLLM's own 0.92 * (0.75 + 0.25 * 0.5) = 0.805.
    assert (whole["max_num_seqs"], half["max_num_seqs"]) == (32, 16)
    assert ("gpu_memory_utilization" in whole, half["gpu_memory_utilization"]) == (False, 0.805)


def test_the_projects_own_gateway_is_as_strict_as_the_contests(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float | None] = []

    class Gateway(serving.LocalGateway):
        def run(self, *paths: Path) -> Any:
            limits.append(self.response_seconds)
            return super().run(*paths)

    (tmp_path / "test.csv").write_text("id,problem\na,What is 3+4?\n")
    monkeypatch.setattr(serving, "LocalGateway", Gateway)
    monkeypatch.setattr(assembly, "AsyncEngine", lambda *_, **__: ScriptedEngine([boxed(7)]))
    monkeypatch.setattr(assembly, "check_model_folder", lambda _: None)
    report = serving.answer_questions(load_recipe("nano", {}), model, tmp_path / "test.csv", tmp_path / "out")
    assert limits == [1800.0]
    assert report["answered"] == 1
