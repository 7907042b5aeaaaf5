"""README and docs against the project: what they link, name and call is there."""

import ast
import functools
import importlib.util
import itertools
import re
import shlex
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer.main
from pydantic import BaseModel

from fastmath.cli.main import app
from fastmath.policies.public import find_policies
from fastmath.recipe.load import REPOSITORY_FOLDER, configs_folder
from fastmath.recipe.sections import Recipe

README = REPOSITORY_FOLDER / "README.md"
DOCS = sorted((REPOSITORY_FOLDER / "docs").glob("*.md"))
PAGES = [README, REPOSITORY_FOLDER / "inference_kernel" / "README.md", *DOCS]
NAMES = [str(page.relative_to(REPOSITORY_FOLDER)) for page in PAGES]
FOLDERS = ("src", "docs", "configs", "notebooks", "benchmarks", "tests", "inference_kernel", "requirements", ".ci")
PACKAGES = ("trl", "vllm", "transformers")
FILES = (".ipynb", ".json", ".jsonl", ".md", ".py", ".yaml")

BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
PLACE = re.compile(r"[\w./-]+\.py:[\w.]+")
SECTIONS = ("model", "data", "sft", "grpo", "quantize", "evaluate", "kernel")

pages = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def read_prose(page: Path) -> str:
    return BLOCK.sub("", page.read_text())


def list_code(page: Path) -> list[str]:
    return CODE.findall(read_prose(page))


def list_calls(page: Path) -> Iterator[list[str]]:
    """The words of every `fastmath …` in blocks and in the text, as a shell would split them."""
    for language, block in BLOCK.findall(page.read_text()):
        if language in ("", "bash"):
            for line in re.sub(r"\\\n\s*", " ", block).splitlines():
                yield from split_call(line.strip())
    for code in list_code(page):
        yield from split_call(code)


def split_call(line: str) -> Iterator[list[str]]:
    found = re.match(r"(?:\.venv/bin/)?fastmath ", line)
    if found is not None:
        yield shlex.split(line[found.end() :].replace("…", ""), comments=True)


def slugify(heading: str) -> str:
    """The anchor that a heading gets on GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(read_prose(page)):
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert anchor in map(slugify, headings), target


@pages
def test_every_file_that_is_named_is_there(page: Path) -> None:
    for code in list_code(page):
        for word in code.split():
            path = word.partition(":")[0].rstrip(",")
            if path.split("/")[0] in FOLDERS and "/" in path:
                assert (REPOSITORY_FOLDER / path).exists(), word


@functools.cache
def find_file(path: str) -> Path:
    package, _, rest = path.partition("/")
    if package not in PACKAGES:
        return REPOSITORY_FOLDER / path
    return Path(importlib.util.find_spec(package).submodule_search_locations[0]) / rest


@functools.cache
def list_names(path: str) -> set[str]:
    """The functions and classes of a file, and the methods of its classes as `Class.method`."""
    found = set()
    for node in ast.parse(find_file(path).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
            found |= {f"{node.name}.{part.name}" for part in getattr(node, "body", []) if hasattr(part, "name")}
    return found


@pages
def test_every_function_that_is_named_stands_in_its_file(page: Path) -> None:
    for place in PLACE.findall(read_prose(page)):
        path, _, name = place.partition(":")
        assert name in list_names(path), place


def test_both_ways_go_through_our_code_and_that_of_the_libraries() -> None:
    places = PLACE.findall((REPOSITORY_FOLDER / "docs" / "one_completion.md").read_text())
    assert {place.split("/")[0] for place in places} == {"src", "trl", "vllm"}


@pages
def test_every_command_and_option_that_is_named_exists(page: Path) -> None:
    for words in list_calls(page):
        command, rest = typer.main.get_command(app), list(words)
        while rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest.pop(0)]
        unknown = [word for word in rest[:1] if hasattr(command, "commands")]
        known = {name for parameter in command.params for name in parameter.opts}
        unknown += [word for word in rest if word.startswith("--") and word not in known]
        assert unknown == [], words


@pages
def test_every_target_of_make_that_is_named_exists(page: Path) -> None:
    targets = re.findall(r"^([\w-]+):", (REPOSITORY_FOLDER / "Makefile").read_text(), re.MULTILINE)
    blocks = "\n".join(block for _, block in BLOCK.findall(page.read_text()))
    for code in [*list_code(page), *blocks.splitlines()]:
        called = re.match(r"make ([\w-]+)", code.strip())
        assert called is None or called[1] in targets, code


@pages
def test_every_recipe_that_is_named_exists(page: Path) -> None:
    for words in list_calls(page):
        if words[:1] in (["run"], ["plan"]) and len(words) > 1 and re.fullmatch(r"[a-z]\w+", words[1]):
            assert (configs_folder() / f"{words[1]}.yaml").exists(), words


def list_settings(page: Path) -> Iterator[str]:
    """The dotted keys in `--set KEY=VALUE` and in the text."""
    for words in list_calls(page):
        for option, value in itertools.pairwise(words):
            if option == "--set" and "=" in value:
                yield value.partition("=")[0]
    for code in list_code(page):
        key = re.split(r"[ =:]", code.removeprefix("--set "))[0]
        if "." in key and key.split(".")[0] in SECTIONS and "/" not in key and not key.endswith(FILES):
            yield key


@functools.cache
def list_fields(path: str) -> set[str]:
    """The annotated fields of the classes of a library's file, without importing it."""
    return set(re.findall(r"^    (\w+): ", find_file(path).read_text(), re.MULTILINE))


FOREIGN = {
    "sft.trainer": ("trl/trainer/sft_config.py", "trl/trainer/base_config.py", "transformers/training_args.py"),
    "grpo.trainer": ("trl/trainer/grpo_config.py", "trl/trainer/base_config.py", "transformers/training_args.py"),
    "evaluate.engine.arguments": ("vllm/engine/arg_utils.py",),
    "kernel.engine.arguments": ("vllm/engine/arg_utils.py",),
}


def is_setting(key: str) -> bool:
    """Whether a recipe may have a setting of this dotted key."""
    for section, files in FOREIGN.items():
        if key.startswith(f"{section}."):
            return key.removeprefix(f"{section}.") in set().union(*map(list_fields, files))
    kind: typing.Any = Recipe
    for part in key.split("."):
        sections = [each for each in list_kinds(kind) if isinstance(each, type) and issubclass(each, BaseModel)]
        if found := next((each.model_fields[part] for each in sections if part in each.model_fields), None):
            kind = found.annotation
        elif part.isdigit() or typing.get_origin(kind) is dict:
            kind = typing.get_args(kind)[1 if typing.get_origin(kind) is dict else 0]
        else:
            return False
    return True


def list_kinds(kind: typing.Any) -> tuple[typing.Any, ...]:
    """The members of a union, or the type itself."""
    return typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)


@pages
def test_every_setting_that_is_named_exists(page: Path) -> None:
    assert [key for key in list_settings(page) if not is_setting(key)] == []


@pytest.mark.parametrize(
    ("key", "there"),
    [
        *(("grpo.trainer.max_steps", True), ("grpo.trainer.max_step", False), ("grpo.guard.kl.stop", True)),
        *(("data.sources.0.path", True), ("data.source", False), ("evaluate.models.mine.path", True)),
        *(("kernel.engine.arguments.max_model_len", True), ("kernel.policy.name", False)),
    ],
)
def test_a_setting_is_known_from_one_that_is_none(key: str, there: bool) -> None:
    assert is_setting(key) is there


@pages
def test_every_policy_and_reward_that_is_named_exists(page: Path) -> None:
    sources = (REPOSITORY_FOLDER / "src/fastmath/training" / name for name in ("rewards.py", "brevity_rewards.py"))
    rewards = set(re.findall(r'__name__: ClassVar\[str\] = "(\w+)"', "".join(path.read_text() for path in sources)))
    prose = read_prose(page)
    assert set(re.findall(r"`kernel\.policy: ([\w-]+)`", prose)) <= set(find_policies())
    assert set(re.findall(r"`grpo\.rewards` \(`(\w+)`\)", prose)) <= rewards


@pages
def test_every_picture_is_told_with_its_command_machine_and_commit(page: Path) -> None:
    paragraphs = re.split(r"\n\s*\n", page.read_text())
    for place, paragraph in enumerate(paragraphs):
        if paragraph.startswith("!["):
            told = " ".join(paragraphs[place + 1 : place + 3])
            assert re.search(r"commit\s+`[0-9a-f]{7}`", told), paragraph
            assert "`fastmath " in told or "`python " in told or "same command" in told, paragraph


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("[one](nowhere.md)", test_every_link_leads_somewhere),
        ("[one](#nothing-of-this-name)", test_every_link_leads_somewhere),
        ("`docs/nowhere.md`", test_every_file_that_is_named_is_there),
        ("`src/fastmath/prompts.py:render_promt`", test_every_function_that_is_named_stands_in_its_file),
        ("`trl/trainer/grpo_trainer.py:GRPOTrainer._generat`", test_every_function_that_is_named_stands_in_its_file),
        ("```\nfastmath runn nano\n```", test_every_command_and_option_that_is_named_exists),
        ("```\nfastmath run nano \\\n  --sed 1\n```", test_every_command_and_option_that_is_named_exists),
        ("see `fastmath kernel bild`", test_every_command_and_option_that_is_named_exists),
        ("`make dem`", test_every_target_of_make_that_is_named_exists),
        ("`fastmath plan nanno`", test_every_recipe_that_is_named_exists),
        ("```\nfastmath run nano --set sft.trainer.max_step=1\n```", test_every_setting_that_is_named_exists),
        ("`grpo.guards`", test_every_setting_that_is_named_exists),
        ("`kernel.policy: esk`", test_every_policy_and_reward_that_is_named_exists),
        ("`grpo.rewards` (`cosin`)", test_every_policy_and_reward_that_is_named_exists),
        ("![a](b.png)\n\nThe nano models.", test_every_picture_is_told_with_its_command_machine_and_commit),
    ],
)
def test_these_checks_find_what_is_wrong(text: str, check: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(f"{text}\n")
    with pytest.raises((AssertionError, FileNotFoundError)):
        check(tmp_path / "page.md")


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 150


def test_the_readme_has_one_table_of_at_most_six_lines() -> None:
    tables = re.findall(r"(?:^\|.*\n)+", README.read_text(), re.MULTILINE)
    assert [table.count("\n") <= 6 for table in tables] == [True]


def test_the_readme_shows_one_picture_and_two_commands_first() -> None:
    first = README.read_text().splitlines()[:45]
    assert sum(line.startswith("![") for line in first) == 1
    assert [line.split("  ")[0] for line in first if line.startswith("make ")] == ["make demo", "make test"]
    assert any("What has run where" in line for line in first)


def test_the_readme_leads_to_every_page() -> None:
    linked = {(README.parent / target.partition("#")[0]).resolve() for target in LINK.findall(README.read_text())}
    assert {page for page in PAGES if page.parent.name == "docs"} <= linked
