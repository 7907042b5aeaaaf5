"""The scored run's process: answers Kaggle's hidden questions, and imports nothing that answering does not need.

`fastmath.kaggle.installation.serve_scored` starts it with the notebook's parameters in a JSON file:

    python -m fastmath.contest.scored contest.json
"""

import sys
from pathlib import Path

from fastmath.contest.inputs import begin_contest, find_recipe
from fastmath.contest.play import serve_contest
from fastmath.recipe.load import load_recipe
from fastmath.runs.model_folder import find_model_folder


def main() -> None:
    """Serve the contest of the parameters in the file that the command line names."""
    contest = begin_contest(Path(sys.argv[1]))
    inputs = Path(contest["inputs"])
    recipe = load_recipe(find_recipe(contest["recipe"], inputs), contest["overrides"])
    serve_contest(recipe, find_model_folder(inputs), Path.cwd(), contest["started"], inputs)


if __name__ == "__main__":
    main()
