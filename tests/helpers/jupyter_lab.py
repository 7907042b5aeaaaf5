"""JupyterLab on a folder, and a browser that looks at it."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium")
"""Debian's browser; None where it is not installed."""
START_SECONDS = 60.0
"""Longest wait for the server, in seconds."""


@dataclass
class Visit:
    """A page of the browser, and what went wrong in it.

    Attributes:
        page: the page.
        errors: errors of the console and exceptions of scripts.
        outside: addresses on other machines that it asked for.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        # Without its sandbox, which a container's root cannot have.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def visit(
    browser: Browser,
    address: str,
    *,
    offline: bool = False,
    width: int = 1400,
    height: int = 1000,
    scheme: Literal["light", "dark"] = "light",
) -> Visit:
    """Open an address in a page of its own.

    Args:
        browser: the browser.
        address: address of the page.
        offline: whether the page has no network.
        width: width of the window, in pixels.
        height: its height.
        scheme: whether the reader likes pages light or dark.
    """
    size = {"width": width, "height": height}
    context = browser.new_context(viewport=size, offline=offline, color_scheme=scheme)
    seen = Visit(context.new_page())
    seen.page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on("request", lambda request: seen.outside.append(request.url) if _is_outside(request.url) else None)
    seen.page.goto(address)
    return seen


def _is_outside(address: str) -> bool:
    parts = urllib.parse.urlsplit(address)
    return parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "127.0.0.1"


@contextlib.contextmanager
def serve_lab(folder: Path, settings: Path) -> Iterator[str]:
    """JupyterLab on a folder; yields the address to which a notebook's path is added, and its token.

    Args:
        folder: folder with the notebooks.
        settings: empty folder for its configuration, so that nobody's own is used.
    """
    (settings / "labconfig").mkdir(parents=True)
    # News would be fetched from the network.
    disabled = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (settings / "labconfig" / "page_config.json").write_text(json.dumps(disabled))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
    command += [f"--ServerApp.port={port}", f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={token}"]
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTERLAB_WORKSPACES_DIR", "JUPYTERLAB_SETTINGS_DIR")
    environment = os.environ | dict.fromkeys((*folders, "IPYTHONDIR"), str(settings))
    with (settings / "lab.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
        try:
            _wait_for(f"http://127.0.0.1:{port}/api", server, settings / "lab.log")
            yield f"http://127.0.0.1:{port}/doc/tree/{{}}?token={token}&reset"
        finally:
            server.terminate()
            server.wait(30)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(address, timeout=5)
            return
        time.sleep(0.2)
    raise TimeoutError(f"JupyterLab did not start in {START_SECONDS:.0f} s:\n{log.read_text()[-2000:]}")


def run_all_cells(page: Page) -> None:
    """Start to run the cells of the notebook that is open."""
    kernel = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel"
    page.wait_for_function(f"() => {kernel}?.status === 'idle'", timeout=60_000)  # before, Lab asks for a kernel
    page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-all-cells')")
