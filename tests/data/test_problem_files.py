"""Evaluation sets on this machine and on the Hub."""

from huggingface_hub import constants

from fastmath.data.problem_files import find_problem_file, name_problem_set

COMMIT = "1df8507178afcc1bef68cd8c393f61a886323761"


def test_a_local_file_starts_at_the_root(tmp_path):
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "a.csv").write_text("problem,answer\n1+1?,2\n")
    assert find_problem_file("`x`", "sets/a.csv", tmp_path) == tmp_path / "sets" / "a.csv"


def test_a_file_of_the_hub_is_found_in_its_cache_by_its_commit(tmp_path, monkeypatch):
    # The layout of the cache is the library's: datasets--OWNER--NAME/snapshots/COMMIT/FILE.
    snapshot = tmp_path / "datasets--some--set" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "test.jsonl").write_text("{}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    found = find_problem_file("`x`", f"hf://datasets/some/set@{COMMIT}/test.jsonl", tmp_path / "elsewhere")
    assert found.samefile(snapshot / "test.jsonl")


def test_a_set_is_named_by_its_file_or_its_dataset():
    assert name_problem_set("sets/aime_2025.jsonl") == "aime_2025"
    assert name_problem_set(f"hf://datasets/HuggingFaceH4/MATH-500@{COMMIT}/test.jsonl") == "MATH-500"
