"""Classes from outside the project, which a recipe names by their import path, `package.module:ClassName`."""

import importlib
import inspect
import re
from collections.abc import Callable

from fastmath.recipe.errors import SettingsError, suggest

IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
"""What names such a class."""


def import_class(label: str, path: str, wanted: str, fits: Callable[[type], bool]) -> type:
    """Import the class that an import path names.

    Args:
        label: what the class is for; the error messages begin with it and the path.
        path: the import path, which may be malformed.
        wanted: what the class should be, for error messages.
        fits: whether a class is of the wanted kind.

    Raises:
        SettingsError: the path is malformed, its module cannot be imported, or names another kind.
    """
    wanted = f"{wanted}, named `package.module:ClassName`"
    if not IMPORT_PATH.fullmatch(path):
        raise SettingsError(f"{label} {path!r} is no import path; want {wanted}")
    module_name, _, class_name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise SettingsError(
            f"{label} {path!r}: importing {module_name!r} failed ({error}); install the module, or put its folder, as "
            "an absolute path, on PYTHONPATH"
        ) from error
    found = getattr(module, class_name, None)
    if found is None:
        kinds = [name for name, member in vars(module).items() if _is_usable(member, fits)]
        known = suggest(class_name, kinds) if kinds else f"; want {wanted}"
        raise SettingsError(f"{label} {path!r}: {module_name!r} has no {class_name!r}{known}")
    if not _is_usable(found, fits):
        raise SettingsError(f"{label} {path!r} is {found!r}; want {wanted}")
    return found


def _is_usable(member: object, fits: Callable[[type], bool]) -> bool:
    return inspect.isclass(member) and not inspect.isabstract(member) and fits(member)
