"""`manifest.json` of a stage: what ran, with what, when and how it ended."""

import errno
import hashlib
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastmath.runs.files import write_json

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in a stage's folder; empty if the stage has never been started."""
    path = folder / MANIFEST
    return json.loads(path.read_text()) if path.exists() else {}


def hash_manifest(folder: Path) -> str | None:
    """SHA-256 of the manifest in a stage's folder; None if the stage has never been started."""
    path = folder / MANIFEST
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest; on a full disk a stage that has failed keeps its own error.

    Raises:
        OSError: it cannot be written.
    """
    try:
        write_json(folder / MANIFEST, manifest)
    except OSError as error:
        if error.errno != errno.ENOSPC or manifest["status"] in ("running", "done"):
            raise
        logger.warning("%s could not be brought up to date: %s", folder / MANIFEST, error)


def name_time() -> str:
    """The present time in UTC, as manifests have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
