"""The model that a stage begins from: that of an earlier stage, the embedded one, a local folder or one of the Hub."""

from dataclasses import dataclass
from pathlib import Path

from fastmath.recipe.pins import require_commit
from fastmath.recipe.sections import Recipe
from fastmath.runs.model_folder import check_model_folder
from fastmath.runs.stage import Stage
from fastmath.runs.stages import find_model_stage


@dataclass(frozen=True)
class StartModel:
    """A model as `from_pretrained` takes it.

    Attributes:
        name: absolute path of a folder, or the name of a Hub model.
        revision: commit of a Hub model; None for a folder.
    """

    name: str
    revision: str | None = None

    def require_whole(self) -> None:
        """Refuse a folder that lacks a part of the model; a Hub model is looked at when it is downloaded.

        Raises:
            fastmath.runs.model_folder.ModelFolderError: something is missing.
        """
        if self.revision is None:
            check_model_folder(Path(self.name))

    def fetch(self) -> Path:
        """The folder with all files of the model; a Hub model is downloaded into the cache of `huggingface_hub`.

        Raises:
            fastmath.runs.model_folder.ModelFolderError: something is missing.
        """
        if self.revision is None:
            folder = Path(self.name)
        else:
            from huggingface_hub import snapshot_download  # a second, which folders do not need

            folder = Path(snapshot_download(self.name, revision=self.revision))
        check_model_folder(folder)
        return folder


def find_start_model(stage: Stage) -> StartModel:
    """The model that a stage of a recipe begins from.

    Raises:
        fastmath.runs.stage.MissingStageError: the stage that makes it has not made it.
        fastmath.recipe.errors.SettingsError: a Hub model is not pinned to a commit.
    """
    source = find_model_stage(stage.name, stage.recipe)
    if source is not None:
        return StartModel(str(stage.product(source, "model")))
    return find_base_model(stage.recipe, stage.run_dir, stage.root)


def find_base_model(recipe: Recipe, run_dir: Path, root: Path) -> StartModel:
    """The base model of a recipe.

    Args:
        recipe: the recipe.
        run_dir: the run folder, in which the data stage makes the embedded model.
        root: folder at which a relative path of a local model starts.

    Raises:
        fastmath.recipe.errors.SettingsError: a Hub model is not pinned to a commit.
    """
    model = recipe.model
    if model.nano is not None:
        return StartModel(str(run_dir / "build_data" / "base_model"))
    if (root / model.name).is_dir():
        return StartModel(str((root / model.name).absolute()))
    return StartModel(model.name, require_commit("`model.revision`", model.name, model.revision, dataset=False))
