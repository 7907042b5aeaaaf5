"""The kernel's notebook as Kaggle runs it: its scored cell and its saved version, with an engine that is written down.

vLLM is replaced by a package of its interface on one make-believe L4, and torch's way to CUDA writes down who takes it.
The processes are real: the notebook's, the contest's, and the gateway's. The gateway is the competition's own where
`FASTMATH_KAGGLE_EVALUATION` names a copy, else the project's.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import psutil
import pytest

from fastmath.kaggle.wheels import find_interpreter
from fastmath.nano.model import make_base_model
from fastmath.recipe.load import REPOSITORY_FOLDER, dump_recipe, load_recipe
from fastmath.recipe.sections import NanoModelSettings
from fastmath.runs.environment import RERUN_VARIABLE
from fastmath.runs.stages import NOTEBOOKS
from helpers.competition import place_competition

HELPERS = Path(__file__).parent / "helpers"
NOTEBOOK = REPOSITORY_FOLDER / NOTEBOOKS["kernel"]
QUESTIONS = "id,problem\n000a1,What is 1+6?\n057,What is 2+5?\n"
QUANTISED = {"quant_method": "awq", "group_size": 32}
LIGHT = [
    "numpy",
    "polars",
    "psutil",
    "pydantic",
    "pyyaml",
    "tqdm",
    "transformers",
    "jinja2",
    "nvidia-ml-py",
    "pandas",
    "pyarrow",
]
"""What the kernel imports of its requirements before it loads vLLM and torch."""


pytestmark = pytest.mark.slow


def make_place(folder: Path) -> Path:
    """A folder like Kaggle's: model, recipe, questions and the competition's package below `input`, and `working`."""
    inputs = folder / "input"
    model = inputs / "models" / "awq"
    settings = NanoModelSettings(hidden_size=64, layers=1, heads=2, max_positions=1024, vocabulary_size=320)
    make_base_model(model, settings, ["What is 3+4? So \\boxed{7}."], seed=0)
    (model / "config.json").write_text(
        json.dumps(json.loads((model / "config.json").read_text()) | {"quantization_config": QUANTISED})
    )
    (inputs / "other").mkdir()
    (inputs / "other" / "config.json").write_text("{}")
    recipe = load_recipe("nano", {"kernel.limit_seconds": 60.0, "kernel.require_votes": True, "kernel.questions": 2})
    (inputs / "wheels").mkdir()
    (inputs / "wheels" / "recipe.yaml").write_text(dump_recipe(recipe))
    place_competition(inputs / "competition")
    (inputs / "competition" / "test.csv").write_text(QUESTIONS)
    (folder / "working").mkdir()
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return make_place(tmp_path)


def scripted(place: Path) -> dict[str, str]:
    """The environment of a process that finds the scripted vLLM."""
    path = [str(REPOSITORY_FOLDER / "src"), str(HELPERS / "scripted_vllm")]
    own = {"PYTHONPATH": os.pathsep.join(path), "SCRIPTED_VLLM_LOG": str(place / "engine.log")}
    return {name: value for name, value in os.environ.items() if not name.startswith("VLLM_")} | own


def start_notebook(place: Path, python: str = sys.executable, **environment: str) -> subprocess.Popen[str]:
    """The notebook's process, with the parameters of a submission but the folders."""
    parameters = {"recipe": "", "run_dir": ".", "inputs": str(place / "input")}
    return subprocess.Popen(
        [python, str(HELPERS / "notebook_cells.py"), str(NOTEBOOK), json.dumps(parameters)],
        cwd=place / "working", env=scripted(place) | environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip


@contextlib.contextmanager
def ended_with_its_children(process: subprocess.Popen[str]) -> Iterator[None]:
    """As Kaggle ends the container of a scored run."""
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
                each.kill()
        process.wait()


def ask(place: Path, notebook: subprocess.Popen[str], python: str = sys.executable) -> None:
    """Let the gateway ask, in a process of its own and in the folder where the submission is to be."""
    order = {"recipe": load_recipe("nano").model_dump(mode="json"), "gateway": str(place / "input")}
    order["questions"] = str(place / "input" / "competition" / "test.csv")
    (place / "order.json").write_text(json.dumps(order))
    gateway = subprocess.Popen(
        [python, "-m", "fastmath.contest.two_processes", "gateway", str(place / "order.json")], cwd=place / "working",
        env=os.environ | {"PYTHONPATH": str(REPOSITORY_FOLDER / "src")}, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    with ended_with_its_children(gateway):
        while gateway.poll() is None:
            assert not notebook.poll(), notebook.stdout.read()[-3000:]
            time.sleep(0.1)
        assert gateway.returncode == 0, gateway.stdout.read()[-3000:]


def read_engine(place: Path) -> list[str]:
    return (place / "engine.log").read_text().splitlines()


def serve_scored(place: Path, python: str = sys.executable) -> pl.DataFrame:
    """The submission of a scored run."""
    notebook = start_notebook(place, python, **{RERUN_VARIABLE: "1"})
    with ended_with_its_children(notebook):
        ask(place, notebook, python)
    return pl.read_parquet(place / "working" / "submission.parquet")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, list[str]]:
    """The submission of a scored run in two processes, and what its engine wrote down."""
    place = make_place(tmp_path_factory.mktemp("scored"))
    return serve_scored(place), read_engine(place)


def test_the_scored_cell_answers_by_votes_in_two_processes(scored):
    submission, _ = scored
    assert dict(submission.schema) == {"id": pl.String, "answer": pl.Int64}
    # Every sample says 7.
    assert sorted(submission.rows()) == [("000a1", 7), ("057", 7)]


def test_cuda_is_not_touched_before_the_engine_starts_and_it_is_spawned(scored):
    _, engine = scored
    started = json.loads(engine[0])  # and no line of a touch before it
    assert started["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"


def test_nothing_is_compiled_on_an_l4(scored):
    started = json.loads(scored[1][-1])
    assert started["VLLM_USE_FLASHINFER_SAMPLER"] == "0"
    assert started["arguments"]["attention_backend"] == "TRITON_ATTN"
    assert "kv_cache_dtype" not in started["arguments"]


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "fastmath.cli.main", "kernel", "serve", "--csv", "{csv}", "--output", "{place}/out"),
        (str(REPOSITORY_FOLDER / "benchmarks" / "slowdown.py"), "--rounds", "1"),
        (str(REPOSITORY_FOLDER / "benchmarks" / "kernel.py"), "--rounds", "1", "--seeds", "1"),
    ],
    ids=["kernel serve", "benchmarks/slowdown", "benchmarks/kernel"],
)
def test_cuda_is_not_touched_before_any_other_engine_starts(command, place):
    run_dir = place / "run"
    (run_dir / "quantize_awq").mkdir(parents=True)
    (run_dir / "build_data").mkdir()
    (run_dir / "quantize_awq" / "model").symlink_to(place / "input" / "models" / "awq")
    (run_dir / "quantize_awq" / "config.yaml").write_text((place / "input" / "wheels" / "recipe.yaml").read_text())
    rows = {"id": ["a", "b"], "problem": ["1+6?", "2+5?"], "answer": [7, 7]}
    pl.DataFrame(rows).write_parquet(run_dir / "build_data" / "test.parquet")
    filled = [part.format(csv=place / "input" / "competition" / "test.csv", place=place) for part in command]
    finished = subprocess.run(
        [sys.executable, *filled, "--run-dir", str(run_dir)], cwd=place, env=scripted(place), capture_output=True,
        text=True,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert json.loads(read_engine(place)[0])["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"


def test_the_saved_version_answers_the_public_questions_in_one_process(place):
    notebook = start_notebook(place)
    output, _ = notebook.communicate(timeout=180)
    assert notebook.returncode == 0, output[-3000:]
    assert sorted(pl.read_parquet(place / "working" / "submission.parquet").rows()) == [("000a1", 7), ("057", 7)]
    report = json.loads((place / "working" / "kernel" / "report.json").read_text())
    assert (report["by_vote"], report["by_fallback"], report["errors"]) == (2, 0, 0)


def test_the_saved_version_fails_where_the_engine_never_starts(place):
    notebook = start_notebook(place, SCRIPTED_VLLM_BROKEN="1")
    output, _ = notebook.communicate(timeout=180)
    assert notebook.returncode != 0
    assert "no token was generated for any of 2 questions" in output
    assert "no kernel image is available" in output


def test_the_scored_run_answers_all_the_same_where_the_engine_never_starts(place):
    notebook = start_notebook(place, SCRIPTED_VLLM_BROKEN="1", **{RERUN_VARIABLE: "1"})
    with ended_with_its_children(notebook):
        ask(place, notebook)
    assert pl.read_parquet(place / "working" / "submission.parquet")["answer"].to_list() == [0, 0]


def test_a_recipe_that_wants_votes_gets_none_from_samples_without_an_answer(place):
    notebook = start_notebook(place, SCRIPTED_VLLM_TEXT="So nothing.\n</think>")
    output, _ = notebook.communicate(timeout=180)
    assert notebook.returncode != 0
    assert "kernel.require_votes" in output


def test_a_contest_whose_process_is_killed_goes_on_with_its_journal(place):
    notebook = start_notebook(place, **{RERUN_VARIABLE: "1"})
    with ended_with_its_children(notebook):
        deadline = time.monotonic() + 60
        while not (children := psutil.Process(notebook.pid).children()) and time.monotonic() < deadline:
            time.sleep(0.1)
        children[0].kill()
        ask(place, notebook)
    assert pl.read_parquet(place / "working" / "submission.parquet")["answer"].to_list() == [7, 7]


def test_the_scored_cell_runs_under_the_python_of_kaggle_s_image(place):
    version = "3.12"
    # Ordinary weights: to see whether a processor has 4-bit kernels takes torch, which is left out here.
    configuration = place / "input" / "models" / "awq" / "config.json"
    values = json.loads(configuration.read_text())
    del values["quantization_config"]
    configuration.write_text(json.dumps(values))
    subprocess.run([str(find_interpreter(version)), "-m", "venv", str(place / "venv")], check=True)
    python = str(place / "venv" / "bin" / "python")
    pins = REPOSITORY_FOLDER / "inference_kernel" / "wheels" / "cpu" / version / "wheels.txt"
    listed = [line for line in pins.read_text().splitlines() if not line.startswith("#")]
    (place / "pins.txt").write_text("\n".join(listed))
    command = [python, "-m", "pip", "install", "--quiet", "-c", str(place / "pins.txt"), *LIGHT]
    subprocess.run(command, check=True, env=os.environ | {"PIP_CONSTRAINT": ""})
    assert sorted(serve_scored(place, python).rows()) == [("000a1", 7), ("057", 7)]
