"""Debian packages: which are missing, and how they get installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from local.steps import step
from local.terminal import Stop

SYSTEM_PATH = os.pathsep.join(["/usr/local/bin", "/usr/bin", "/usr/sbin", "/bin"])


@dataclass(frozen=True)
class Package:
    """`proof` is a command or an absolute path that is there once the package is."""

    name: str
    proof: str
    why: str

    @property
    def there(self) -> bool:
        if self.proof.startswith("/"):
            return Path(self.proof).exists()
        return bool(shutil.which(self.proof) or shutil.which(self.proof, path=SYSTEM_PATH))


JANUS = Package("janus", "janus", "the WebRTC server that carries the calls")
CHROMIUM = Package("chromium", "chromium", "the browser of the end-to-end tests")
FONTS = Package("fonts-dejavu-core", "/usr/share/fonts/truetype/dejavu", "text in its pictures")

GIT = Package("git", "git", "a test asks it what the package for Azure holds")

CURL = Package("curl", "curl", "tests run the commands that the documentation shows")

REDIS = Package("redis-server", "redis-server", "tests of rate limits that it counts")

RUN = (JANUS,)
TEST = (JANUS, CHROMIUM, FONTS, GIT, CURL, REDIS)


def ensure_packages(packages: tuple[Package, ...], root: Path, log: Path) -> None:
    """Installs the missing ones, or raises `Stop` with the one line to run."""
    missing = [package for package in (*_venv_package(root), *packages) if not package.there]
    if not missing:
        return
    names = [package.name for package in missing]
    what = ", ".join(f"{package.name} ({package.why})" for package in missing)
    if not shutil.which("apt-get"):
        raise Stop(f"Missing on this system: {what}. Install it with your package manager.")
    if os.geteuid() != 0 and not _passwordless_sudo():
        raise Stop(f"Missing Debian packages: {what}. Run: sudo sh local/apt.sh {' '.join(names)}")
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    step(f"Installing {what} with apt", [*sudo, "sh", "local/apt.sh", *names], log, cwd=root)
    absent = [package.name for package in missing if not package.there]
    if absent:
        raise Stop(f"apt installed {', '.join(absent)} and it is still not found: see {log}")


def _venv_package(root: Path) -> tuple[Package, ...]:
    """Debian keeps ensurepip, which a new venv needs, in a package of its own."""
    if (root / ".venv").exists() or importlib.util.find_spec("ensurepip"):
        return ()
    major, minor = sys.version_info[:2]
    proof = f"/usr/lib/python{major}.{minor}/ensurepip"
    return (Package(f"python{major}.{minor}-venv", proof, "Python's virtual environments"),)


def _passwordless_sudo() -> bool:
    if not shutil.which("sudo"):
        return False
    quiet = subprocess.DEVNULL
    check = subprocess.run(["sudo", "-n", "true"], check=False, stdout=quiet, stderr=quiet)
    return check.returncode == 0
