"""Which changes only add to what an evaluation has drawn."""

from pathlib import Path

import pytest

from fastmath.recipe.load import load_recipe
from fastmath.runs.settings import drop_additions
from fastmath.runs.stage import OtherSettingsError, Stage

SET = {"evaluate.sets": ["configs/nano.yaml"]}  # any file, as only its contents are compared here


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("evaluate.samples", "16 → 64"),
        ("evaluate.problems", "30 → (not set)"),
        ("evaluate.sets", "['a.jsonl'] → ['a.jsonl', 'b.jsonl']"),
        ("evaluate.sets.b.jsonl", "(not set) → contents 12ab"),
        ("evaluate.budgets", "[] → [8192]"),
        ("evaluate.engine.arguments.max_num_seqs", "256 → 64"),
        ("grpo.answers.answer_place", "reasoning → anywhere"),
    ],
)
def test_what_adds_or_reads_again_is_no_difference(key: str, change: str) -> None:
    assert drop_additions({key: change}) == {}


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("evaluate.samples", "64 → 16"),
        ("evaluate.problems", "(not set) → 30"),
        ("evaluate.sets", "['a.jsonl', 'b.jsonl'] → ['a.jsonl']"),
        ("evaluate.sets", "[] → ['a.jsonl']"),
        ("evaluate.sets.a.jsonl", "contents 12ab → contents 34cd"),
        ("evaluate.temperature", "1.0 → 0.6"),
        ("evaluate.token_budget", "256 → 512"),
        ("grpo.answers.generation_end", "think_end → end_of_text"),
        ("evaluate.models.mine.path", "here → there"),
        ("evaluate.models.mine: model.safetensors", "contents 12ab → contents 34cd"),
    ],
)
def test_what_replaces_is_a_difference(key: str, change: str) -> None:
    assert drop_additions({key: change}) == {key: change}


def test_a_model_comes_with_all_its_settings_and_files() -> None:
    differences = {
        "evaluate.models": "{} → (not set)",
        "evaluate.models.mine.path": "(not set) → here",
        "evaluate.models.mine.answers.generation_end": "(not set) → think_end",
        "evaluate.models.mine: config.json": "(not set) → contents 12ab",
    }
    assert drop_additions(differences) == {}


def evaluation(folder: Path, **settings: object) -> Stage:
    named = {f"evaluate.{name}": value for name, value in settings.items()}
    return Stage("evaluate", load_recipe("nano", {**SET, "sft.first_epoch_run": False, **named}), folder)


def test_an_evaluation_that_grows_keeps_what_is_there(tmp_path: Path) -> None:
    with evaluation(tmp_path, samples=16).running():
        (tmp_path / "evaluate" / "samples").write_text("drawn")
    grown = evaluation(tmp_path, samples=64)
    assert not grown.is_current()
    with grown.running():
        assert (tmp_path / "evaluate" / "samples").read_text() == "drawn"
    assert grown.is_current()


def test_an_evaluation_at_another_temperature_is_refused(tmp_path: Path) -> None:
    with evaluation(tmp_path).running():
        pass
    with pytest.raises(OtherSettingsError, match=r"evaluate.temperature: 1.0 → 0.6"):
        evaluation(tmp_path, temperature=0.6).require_same_settings()
