"""The setup: says what is missing, installs once, explains what failed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local import packages
from local.packages import Package, ensure_packages
from local.prepare import Prepare
from local.stamps import Stamp, digest
from local.steps import step
from local.terminal import Stop
from local.tools import check_python
from tests.tree import ENVIRONMENT, REPO

ABSENT = Package("no-such-package", "no-such-command", "tests")


def on_path(folder: Path, **scripts: str) -> str:
    """A PATH with these scripts (`true` for an empty one) and Python, and nothing else."""
    folder.mkdir(exist_ok=True)
    (folder / "python3").symlink_to(sys.executable)
    for name, script in scripts.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    return str(folder)


def setup(root: Path, path: str, goal: str = "run") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.setup", goal]
    environment = {**ENVIRONMENT, "PATH": path}
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("scripts", "says"),
    [
        ({}, "`node` is not on the PATH: install Node.js 20"),
        ({"node": "echo v18.20.4"}, "`node` is v18.20.4: install Node.js 20"),
        ({"node": "echo v20.19.0"}, "npm is needed and is not on the PATH"),
    ],
)
def test_without_node_one_sentence(
    tmp_path: Path, project: Path, scripts: dict[str, str], says: str
) -> None:
    found = setup(project, on_path(tmp_path / "bin", **scripts))
    assert found.returncode == 1
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert says in found.stderr
    assert not (project / ".venv").exists()


def test_an_old_python_is_one_sentence() -> None:
    with pytest.raises(Stop, match=r"Python 3\.11 or newer is needed and `python3` is 3\.9\.2"):
        check_python("3.9.2")
    for fine in ("3.11.0", "3.14.0rc1", "4.0.0"):
        check_python(fine)


def test_what_an_old_python_reads_first_is_plain() -> None:
    """Before the check of its version it imports these three."""
    for name in ("setup", "terminal", "tools"):
        text = (REPO / f"local/{name}.py").read_text()
        assert "from __future__ import annotations" in text
        assert "match " not in text.replace("match = ", "").replace("match else", "")


def test_a_missing_package_without_root_is_the_line_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", on_path(tmp_path / "bin", apt_get="exit 9", sudo="exit 1"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Stop, match=r"Run: sudo sh local/apt\.sh no-such-package$"):
        ensure_packages((ABSENT,), REPO, tmp_path / "log")


def test_a_missing_package_without_apt_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", on_path(tmp_path / "bin"))
    with pytest.raises(Stop, match=r"no-such-package \(tests\).*your package manager"):
        ensure_packages((ABSENT,), REPO, tmp_path / "log")


def test_passwordless_sudo_installs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proof = tmp_path / "installed"
    sudo = f'[ "$2" = true ] || {{ shift; echo "$@" >{proof}; }}'
    path = on_path(tmp_path / "bin", apt_get="exit 9", sudo=sudo)
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    ensure_packages((Package("tea", str(proof), "tests"),), REPO, tmp_path / "log")
    assert proof.read_text() == "sh local/apt.sh tea\n"


@pytest.mark.parametrize("own_policy", [None, "#!/bin/sh\nexit 0\n"])
def test_apt_starts_no_service_and_restores_the_policy(
    tmp_path: Path, own_policy: str | None
) -> None:
    policy, seen = tmp_path / "policy-rc.d", tmp_path / "seen"
    if own_policy:
        policy.write_text(own_policy)
    apt = f'case "$*" in *install*) sh {policy}; echo "$? $*" >>{seen};; esac'
    on_path(tmp_path / "bin", apt_get=apt, systemctl="")
    environment = {**ENVIRONMENT, "POLICY_RC_D": str(policy)}
    environment["PATH"] = f"{tmp_path / 'bin'}:{ENVIRONMENT['PATH']}"
    command = ["sh", str(REPO / "local/apt.sh"), "tea", "milk"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert seen.read_text().startswith("101 ")
    assert "--no-install-recommends tea milk" in seen.read_text()
    assert (policy.read_text() if policy.exists() else None) == own_policy


def test_apt_leaves_no_service_for_the_next_boot(tmp_path: Path) -> None:
    units, seen = tmp_path / "units", tmp_path / "seen"
    units.mkdir()
    (units / "janus.service").touch()
    apt = f'case "$*" in *install*) touch {units}/janus.service {units}/redis-server.service;; esac'
    on_path(tmp_path / "bin", apt_get=apt, systemctl=f'echo "$*" >>{seen}')
    environment = {**ENVIRONMENT, "POLICY_RC_D": str(tmp_path / "policy-rc.d")}
    environment |= {"SYSTEM_UNITS": str(units)}
    environment["PATH"] = f"{tmp_path / 'bin'}:{ENVIRONMENT['PATH']}"
    command = ["sh", str(REPO / "local/apt.sh"), "janus", "redis-server"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert seen.read_text() == "disable redis-server.service\n", "janus was there before us"


def test_a_failing_step_shows_where_it_began(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = "echo fine; echo 'npm error code E404'; seq 40; echo getaddrinfo EAI_AGAIN; exit 7"
    with pytest.raises(Stop) as stop:
        step("Making tea", ["sh", "-c", script], tmp_path / "log" / "tea.log", cwd=tmp_path)
    assert "Making tea: failed with exit status 7. It could not reach the network" in str(
        stop.value
    )
    assert str(tmp_path / "log" / "tea.log") in str(stop.value)
    said = capsys.readouterr().err
    assert "    npm error code E404\n    1\n" in said
    assert "fine" not in said


def test_a_slow_step_says_that_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("local.terminal.Progress.EVERY", 0.1)
    step("Making tea", ["sh", "-c", "echo hot; sleep 0.7"], tmp_path / "log", cwd=tmp_path)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Making tea …"
    assert lines[1].endswith("s hot")
    assert "✓" in lines[-1]


def test_a_stamp_is_fresh_for_the_same_inputs_only(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("1")
    stamp = Stamp(tmp_path / "out" / "stamp", digest([source]))
    assert not stamp.fresh
    stamp.write()
    assert stamp.fresh
    source.write_text("2")
    assert not Stamp(stamp.path, digest([source])).fresh


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree whose tools only count: `calls` has a line for each time one was called."""
    root = tmp_path / "tree"
    for folder in ("local", "web/src", "web/dist"):
        (root / folder).mkdir(parents=True)
    for name in ("requirements.txt", "local/requirements.txt", "requirements-dev.txt"):
        (root / name).touch()
    for folder in ("local", "web"):
        for name in ("package.json", "package-lock.json"):
            (root / folder / name).write_text(folder)
    (root / "web/src/main.ts").write_text("1")
    (root / "web/dist/index.html").touch()
    azurite = root / "local/node_modules/azurite"
    azurite.mkdir(parents=True)
    (azurite / "package.json").write_text(json.dumps({"version": "3.35.0"}))
    calls = tmp_path / "calls"
    path = on_path(
        tmp_path / "bin", npm=f'mkdir -p node_modules dist; touch dist/a; echo "npm $*" >>{calls}'
    )
    python = root / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "python $*" >>{calls}\n')
    python.chmod(0o755)
    pip = root / ".venv/lib/python3.11/site-packages/pip"
    pip.mkdir(parents=True)
    (pip / "__main__.py").touch()
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    monkeypatch.setattr(packages, "RUN", ())
    monkeypatch.setattr(packages, "TEST", ())
    return root


def calls(root: Path) -> list[str]:
    path = root.parent / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_everything_is_installed_once(tree: Path) -> None:
    prepare = Prepare(tree, tree / ".local")
    prepare.run()
    assert calls(tree) == [
        "python -m pip install --no-input -r local/requirements.txt",
        "npm ci --no-audit --no-fund",
        "npm ci --no-audit --no-fund",
        "npm run build",
    ]
    prepare.run()
    assert calls(tree) == []
    prepare.test()
    assert calls(tree) == ["python -m pip install --no-input -r requirements-dev.txt"]
    prepare.run()
    prepare.check()
    assert calls(tree) == []


def test_only_what_changed_is_done_again(tree: Path) -> None:
    prepare = Prepare(tree, tree / ".local")
    prepare.test()
    calls(tree)
    (tree / "web/src/main.ts").write_text("2")
    prepare.run()
    assert calls(tree) == ["npm run build"]
    shutil.rmtree(tree / "web/dist")
    prepare.run()
    assert calls(tree) == ["npm run build"]
    (tree / "requirements.txt").write_text("tea")
    prepare.run()
    assert calls(tree) == ["python -m pip install --no-input -r local/requirements.txt"]
    prepare.test()
    assert "requirements-dev.txt" in calls(tree)[0]


def test_a_failed_step_is_done_again(tree: Path) -> None:
    prepare = Prepare(tree, tree / ".local")
    npm = tree.parent / "bin" / "npm"
    good = npm.read_text()
    npm.write_text("#!/bin/sh\nmkdir -p node_modules; exit 1\n")
    with pytest.raises(Stop, match="Installing Azurite"):
        prepare.run()
    npm.write_text(good)
    calls(tree)
    prepare.run()
    assert calls(tree).count("npm ci --no-audit --no-fund") == 2


def test_another_azurite_is_refused(tree: Path) -> None:
    about = tree / "local/node_modules/azurite/package.json"
    about.write_text(json.dumps({"version": "3.36.0"}))
    with pytest.raises(Stop, match=r"Azurite 3\.35\.0 is needed"):
        Prepare(tree, tree / ".local").run()
