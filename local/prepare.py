"""The steps of the setup, and which goal needs which."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from local import packages
from local.stamps import Stamp, digest
from local.steps import step
from local.terminal import Stop

AZURITE = "3.35.0"  # later ones need Node 21
NOT_INPUTS = {"node_modules", "dist", "coverage", "test-results"}


class Prepare:
    def __init__(self, root: Path, state: Path) -> None:
        self.root = root
        self.logs = state / "log"
        self.venv = root / ".venv"
        self.python = self.venv / "bin" / "python"

    def run(self) -> None:
        self.debian(packages.RUN)
        self.python_packages("run", "local/requirements.txt")
        self.azurite()
        self.web()

    def check(self) -> None:
        self.debian(())
        self.python_packages("test", "requirements-dev.txt")
        self.node_packages("web", "the front end's build tools")

    def test(self) -> None:
        self.debian(packages.TEST)
        self.python_packages("test", "requirements-dev.txt")
        self.azurite()
        self.web()

    def has_run(self) -> bool:
        return self.python.exists() and (self.root / "local.settings.json").exists()

    def debian(self, wanted: tuple[packages.Package, ...]) -> None:
        packages.ensure_packages(wanted, self.root, self.log("apt"))

    def python_packages(self, level: str, requirements: str) -> None:
        """`test` holds all of `run`, so that after `make test` a `make run` installs nothing."""
        files = [self.root / "requirements.txt", self.root / "local" / "requirements.txt"]
        run = Stamp(self.venv / "suroga-run.stamp", digest(files))
        files.append(self.root / "requirements-dev.txt")
        test = Stamp(self.venv / "suroga-test.stamp", digest(files))
        wanted = test if level == "test" else run
        if self._venv_works() and wanted.fresh:
            return
        if not self._venv_works():
            self._create_venv()
        step(
            f"Installing Python packages into .venv ({requirements})",
            [str(self.python), "-m", "pip", "install", "--no-input", "-r", requirements],
            self.log("pip"),
            cwd=self.root,
            env={"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUNBUFFERED": "1"},
        )
        run.write()
        wanted.write()

    def _venv_works(self) -> bool:
        """Its Python is still there (upgrades remove it) and pip was installed to its end."""
        pip = any(self.venv.glob("lib/python*/site-packages/pip/__main__.py"))
        return pip and os.access(self.python, os.X_OK)

    def _create_venv(self) -> None:
        command = [sys.executable, "-m", "venv", "--clear", str(self.venv)]
        step("Creating .venv for Python packages", command, self.log("venv"), cwd=self.root)

    def azurite(self) -> None:
        self.node_packages("local", f"Azurite {AZURITE}, the storage emulator")
        about = self.root / "local" / "node_modules" / "azurite" / "package.json"
        found = json.loads(about.read_text())["version"]
        if found != AZURITE:
            raise Stop(f"Azurite {AZURITE} is needed and local/package-lock.json installs {found}.")

    def node_packages(self, folder: str, what: str) -> None:
        at = self.root / folder
        inputs = [at / "package.json", at / "package-lock.json"]
        stamp = Stamp(at / "node_modules" / ".suroga.stamp", digest(inputs))
        if stamp.fresh:
            return
        command = ["npm", "ci", "--no-audit", "--no-fund"]
        step(f"Installing {what} with npm", command, self.log(f"npm-{folder}"), cwd=at)
        stamp.write()

    def web(self) -> None:
        self.node_packages("web", "the front end's build tools")
        at = self.root / "web"
        stamp = Stamp(at / "node_modules" / ".suroga-build.stamp", digest(sorted(_inputs(at))))
        if stamp.fresh and any((at / "dist").glob("*")):
            return
        command = ["npm", "run", "build"]
        step("Building the pages (web/)", command, self.log("web-build"), cwd=at)
        stamp.write()

    def log(self, name: str) -> Path:
        return self.logs / f"setup-{name}.log"


def _inputs(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if path.name not in NOT_INPUTS:
                yield from _inputs(path)
        elif path.is_file() and path.suffix != ".tsbuildinfo":
            yield path
