"""Executes the kernel's notebook cell by cell, as far as its contest, in the interpreter that runs this.

    python notebook_cells.py kernel.ipynb '{"inputs": "…", "run_dir": "…"}'

Needs no Jupyter, so that any Python can do it. Nothing is installed: the interpreter stands for the environment.
"""

import json
import sys
from pathlib import Path

import fastmath.kaggle.installation as installation

if __name__ == "__main__":
    installation.install = lambda *_: Path(sys.executable)
    cells = json.loads(Path(sys.argv[1]).read_text())["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    contest = next(
        index for index, source in enumerate(sources) if "play_contest(" in source and "import" not in source
    )
    names: dict[str, object] = {}
    exec(sources[0], names)
    names |= json.loads(sys.argv[2])
    for source in sources[1 : contest + 1]:
        exec(source, names)
    sys.stdout.write(f"results in {names['results']}\n")
