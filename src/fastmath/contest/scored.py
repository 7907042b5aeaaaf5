"""The scored run's process: answers Kaggle's hidden questions, and imports nothing that answering does not need.

`fastmath.kaggle.installation.serve_scored` starts it with the notebook's parameters in a JSON file:

    python -m fastmath.contest.scored contest.json
"""

import json
import logging
import os
import sys
from pathlib import Path

from fastmath.contest.inputs import find_recipe
from fastmath.contest.play import serve_contest
from fastmath.recipe.load import load_recipe
from fastmath.runs.environment import PARENT_VARIABLE, end_with
from fastmath.runs.model_folder import find_model_folder


def main() -> None:
    """Serve the contest of the parameters in the file that the command line names."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stdout)
    if PARENT_VARIABLE in os.environ:
        end_with(int(os.environ[PARENT_VARIABLE]))
    contest = json.loads(Path(sys.argv[1]).read_text())
    inputs = Path(contest["inputs"])
    recipe = load_recipe(find_recipe(contest["recipe"], inputs), contest["overrides"])
    serve_contest(recipe, find_model_folder(inputs), Path.cwd(), contest["started"], inputs)


if __name__ == "__main__":
    main()
