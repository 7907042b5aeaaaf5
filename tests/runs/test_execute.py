"""Executing notebooks."""

import subprocess
import sys

import nbformat

PYTHON = {"name": "python3", "display_name": "Python 3", "language": "python"}
EXECUTE = "import sys; from pathlib import Path; from fastmath.runs.execute import execute\n" + (
    "execute(Path(sys.argv[1]), Path(sys.argv[2]), {'name': sys.argv[3]}, Path(sys.argv[1]).parent)"
)


def test_notebooks_that_run_at_once_in_one_folder_have_kernels_of_their_own(tmp_path):
    cells = [
        nbformat.v4.new_code_cell("name = ''", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("import time; time.sleep(1); name"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": PYTHON}), tmp_path / "in.ipynb")
    outputs = {name: tmp_path / f"{name}.ipynb" for name in ("one", "two")}
    processes = [
        subprocess.Popen([sys.executable, "-c", EXECUTE, str(tmp_path / "in.ipynb"), str(output), name])
        for name, output in outputs.items()
    ]
    assert [process.wait(120) for process in processes] == [0, 0]
    for name, output in outputs.items():
        executed = nbformat.read(output, as_version=4).cells[-1]
        assert executed.outputs[0]["data"]["text/plain"] == repr(name)
    assert not list(tmp_path.glob("kernel*"))
