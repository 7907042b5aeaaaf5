"""A `kaggle_evaluation` for tests: the competition's own where a copy is at hand, else a package of its shape.

The competition's package is on no index. `FASTMATH_KAGGLE_EVALUATION` may name a folder that holds one.
"""

import os
from pathlib import Path

REAL = os.environ.get("FASTMATH_KAGGLE_EVALUATION")

# The two speak over a socket in the package's folder, each checks that it is told what it is, and the project's own
# gateway asks the questions.
SERVER = """
import os
from multiprocessing.connection import Listener
from pathlib import Path

class AIMO2InferenceServer:
    def __init__(self, predict):
        self.predict = predict

    def serve(self):
        assert "KAGGLE_IS_COMPETITION_RERUN" in os.environ
        if Path(__file__).with_name("broken").exists():
            raise RuntimeError("the server is broken")
        with Listener(str(Path(__file__).with_name("socket"))) as listener, listener.accept() as connection:
            while True:
                try:
                    columns = connection.recv()
                except EOFError:
                    return
                connection.send(self.predict(*columns))

    def run_local_gateway(self, paths):
        from fastmath.contest.gateway import LocalGateway

        LocalGateway(self.predict).run(Path(paths[0]), Path.cwd())
"""
GATEWAY = """
import os
import time
from multiprocessing.connection import Client
from pathlib import Path

class AIMO2Gateway:
    def __init__(self, paths):
        self.path = paths[0]

    def run(self):
        from fastmath.contest.gateway import LocalGateway

        assert "KAGGLE_IS_COMPETITION_RERUN" not in os.environ
        path = Path(__file__).with_name("socket")
        while not path.exists():
            time.sleep(0.1)
        with Client(str(path)) as connection:
            ask = lambda *columns: connection.send(columns) or connection.recv()
            LocalGateway(ask).run(Path(self.path), Path.cwd())
"""
BASE = "class GatewayRuntimeError(Exception):\n    pass\n"


def write_competition(folder: Path) -> Path:
    """Write a package of the competition's shape; returns the folder that holds it."""
    package = folder / "kaggle_evaluation"
    (package / "core").mkdir(parents=True)
    (package / "aimo_2_inference_server.py").write_text(SERVER)
    (package / "aimo_2_gateway.py").write_text(GATEWAY)
    (package / "core" / "base_gateway.py").write_text(BASE)
    for empty in ("__init__.py", "core/__init__.py", "core/relay.py"):
        (package / empty).write_text("")
    return folder


def place_competition(folder: Path) -> Path:
    """The competition's own package, linked into `folder` where a copy is at hand; else one of its shape."""
    if REAL is None:
        return write_competition(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kaggle_evaluation").symlink_to(next(Path(REAL).resolve().glob("**/kaggle_evaluation")))
    return folder
