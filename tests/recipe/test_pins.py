"""Addresses on the Hub, and the commits that they are pinned to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import load_recipe
from fastmath.recipe.pins import HubFile, parse_hub_file, require_commit

COMMIT = "1df8507178afcc1bef68cd8c393f61a886323761"
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


@given(owner=NAMES, name=NAMES, folder=NAMES, file=NAMES, revision=st.sampled_from([None, COMMIT, "main"]))
def test_an_address_is_read_as_it_was_written(owner, name, folder, file, revision):
    pinned = "" if revision is None else f"@{revision}"
    found = parse_hub_file(f"hf://datasets/{owner}/{name}{pinned}/{folder}/{file}")
    assert found == HubFile(f"{owner}/{name}", revision, f"{folder}/{file}")


@pytest.mark.parametrize(
    "address", ["hf://HuggingFaceH4/MATH-500/test.jsonl", "hf://datasets/MATH-500", "hf://datasets/a/b", "hf://"]
)
def test_an_address_of_another_form_is_refused_with_the_right_one(address):
    with pytest.raises(SettingsError, match="want hf://datasets/OWNER/NAME@COMMIT/FILE"):
        parse_hub_file(address)


def test_a_recipe_with_such_an_address_is_refused():
    with pytest.raises(SettingsError, match="want hf://datasets/OWNER/NAME@COMMIT/FILE"):
        load_recipe("nano", {"data.decontaminate.files": ["hf://nonsense"]})


def test_a_commit_is_taken():
    assert require_commit("`x`", "a/b", COMMIT) == COMMIT


@pytest.mark.parametrize("revision", [None, "main", "v1.0", COMMIT[:7], COMMIT.upper()])
def test_what_may_move_is_refused_with_the_command_that_finds_the_commit(revision):
    with pytest.raises(SettingsError, match=r"hub\.dataset_info\('a/b'\)\.sha"):
        require_commit("`x`", "a/b", revision)


def test_the_embedded_problems_are_for_the_embedded_model_alone():
    with pytest.raises(SettingsError, match=r"`data\.test_path` is null, which takes the embedded problems"):
        load_recipe("fast_math_r1_14b", {"data.test_path": None})
