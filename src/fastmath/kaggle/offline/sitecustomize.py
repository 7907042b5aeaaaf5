"""Start-up code of every Python process in a package's check; Python runs it because its folder is in PYTHONPATH.

It makes connections to other machines fail, as on Kaggle, and logs imports of packages that a kernel must not need.
"""

import errno
import os
import sys
from typing import Any

_WATCHED = os.environ.get("FASTMATH_WATCHED", "").split(",")
_LOG = os.environ.get("FASTMATH_WATCH_LOG")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "import" and _LOG and str(arguments[0]).partition(".")[0] in _WATCHED:
        with open(_LOG, "a") as log:  # noqa: PTH123 - pathlib would be imported at every start of Python
            log.write(f"{arguments[0]}\n")
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0])
        if not host.startswith("127.") and host not in ("::1", "localhost", "0.0.0.0", "::"):
            raise OSError(errno.ENETUNREACH, f"no network here: {host}")


sys.addaudithook(_watch)
