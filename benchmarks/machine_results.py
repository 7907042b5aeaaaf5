"""Where the results of benchmarks are kept: `benchmarks/results`, a folder a machine."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def keep(name: str, result: Mapping[str, Any], machine: str) -> None:
    """Write a result to the folder of its machine in `benchmarks/results`."""
    slug = re.sub(r"[^a-z0-9]+", "-", machine.lower()).strip("-")
    kept = RESULTS / slug / f"{name}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(result, indent=1) + "\n")
