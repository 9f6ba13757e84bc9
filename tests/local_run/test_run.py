"""`make run` starts everything, says so, survives Azurite's end, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.ports import Ports
from tests.local_run.project import eventually_none, free_port, processes_of, running
from tests.tree import ENVIRONMENT, REPO

TRACEBACK = "Traceback"


def test_says_ready_and_ends_everything_on_sigterm(project: Path) -> None:
    port = free_port()
    with running(project, port, state="data") as run:
        run.wait_for("/health")
        assert f"\nready: http://localhost:{port}\n" in run.text
        for page in ("/", "/docs", "/health"):
            assert re.search(rf"http://localhost:{port}{page}$", run.text, re.MULTILINE)
        assert f'{{"message": "public url http://localhost:{port}"}}' in run.text
        run.send(signal.SIGTERM)
        assert run.wait() == 0
        assert run.text.endswith("Stopped.\n")
    assert TRACEBACK not in run.text
    eventually_none(project, 0)
    log = (project / "data/log/host.log").read_text()
    assert "public url" in log
    assert "the host says goodbye" in log
    assert sorted(p.name for p in (project / "data/run").iterdir()) == ["lock"]


def test_a_second_ctrl_c_breaks_nothing(project: Path) -> None:
    with running(project, free_port()) as run:
        run.wait_for("ready: http")
        run.send(signal.SIGINT)
        run.wait_for("SIGINT")
        run.send(signal.SIGINT)
        run.send(signal.SIGTERM)
        assert run.wait() == 0
    assert "was killed" not in run.text
    assert TRACEBACK not in run.text


def test_the_second_on_one_state_says_who_runs_and_harms_nobody(project: Path) -> None:
    port = free_port()
    with running(project, port) as first:
        first.wait_for("ready: http")
        with running(project, port) as second:
            assert second.wait() == 1
        assert second.text.count("\n") == 1
        assert f"running already, at http://localhost:{port} (process" in second.text
        with running(project, port, state="other") as third:
            assert third.wait() == 1
        assert f"Port {port} (the API and the pages) is taken" in third.text
        assert http_status(port) == 200


@pytest.mark.parametrize("service", ["blobs", "tables", "Admin API of VM 1"])
def test_a_taken_port_is_one_sentence(project: Path, service: str) -> None:
    ports = Ports.of(free_port())
    number = {"blobs": ports.azurite, "tables": ports.azurite + 2}.get(service, ports.janus + 11)
    with socket.create_server(("127.0.0.1", number)), running(project, ports.api) as run:
        assert run.wait() == 1
    (sentence,) = [line for line in run.text.splitlines() if "Writing local.settings" not in line]
    assert f"Port {number} (" in sentence
    assert service in sentence
    assert "make run PORT=" in sentence


def test_a_broken_setting_is_one_sentence_and_starts_nothing(project: Path) -> None:
    with running(project, free_port(), SUROGA_VM_LEAD="soon") as run:
        assert run.wait() == 1
    assert "Setting SUROGA_VM_LEAD is malformed" in run.text
    assert TRACEBACK not in run.text
    assert not (project / ".local/azurite").exists()


BROKEN = "echo 'janus: error while loading shared libraries: libnice.so.10' >&2; exit 127"
WITHOUT_PLUGIN = """
sed -i 's/libjanus_echotest.so/&,libjanus_videoroom.so/' "$2/janus.jcfg"
exec {janus} "$@"
"""


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (BROKEN, "last error: janus: error while loading shared libraries: libnice.so.10"),
        (WITHOUT_PLUGIN, "Invalid plugin (460)"),
    ],
    ids=["broken", "without the plugin"],
)
def test_a_janus_that_cannot_work_is_one_sentence(
    project: Path, tmp_path: Path, script: str, says: str
) -> None:
    janus = tmp_path / "bin" / "janus"
    janus.parent.mkdir()
    janus.write_text("#!/bin/sh\n" + script.format(janus=shutil.which("janus")))
    janus.chmod(0o755)
    port = free_port()
    with running(project, port, PATH=f"{janus.parent}:{ENVIRONMENT['PATH']}") as run:
        assert run.wait() == 1
    (sentence,) = [line for line in run.text.splitlines() if "Calls can't work" in line]
    assert says in sentence
    log = sentence.rpartition("the log of Janus is ")[2]
    assert Path(log).exists()
    assert "ready:" not in run.text
    assert TRACEBACK not in run.text
    eventually_none(project, 0)


def test_it_is_not_ready_before_the_timers_are(project: Path) -> None:
    with running(project, free_port(), STUB_HOST="idle") as run:
        run.wait_for("asked for the status 3 times")
        assert "ready:" not in run.text


def test_the_check_of_janus_leaves_nothing(project: Path) -> None:
    with running(project, free_port()) as run:
        run.wait_for("ready: http")
        assert not [line for line in processes_of(project) if "janus" in line.split(" ")[0]]
        assert list((project / ".local/vms").iterdir()) == []


def test_a_host_that_cannot_start_is_explained(project: Path) -> None:
    with running(project, free_port(), STUB_HOST="broken") as run:
        assert run.wait() == 1
    assert "(exit status 3) before it was ready: function_app.py does not import." in run.text
    assert TRACEBACK not in run.text


def test_a_host_that_dies_ends_everything(project: Path) -> None:
    port = free_port()
    with running(project, port) as run:
        run.wait_for("ready: http")
        with pytest.raises((http.client.HTTPException, OSError)):
            http_status(port, "/die")
        assert run.wait() == 1
    assert "The Functions host ended (exit status 4): ending everything." in run.text
    eventually_none(project, 0)


def test_azurite_is_started_again_with_its_data(project: Path) -> None:
    port = free_port()
    with running(project, port) as run:
        run.wait_for("ready: http")
        first = run.azurite_pid()
        os.kill(first, signal.SIGTERM)
        run.wait_for("Azurite (storage) is back.")
        assert run.azurite_pid() != first
        with socket.create_connection(("127.0.0.1", Ports.of(port).azurite + 2)):
            pass
    assert run.text.count("Azurite (storage) ended") == 1
    assert TRACEBACK not in run.text


def test_azurite_saves_although_it_is_told_to_end_again_and_again(project: Path) -> None:
    """As the kernel tells it when a `make run` with threads is killed."""
    with running(project, free_port()) as run:
        run.wait_for("ready: http")
        number = run.azurite_pid()
        with contextlib.suppress(ProcessLookupError):
            while "Azurite (storage) ended" not in run.text:
                for _ in range(100):
                    os.kill(number, signal.SIGTERM)
                    time.sleep(0.0001)
    log = (project / ".local/log/azurite.log").read_text()
    assert log.count("Table service successfully closed") == log.count("Table service is starting")


def test_sigkill_leaves_no_orphan_and_the_next_run_works(project: Path) -> None:
    port = free_port()
    with running(project, port) as run:
        run.wait_for("ready: http")
        run.send(signal.SIGKILL)
        run.wait()
    with running(project, port) as again:
        again.wait_for("ready: http")


def test_a_paused_terminal_does_not_stop_it(project: Path) -> None:
    """A script that reads until `ready` and then no more must not stall the system."""
    command = [sys.executable, "-m", "local.run", "--port", str(free_port())]
    with subprocess.Popen(
        command, cwd=project, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as run:
        assert run.stdout
        while b"ready:" not in run.stdout.readline():
            assert run.poll() is None
        run.stdout.close()
        run.terminate()
        assert run.wait(60) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--port", "tea"], "PORT=tea should be a number"),
        (["--port", "80"], "PORT=80 should be a number"),
        (["--state", "local.settings.example.json"], "local.settings.example.json/run: "),
    ],
)
def test_a_wrong_option_is_one_sentence(project: Path, options: list[str], says: str) -> None:
    command = [sys.executable, "-m", "local.run", *options]
    found = subprocess.run(
        command, cwd=project, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.count("\n") == 1
    assert says in found.stderr


def test_help_says_what_it_starts() -> None:
    for command in (["make"], ["make", "help"]):
        text = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True).stdout
        assert "starts the whole system" in text.splitlines()[0]


def http_status(port: int, path: str = "/health") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
