"""This tree once more, in another folder and with settings and data of its own.

What a test runs there never meets the developer's `local.settings.json`, which may name a real
storage account, and leaves nothing in the checkout.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("SUROGA_", "AzureWebJobs", "AZURE_", "MAKE", "STUB_"))
}
"""Ours, without what would be a setting."""

APP = ("function_app.py", "functions", "host.json", "web")
RUN = ("infra", "local", "shared")


def linked_tree(root: Path) -> Path:
    """What `make run` needs, linked; its settings will be made from the example."""
    return _tree(root, *APP, *RUN)


def stub_tree(root: Path, host: str) -> Path:
    """The same without our app: `host` is the program that stands in for the Functions host."""
    _tree(root, *(name for name in RUN if name != "local"))
    ignored = shutil.ignore_patterns("node_modules", "host", "__pycache__")
    shutil.copytree(REPO / "local", root / "local", ignore=ignored)
    (root / "local" / "node_modules").symlink_to(REPO / "local" / "node_modules")
    folder = root / "local" / "host"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "__main__.py").write_text(host)
    return root


def _tree(root: Path, *names: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPO / "local.settings.example.json", root)
    for name in names:
        (root / name).symlink_to(REPO / name)
    return root
