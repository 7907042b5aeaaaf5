"""Answering a CSV as in the contest: who asks, what is refused, and how the command ends."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import yaml

from fastmath.contest.assembly import JOURNAL, open_kernel
from fastmath.contest.gateway import (
    SUBMISSION,
    find_gateway,
    find_server,
    run_competition_gateway,
    serve,
)
from fastmath.contest.questions import GatewayError, read_questions
from fastmath.contest.serving import answer_questions, begin_anew, load_served, open_contest
from fastmath.kernel.journal import JournalError
from fastmath.kernel.submission import SUBMISSION_SCHEMA
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import dump_recipe, load_recipe
from fastmath.runs.model_folder import ModelFolderError
from fastmath.runs.stage import MissingStageError
from helpers.command import fastmath

QUESTIONS = "id,question\n000a1,What is 1+1?\n057,What is 2+2?\n"

# A package of the competition's shape, with what a newer server checks: plain functions of the name `predict`.
SERVER = """
from types import FunctionType
import polars
import aimo_2_gateway

class AIMO2InferenceServer:
    def __init__(self, predict):
        assert isinstance(predict, FunctionType) and predict.__name__ == "predict", predict
        self.predict = predict

    def serve(self):
        AIMO2InferenceServer.served = self.predict(polars.Series(["a"]), polars.Series(["1+1?"]))

    def run_local_gateway(self, paths):
        aimo_2_gateway.AIMO2Gateway(paths).run(self.predict)
"""
GATEWAY = """
import polars
import kaggle_evaluation.core.base_gateway as base

class AIMO2Gateway:
    def __init__(self, paths):
        self.path = paths[0]

    def run(self, predict):
        rows = [predict(*row) for row in polars.read_csv(self.path).iter_slices(1)]
        if any(type(row) is not polars.DataFrame for row in rows):
            raise base.GatewayRuntimeError(base.Kind.INVALID_SUBMISSION, "no DataFrame")
        polars.concat(rows).write_parquet("submission.parquet")
"""
BASE = """
import enum

class Kind(enum.Enum):
    INVALID_SUBMISSION = 6

class GatewayRuntimeError(Exception):
    def __init__(self, error_type, error_details):
        self.error_type, self.error_details = error_type, error_details
"""


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "test.csv"
    path.write_text(QUESTIONS)
    return path


@pytest.fixture
def competition(tmp_path: Path, forget_competition: None) -> Path:
    """A folder with a package of the competition's shape."""
    package = tmp_path / "competition" / "kaggle_evaluation"
    (package / "core").mkdir(parents=True)
    (package / "__init__.py").write_text(f"import sys\nsys.path.append({str(package)!r})\n")
    (package / "aimo_2_inference_server.py").write_text(SERVER)
    (package / "aimo_2_gateway.py").write_text(GATEWAY)
    (package / "core" / "__init__.py").write_text("")
    (package / "core" / "base_gateway.py").write_text(BASE)
    (package / "core" / "relay.py").write_text("")
    return package.parent


class Answerer:
    """Has a bound method, as the kernel does."""

    def predict(self, id_: pl.Series, *_: pl.Series) -> pl.DataFrame:
        return pl.DataFrame({"id": id_.cast(pl.String), "answer": [0]})


def test_a_model_without_weights_is_refused_before_any_question_is_asked(tiny_run, questions, tmp_path):
    recipe, model = load_served(tiny_run[0], {})
    broken = tmp_path / "model"
    shutil.copytree(model, broken, ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.raises(ModelFolderError, match="lacks its weights"):
        answer_questions(recipe, broken, questions, tmp_path / "out")


def test_a_run_without_a_quantised_model_says_how_to_make_one(tmp_path):
    with pytest.raises(MissingStageError, match="--to quantize_awq"):
        load_served(tmp_path, {})


def test_the_contest_is_played_as_the_recipe_says_today_and_the_model_asked_as_it_was_made(tmp_path):
    folder = tmp_path / "quantize_awq"
    (folder / "model").mkdir(parents=True)
    nano = load_recipe("nano").model_dump(mode="json")
    earlier = nano | {"seed": 7, "kernel": {"a setting of an earlier version": 1}}
    (folder / "config.yaml").write_text(yaml.safe_dump(earlier))
    recipe, _ = load_served(tmp_path, {})
    assert (recipe.seed, recipe.kernel) == (7, load_recipe("nano").kernel)


def test_a_recipe_of_one_s_own_is_served_as_it_was_played(tmp_path):
    own = load_recipe("nano", {"name": "mine", "kernel.samples": 3}).model_dump(mode="json")
    for stage, samples in (("quantize_awq", 3), ("kernel", 5)):
        (tmp_path / stage / "model").mkdir(parents=True)
        settings = own | {"kernel": own["kernel"] | {"samples": samples}}
        (tmp_path / stage / "config.yaml").write_text(yaml.safe_dump(settings))
    recipe, _ = load_served(tmp_path, {"kernel.token_budget": 99})
    assert (recipe.name, recipe.kernel.samples, recipe.kernel.token_budget) == ("mine", 5, 99)


def test_where_inputs_are_mounted_no_earlier_stage_is_asked_for(tmp_path):
    (tmp_path / "input").mkdir()
    stage = open_contest("nano", str(tmp_path / "working"), {}, tmp_path / "input")
    assert stage.folder == tmp_path / "working" / "kernel"


def test_an_empty_recipe_is_the_one_among_the_inputs(tmp_path):
    (tmp_path / "input" / "wheels").mkdir(parents=True)
    recipe = load_recipe("nano", {"kernel.samples": 3})
    (tmp_path / "input" / "wheels" / "recipe.yaml").write_text(dump_recipe(recipe))
    stage = open_contest("", str(tmp_path / "working"), {"kernel.questions": 2}, tmp_path / "input")
    assert (stage.recipe.kernel.samples, stage.recipe.kernel.questions) == (3, 2)


def test_no_recipe_at_all_is_refused(tmp_path):
    (tmp_path / "input").mkdir()
    with pytest.raises(SettingsError, match=r"recipe\.yaml below"):
        open_contest("", str(tmp_path / "working"), {}, tmp_path / "input")


def test_the_journal_of_other_questions_is_refused_before_a_model_is_loaded(tiny_run, questions, tmp_path):
    recipe, model = load_served(tiny_run[0], {"kernel.limit_seconds": 5.0})
    folder = tmp_path / "out"
    first = read_questions(questions)
    begin_anew(first, folder)
    with open_kernel(recipe, model, folder, first):
        (folder / JOURNAL).touch()
    questions.write_text(QUESTIONS.replace("2+2", "2+3"))
    with pytest.raises(JournalError, match="move it away"):
        answer_questions(recipe, model, questions, folder)


def test_elsewhere_the_earlier_stages_are_asked_for(tmp_path):
    with pytest.raises(MissingStageError, match="build_data"):
        open_contest("nano", str(tmp_path), {}, tmp_path / "input")


@pytest.mark.parametrize(("finished", "kept"), [(False, True), (True, False)])
def test_a_contest_that_was_cut_off_goes_on_and_a_finished_one_begins_anew(finished, kept, tmp_path):
    (tmp_path / JOURNAL).write_text("{}\n")
    if finished:
        (tmp_path / SUBMISSION).write_bytes(b"")
    begin_anew(pl.DataFrame({"id": ["a"], "problem": ["1?"]}), tmp_path)
    assert (tmp_path / JOURNAL).exists() == kept


def test_the_competition_s_gateway_asks_and_writes_into_the_folder_given(competition, questions, tmp_path):
    server = find_server("aimo2", competition)
    submission = run_competition_gateway(server, Answerer().predict, questions, tmp_path)
    assert (dict(submission.schema), (tmp_path / SUBMISSION).exists()) == (SUBMISSION_SCHEMA, True)


def test_the_working_folder_is_the_same_after_the_competition_s_gateway(competition, questions, tmp_path):
    before = Path.cwd()
    run_competition_gateway(find_server("aimo2", competition), Answerer().predict, questions, tmp_path)
    assert Path.cwd() == before


def test_an_error_of_the_competition_s_gateway_has_a_message(competition, questions, tmp_path):
    with pytest.raises(GatewayError, match="INVALID_SUBMISSION: no DataFrame"):
        run_competition_gateway(find_server("aimo2", competition), lambda *_: 7, questions, tmp_path)


def test_the_gateway_s_class_comes_from_the_same_package(competition):
    assert find_gateway("aimo2", competition).__name__ == "AIMO2Gateway"


def test_another_competition_s_package_is_refused(competition):
    with pytest.raises(GatewayError, match="no package for 'aimo3'"):
        find_server("aimo3", competition)


def test_a_server_that_refuses_bound_methods_is_given_a_function_that_answers_as_they_do(competition):
    serve(Answerer().predict, "aimo2", competition)
    assert find_server("aimo2", competition).served.rows() == [("a", 0)]


def test_a_csv_is_answered_by_the_command_and_the_result_is_json(served):
    output, finished = served
    assert finished.returncode == 0, finished.stderr[-2000:]
    report = json.loads(finished.stdout)
    assert (report["questions"], report["gateway"]) == (2, "the project's own gateway")
    submission = pl.read_parquet(output / SUBMISSION)
    assert dict(submission.schema) == SUBMISSION_SCHEMA
    assert sorted(submission["id"]) == ["000a1", "057"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--csv", "none.csv"), 1, "there is no file"),
        (("--run-dir", "runs/none"), 1, "no quantised model"),
        (("--gateway", "tests"), 1, "no kaggle_evaluation for 'aimo2'"),
        (("--two-processes",), 2, "--gateway"),
        (("--contest", "aimo4"), 2, "did you mean"),
        (("--set", "kernel.sampels=3"), 2, "did you mean 'samples'"),
    ],
    ids=["csv", "run", "gateway", "processes", "contest", "setting"],
)
def test_what_cannot_be_served_ends_with_its_code_and_says_why(arguments, code, message, tiny_run, questions, tmp_path):
    defaults = ("--run-dir", str(tiny_run[0]), "--csv", str(questions), "--output", str(tmp_path / "out"))
    finished = fastmath("kernel", "serve", *defaults, *arguments)
    assert (finished.returncode, message in finished.stderr) == (code, True), finished.stderr[-1000:]
