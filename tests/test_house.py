"""The house: what import-linter's contracts (pyproject.toml) cannot say."""

from fastmath.recipe.load import REPOSITORY_FOLDER

PACKAGE = REPOSITORY_FOLDER / "src" / "fastmath"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def test_the_checkout_is_known_to_the_command_line_the_pipeline_and_the_recipes_alone():
    knowing = {str(path.relative_to(PACKAGE)) for path in SOURCES if "REPOSITORY_FOLDER" in path.read_text()}
    assert {path for path in knowing if not path.startswith("cli/")} == {"recipe/load.py", "runs/pipeline.py"}


def test_every_room_says_what_it_is_for():
    silent = [path.parent.name for path in PACKAGE.glob("*/__init__.py") if not path.read_text().startswith('"""')]
    assert silent == []
