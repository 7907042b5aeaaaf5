"""Stages of a run: each has a folder with a manifest and a lock, which show whether it has to run again.

`Stage.is_current` says whether the stage has already finished with the same settings and inputs. The work itself is
done inside `with stage.running():`, which locks the folder, writes `config.yaml` and `manifest.json`, and records how
the work ended. Nothing that a stage has made is deleted: what is in the way of a new run moves to `superseded/`.
"""

import contextlib
import errno
import logging
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import dump_recipe, load_recipe
from fastmath.recipe.sections import Recipe
from fastmath.runs.locks import hold_alone, stage_lock, trainer_lock, wait_until_free
from fastmath.runs.manifest import hash_manifest, name_time, read_manifest, write_manifest
from fastmath.runs.memory import MemoryMonitor
from fastmath.runs.progress import PROGRESS_FILE, TOKENS_PER_SECOND, read_progress
from fastmath.runs.provenance import describe_commit, describe_hardware, list_package_versions
from fastmath.runs.settings import drop_additions, is_resumable, keep_deciding, list_differences
from fastmath.runs.sources import hash_sources, list_sources
from fastmath.runs.stages import list_inputs, select_settings
from fastmath.runs.superseded import SUPERSEDED, set_aside

logger = logging.getLogger(__name__)


class MissingStageError(RuntimeError):
    """A stage cannot run because an earlier stage has not finished, or because one of its products is missing."""


class StageFailedError(RuntimeError):
    """A notebook failed; the message contains the stage, the error and the path of the executed notebook."""


class StageStoppedError(RuntimeError):
    """A stage was asked to stop and has saved its work; the next run goes on from there."""


class DiskFullError(RuntimeError):
    """A stage ran out of disk space; what it had saved before is kept."""


class OtherSettingsError(SettingsError):
    """A stage has made something with other settings or inputs, which is neither reused nor overwritten."""


@dataclass(frozen=True)
class Stage:
    """One stage of one run.

    Attributes:
        name: a key of `fastmath.runs.stages.NOTEBOOKS`.
        recipe: the resolved recipe.
        run_dir: absolute path of the run folder.
        root: folder at which relative paths in the recipe start; by default the working directory.
        parameters: further parameters of the notebook that decide the result, such as a file of questions; a value that
            is the path of a file is compared by the file's contents, too.
    """

    name: str
    recipe: Recipe
    run_dir: Path
    root: Path = field(default_factory=Path.cwd)
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The stage's own folder, `run_dir/name`."""
        return self.run_dir / self.name

    def require_inputs(self, recipe: str) -> None:
        """Check that every stage whose products this one reads has finished, with the settings that this one is given.

        Raises:
            MissingStageError: a stage has not finished; the message contains the command that runs it.
            OtherSettingsError: a stage has finished with other settings or another seed.
        """
        for earlier in list_inputs(self.name, self.recipe):
            status = read_manifest(self.run_dir / earlier).get("status", "not started")
            if status != "done":
                raise MissingStageError(
                    f"{self.name} needs stage {earlier!r} in {self.run_dir}, which is {status}; run it first: "
                    f"fastmath run {recipe} --run-dir {self.run_dir} --to {earlier}"
                )
            other = Stage(earlier, self.recipe, self.run_dir, self.root)
            differences = other.setting_differences() | other.source_differences(ignore_missing=True)
            if differences:
                raise OtherSettingsError(
                    f"{self.name} needs stage {earlier!r} in {self.run_dir}, which was made with other settings:"
                    f"{_list(differences)}\nUse the settings that it was made with, or another run folder (`run_dir`, "
                    "--run-dir)"
                )

    def product(self, stage: str, name: str) -> Path:
        """Path of a file or folder that an earlier stage made.

        Args:
            stage: name of the earlier stage.
            name: path inside that stage's folder, for example `model`.

        Raises:
            MissingStageError: there is no such file or folder.
        """
        path = self.run_dir / stage / name
        if not path.exists():
            raise MissingStageError(
                f"{self.name} needs {path}, which stage {stage!r} makes; run that stage first: "
                f"fastmath run {self.recipe.name} --run-dir {self.run_dir} --to {stage}"
            )
        return path

    def read_manifest(self) -> dict[str, Any]:
        """The stage's manifest; empty if the stage has never been started."""
        return read_manifest(self.folder)

    @property
    def is_done(self) -> bool:
        """Whether the stage has finished, with whatever settings."""
        return self.read_manifest().get("status") == "done"

    def is_current(self) -> bool:
        """Whether this stage has already finished with the same settings and inputs."""
        return self.is_done and not self.differences()

    def require_same_settings(self) -> None:
        """Refuse a stage that has finished, or saved checkpoints, with other settings or inputs than it is given now.

        Raises:
            OtherSettingsError: it has; the message lists the differences and says what to do.
        """
        holds_work = self.is_done or any(self.folder.glob("**/checkpoints/*"))
        differences = self.differences() if holds_work else {}
        if differences and not self.can_resume():
            done = "has finished" if self.is_done else "has saved checkpoints"
            raise OtherSettingsError(
                f"{self.name} in {self.run_dir} {done} with other settings or inputs:{_list(differences)}\nGive "
                "this run a folder of its own (`run_dir`, --run-dir), or let it replace the old one (`force` in the "
                f"notebook, --force), which moves the old products to {self.run_dir / SUPERSEDED}"
            )

    def can_resume(self) -> bool:
        """Whether the stage can go on from what it has made with the present settings.

        It has been started and not finished; or it has finished, and the settings only add to what it has made.
        """
        differences = self.differences()
        others = drop_additions(differences)
        if self.is_done:
            return bool(differences) and not others
        return bool(self.read_manifest()) and all(is_resumable(*item) for item in others.items())

    def differences(self) -> dict[str, str]:
        """Settings and inputs that can change the result and are not those of the last run: key → `old → new`.

        Empty for a stage that has never been started.
        """
        manifest = self.read_manifest()
        if not manifest:
            return {}
        inputs = list_differences(_shorten(manifest["inputs"]), _shorten(self.input_hashes()))
        inputs = {f"input {name}": change for name, change in inputs.items()}
        return self.setting_differences() | self.source_differences() | inputs

    def source_differences(self, ignore_missing: bool = False) -> dict[str, str]:
        """Files outside the run whose contents are not those that the stage's last run has read: key → `old → new`.

        Args:
            ignore_missing: whether a file that is gone counts as unchanged, as when data are removed after their use.
        """
        then = self.read_manifest().get("sources", {})
        now = self.source_hashes()
        then = {key: digest for key, digest in then.items() if key in now or not ignore_missing}
        return list_differences(
            *({key: f"contents {digest[:8]}" for key, digest in each.items()} for each in (then, now))
        )

    def source_hashes(self) -> dict[str, str]:
        """SHA-256 of the files outside the run that the stage reads, by the setting that names them."""
        named = {name: self.root / value for name, value in self.parameters.items() if (self.root / value).is_file()}
        return hash_sources(list_sources(self.name, self.recipe, self.root) | named, self.run_dir)

    def setting_differences(self) -> dict[str, str]:
        """Settings that can change the result and are not those of the stage's last run: key → `old → new`."""
        try:
            then = Stage(self.name, load_recipe(str(self.folder / "config.yaml")), self.run_dir).settings()
        except SettingsError as error:
            return {"config.yaml": f"{error} → the present settings"}
        parameters = self.read_manifest().get("parameters", {})
        return list_differences(
            keep_deciding(then) | parameters, keep_deciding(self.settings()) | dict(self.parameters)
        )

    def settings(self) -> dict[str, Any]:
        """The seed and the settings of the recipe that this stage reads."""
        return select_settings(self.name, self.recipe)

    def input_hashes(self) -> dict[str, str | None]:
        """SHA-256 of the manifest of each earlier stage, None for one that has never run; every rerun changes it."""
        return {name: hash_manifest(self.run_dir / name) for name in list_inputs(self.name, self.recipe)}

    def supersede(self) -> None:
        """Move what the stage has made, and what later stages have made of it, to `superseded/`.

        Raises:
            RunLockedError: another process has locked the folder.
        """
        with self._alone():
            set_aside(self.run_dir, self.name)

    @contextlib.contextmanager
    def running(self, force: bool = False) -> Iterator[None]:
        """Lock the folder while the work runs, and record in the manifest how it ended.

        The `status` becomes `done`, `interrupted` or `failed`. The files of an earlier, unfinished run that can go on
        with these settings and inputs are kept; any other files are set aside first.

        Args:
            force: whether to begin anew, whatever is there, and also where the stage has finished with other settings.

        Raises:
            OtherSettingsError: without `force`, the stage has finished with other settings or inputs.
            RunLockedError: another process has locked the folder.
            DiskFullError: the work ran out of disk space.
        """
        with self._alone(), MemoryMonitor() as memory:
            if not force:
                self.require_same_settings()
            if force or not self.can_resume():
                set_aside(self.run_dir, self.name)
            resumed_with = [*self.read_manifest().get("resumed_with", []), *filter(None, [self.differences()])]
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / PROGRESS_FILE).unlink(missing_ok=True)  # an earlier run's
            (self.folder / "config.yaml").write_text(dump_recipe(self.recipe))
            manifest = self._begin_manifest(resumed_with)
            started = time.monotonic()
            write_manifest(self.folder, manifest)
            try:
                yield
            except BaseException as error:
                interrupted = isinstance(error, KeyboardInterrupt | StageStoppedError)
                manifest |= {"status": "interrupted" if interrupted else "failed", "error": type(error).__name__}
                if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                    raise DiskFullError(
                        f"no space left for {self.name} in {self.folder} "
                        f"({shutil.disk_usage(self.folder).free / 2**30:.2f} GiB free); what it has saved is kept: "
                        "make room, or keep fewer checkpoints (`save_total_limit`), and run the same command again"
                    ) from error
                raise
            else:
                manifest["status"] = "done"
            finally:
                progress = read_progress(self.folder)
                manifest |= {
                    "ended": name_time(),
                    "seconds": round(time.monotonic() - started, 1),
                    "tokens_per_second": None if progress is None else progress.figures.get(TOKENS_PER_SECOND),
                    **memory.peaks(),
                }
                write_manifest(self.folder, manifest)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the stage's lock, after any trainer that outlived its notebook has saved its work and ended."""
        with hold_alone(stage_lock(self.folder)):
            wait_until_free(trainer_lock(self.folder), logger.warning)
            yield

    def _begin_manifest(self, resumed_with: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        return {
            "id": uuid.uuid4().hex,  # distinguishes a rerun even within one second
            "stage": self.name,
            "recipe": self.recipe.name,
            "seed": self.recipe.seed,
            "status": "running",
            "parameters": dict(self.parameters),
            "resumed_with": list(resumed_with),  # settings that were changed while the stage was interrupted
            "inputs": self.input_hashes(),
            "sources": self.source_hashes(),
            "git": describe_commit(),
            "packages": list_package_versions(),
            "hardware": describe_hardware(),
            "started": name_time(),
        }


def _list(differences: Mapping[str, str]) -> str:
    return "".join(f"\n  {key}: {change}" for key, change in differences.items())


def _shorten(hashes: Mapping[str, str | None]) -> dict[str, str]:
    return {name: "not there" if digest is None else f"run {digest[:8]}" for name, digest in hashes.items()}
