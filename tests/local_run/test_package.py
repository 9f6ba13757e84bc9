"""What `.funcignore` lets into the deployment package, as git and as Core Tools read it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tree import REPO

Packed = Callable[[list[str], Path], list[str]]
FUNCIGNORE = REPO / ".funcignore"
GENERATED = (
    "web/dist/index.html",
    "web/dist/assets/index-abc.js",
    ".local/host/keys.json",
    ".local/log/host.log",
    ".test/screenshots/call.png",
    ".venv/bin/python",
    ".git/config",
    "__pycache__/function_app.cpython-311.pyc",
    "functions/__pycache__/health.cpython-311.pyc",
    "shared/platform/__pycache__/ids.cpython-311.pyc",
    "local.settings.json",
    "web/node_modules/vite/package.json",
    "local/node_modules/azurite/package.json",
    "core",
    "capture/call.pcap",
)
"""Paths that git does not track and that a checkout may hold."""


def expected(path: str) -> bool:
    """As the comment of the file says."""
    words = FUNCIGNORE.read_text().split("What remains: ")[1].split("#\n")[0]
    remaining = tuple(words.replace("#", "").replace("\n", " ").replace(",", " ").split())
    return path.startswith(remaining) and "__pycache__" not in path


def sources() -> Iterator[str]:
    """What git tracks; in a tree without git, what lies there and was not generated."""
    if (REPO / ".git").exists():
        command = ["git", "-c", "safe.directory=*", "ls-files"]
        listed = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
        yield from listed.stdout.splitlines()
        return
    for folder, below, files in os.walk(REPO):
        below[:] = [name for name in below if name not in ("node_modules", ".venv")]
        for name in files:
            yield str((Path(folder) / name).relative_to(REPO))


def packed_by_git(paths: list[str], folder: Path) -> list[str]:
    """In an empty repository, so that no `.gitignore` has a say."""
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    command = ["git", "-c", f"core.excludesFile={FUNCIGNORE}", "check-ignore", "--no-index"]
    found = subprocess.run(
        [*command, "--stdin"],
        cwd=folder,
        input="\n".join(paths),
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(set(paths) - set(found.stdout.splitlines()))


def packed_by_core_tools(paths: list[str], folder: Path) -> list[str]:
    """Each line is the beginning of a path: `*` is some of a name, `**` some of a path.

    https://github.com/Azure/azure-functions-core-tools, `GitIgnoreParser`
    """
    lines = (line.strip() for line in FUNCIGNORE.read_text().splitlines())
    patterns = [
        re.escape(line.removeprefix("/")).replace(r"\*\*", ".+").replace(r"\*", "[^/]+")
        for line in lines
        if line and not line.startswith("#")
    ]
    ignored = re.compile("|".join(patterns))
    return sorted(path for path in paths if not ignored.match(path))


@pytest.mark.parametrize("packed", [packed_by_git, packed_by_core_tools])
def test_nothing_but_what_azure_needs_is_packed(packed: Packed, tmp_path: Path) -> None:
    paths = sorted({*sources(), *GENERATED})
    found = packed(paths, tmp_path)
    assert found == [path for path in paths if expected(path)]
    folders = {path.split("/")[0] for path in found}
    needed = {"function_app.py", "functions", "shared", "web", "host.json", "requirements.txt"}
    assert folders == needed
