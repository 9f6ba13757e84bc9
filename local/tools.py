"""The two tools we cannot install ourselves: Python and Node. Must import on an old Python."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess

from local.terminal import Stop

PYTHON = (3, 11)
NODE = (20, 19)  # web/package.json: Vite asks for it


def check_python(found: str = platform.python_version()) -> None:
    if _version(found) < PYTHON:
        raise Stop(
            f"Python 3.11 or newer is needed and `python3` is {found}: install python3.11"
            " (Debian 12 and Ubuntu 24.04 have it), or name a newer one: make run PYTHON=python3.12"
        )


def check_node() -> None:
    if not shutil.which("node"):
        raise Stop("Node.js 20.19 or newer is needed and `node` is not on the PATH: " + _HOW)
    found = subprocess.run(
        ["node", "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    ).stdout.decode("utf-8", "replace")
    if _version(found) < NODE:
        raise Stop(f"Node.js 20.19 or newer is needed and `node` is {found.strip()}: " + _HOW)
    if not shutil.which("npm"):
        raise Stop("npm is needed and is not on the PATH: install it (Debian calls it `npm`).")


_HOW = "install Node.js 20 LTS or newer from https://nodejs.org/en/download"


def _version(text: str) -> tuple[int, int]:
    match = re.search(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)
