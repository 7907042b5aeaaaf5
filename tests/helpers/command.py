"""The command line, run as its users run it: in a process of its own."""

import os
import subprocess
import sys


def fastmath(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The finished command; a test looks at its exit code and at what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "fastmath.cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
