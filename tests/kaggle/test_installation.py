"""What the notebook does before anything is installed: wheels, Python, driver, and the contest's process."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fastmath.kaggle.installation import (
    ContestProcessError,
    InstallationError,
    find_driver_fault,
    find_wheels,
    install,
    play_contest,
    require_python,
    run_shown,
)
from fastmath.recipe.load import REPOSITORY_FOLDER

LISTED = "# Every wheel of what the kernel imports, on a GPU machine with Python 3.12, Linux x86-64.\ntorch==2.13.0\n"
CUDA = "nvidia-cuda-runtime==13.0.96\n"


def test_elsewhere_nothing_is_installed(tmp_path):
    assert install(tmp_path / "none") == Path(sys.executable)


def test_the_wheels_of_the_right_python_are_taken():
    require_python(LISTED, (3, 12))


def test_wheels_of_another_python_are_refused_with_what_to_do():
    with pytest.raises(InstallationError, match=r"are for Python 3\.12, and this is Python 3\.11\. .*--python 3\.11"):
        require_python(LISTED, (3, 11))


@pytest.mark.parametrize("folders", [(), ("a", "b")], ids=["none", "two"])
def test_no_or_two_datasets_of_wheels_are_refused(folders, tmp_path):
    for folder in folders:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "fastmath-0.1.0-py3-none-any.whl").touch()
        (tmp_path / folder / "wheels.txt").write_text(LISTED)
    with pytest.raises(InstallationError, match="dataset_sources"):
        find_wheels(tmp_path)


@pytest.mark.parametrize(
    ("driver", "listed", "fault"),
    [
        ("560.35.03", CUDA, True),
        ("580.65.06", CUDA, False),
        ("580.9", CUDA, True),  # 580.9 is older than 580.65
        ("535.1", "nvidia-cuda-runtime-cu12==12.8.90\n", False),
        (None, CUDA, False),
        ("560.35.03", LISTED, False),
    ],
)
def test_a_driver_too_old_for_the_cuda_of_the_wheels_is_told(driver, listed, fault):
    assert (find_driver_fault(driver, listed) is not None) == fault


def test_what_a_process_prints_is_shown_as_it_comes():
    shown: list[str] = []
    code = run_shown(
        [sys.executable, "-c", "import sys; print('a'); sys.stderr.write('b\\n'); sys.exit(3)"], shown.append
    )
    assert (code, sorted(shown)) == (3, ["a\n", "b\n"])


def test_a_contest_that_fails_fails_the_notebook(tmp_path):
    with pytest.raises(ContestProcessError, match="exit code 1"):
        play_contest(Path("/bin/false"), {}, lambda _: None)


def write_wheel(folder: Path, name: str, content: str) -> None:
    """A wheel of one module."""
    info = f"{name}-0.1.0.dist-info"
    files = {
        f"{name}/__init__.py": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-0.1.0-py3-none-any.whl", "w") as archive:
        for path, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(path, text)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "input" / "wheels"
    folder.mkdir(parents=True)
    write_wheel(folder, "fastmath", "")
    write_wheel(folder, "numpy", "__version__ = 'of the kernel'")
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "wheels.txt").write_text(f"# Every wheel of it, on a CPU machine with Python {here}.\nnumpy==0.1.0\n")
    (tmp_path / "input" / "model.safetensors").write_bytes(b"weights")
    return tmp_path / "input"


def test_what_is_installed_lies_in_an_environment_of_its_own(inputs, tmp_path):
    python = install(inputs, tmp_path / "environment")
    command = [str(python), "-c", "import fastmath, numpy; print(numpy.__version__, numpy.__file__)"]
    version, folder = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rsplit(" ", 1)
    assert version == "of the kernel"
    assert folder.startswith(str(tmp_path / "environment"))


def test_a_notebook_that_is_restarted_finds_its_environment(inputs, tmp_path):
    python = install(inputs, tmp_path / "environment")
    marked = python.with_name("marked")
    marked.touch()
    assert install(inputs, tmp_path / "environment") == python
    assert marked.exists()


def test_an_environment_of_other_wheels_is_made_anew(inputs, tmp_path):
    marked = install(inputs, tmp_path / "environment").with_name("marked")
    marked.touch()
    with (inputs / "wheels" / "wheels.txt").open("a") as file:
        file.write("# changed\n")
    install(inputs, tmp_path / "environment")
    assert not marked.exists()


def test_a_wheel_that_is_missing_is_named(inputs, tmp_path):
    (inputs / "wheels" / "numpy-0.1.0-py3-none-any.whl").unlink()
    with pytest.raises(InstallationError, match=r"numpy==0\.1\.0"):
        install(inputs, tmp_path / "environment")


def test_the_module_is_read_from_a_wheel_by_an_interpreter_that_has_nothing(tmp_path):
    wheel = tmp_path / "fastmath-0.1.0-py3-none-any.whl"
    source = REPOSITORY_FOLDER / "src"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in [
            *source.glob("fastmath/*.py"),
            *source.glob("fastmath/kaggle/*.py"),
            *source.glob("fastmath/runs/*.py"),
        ]:
            archive.write(path, path.relative_to(source))
    code = f"import sys; sys.path.append({str(wheel)!r}); import fastmath.kaggle.installation as i; print(i.__file__)"
    # -I -S: neither this environment's packages nor the checkout.
    found = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.startswith(str(wheel))
