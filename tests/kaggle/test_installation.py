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
