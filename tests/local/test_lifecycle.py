"""Start, end and reload of the process."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.local.running import Running, eventually, make_subject

NOISE = ("Traceback", "Unclosed", "was destroyed", "never retrieved", "Exception ignored")


def assert_quiet(running: Running) -> None:
    written = "".join(running.lines)
    assert [noise for noise in NOISE if noise in written] == []


def test_what_is_under_way_may_end(tmp_path: Path) -> None:
    with Running(make_subject(tmp_path)) as running:
        port = running.port
        answers: list[str] = []
        asking = threading.Thread(target=lambda: answers.append(running.ask("/slow").text))
        asking.start()
        running.told("slow")
        running.process.send_signal(signal.SIGINT)
        assert running.wait() == 0
        asking.join()
        assert answers == ["done"]
        assert running.event("host.stopped")["drained"]
        assert_quiet(running)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_a_stuck_function_holds_the_end_up_for_five_seconds(tmp_path: Path) -> None:
    with Running(make_subject(tmp_path)) as running:
        asking = threading.Thread(target=_ask_in_vain, args=[running])
        asking.start()
        running.told("stuck")
        began = time.monotonic()
        assert running.stop() == 0
        assert 4 < time.monotonic() - began < 9
        asking.join()
        assert_quiet(running)


def _ask_in_vain(running: Running) -> None:
    with suppress(OSError):
        running.ask("/stuck")


def test_an_end_during_the_start_is_quiet(tmp_path: Path) -> None:
    root = make_subject(tmp_path)
    (root / "function_app.py").write_text("import time\nprint('importing')\ntime.sleep(60)\n")
    with Running(root) as running:
        eventually(lambda: running.lines)
        assert running.stop() == 0
        assert running.lines == ["importing\n"]


def test_settings_come_from_the_file_unless_set(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = make_subject(tmp_path, Host={"LocalHttpPort": port})
    with Running(root, "--port", str(port), SUBJECT_SETTING="from outside") as running:
        assert running.port == port
        assert running.ask("/see/1").json["setting"] == "from outside"


def test_reload(tmp_path: Path) -> None:
    root = make_subject(tmp_path)
    app = root / "function_app.py"
    source = app.read_text()
    with Running(root, "--reload") as running:
        port = _port(running)
        assert "home" in running.ask("/").text

        app.write_text(source.replace('"home"', '"changed"'))
        eventually(lambda: len(running.events("host.started")) == 2, "the restart")
        assert running.ask("/").text == "changed"

        app.write_text("import nothing_of_that_name\n")
        eventually(lambda: [x for x in running.lines if "waiting for a change" in x], "a failure")
        said = [line for line in running.lines if "nothing_of_that_name" in line]
        assert len(said) == 1
        assert "(function_app.py, line 1)" in said[0]

        package = root / "deeper" / "still"
        package.mkdir(parents=True)
        app.write_text(source.replace('"home"', '"mended"'))
        assert running.ask("/").text == "mended"  # connected before the child was back

        _touch_until_restarted(running, package / "new.py")
        (root / "tests").mkdir()
        assert _port(running) == port
        assert running.stop() == 0
        assert_quiet(running)


def _port(running: Running) -> int:
    ports = {line["address"] for line in [running.event("host.started")]}
    return int(ports.pop().rpartition(":")[2])


def _touch_until_restarted(running: Running, file: Path) -> None:
    """A folder is watched a moment after it was made."""
    before, again = len(running.events("host.started")), 0.0

    def touched() -> bool:
        nonlocal again
        noticed = any(line.startswith(file.name) for line in running.lines)
        if not noticed and time.monotonic() > again:
            again = time.monotonic() + 1
            file.write_text(f"# {again}\n")
        return len(running.events("host.started")) > before

    eventually(touched, "a restart for a new folder")


def test_the_child_of_a_killed_reloader_ends_too(tmp_path: Path) -> None:
    with Running(make_subject(tmp_path), "--reload") as running:
        running.ask("/")
        child = _children(running.process.pid)[0]
        running.process.kill()
        running.wait()
        eventually(lambda: not Path(f"/proc/{child}").exists() or _zombie(child), "its end")


def _children(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _zombie(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def _ends_with_one_sentence(running: Running) -> str:
    assert running.wait() == 1
    assert len(running.lines) == 1, running.lines
    return running.lines[0].rstrip("\n")


def test_the_address_to_listen_at(tmp_path: Path) -> None:
    with Running(make_subject(tmp_path), "--host", "127.0.0.2") as running:
        assert running.event("host.started")["address"].startswith("127.0.0.2:")


def test_a_timer_goes_on_after_a_cancelling_that_nobody_asked_for(tmp_path: Path) -> None:
    root = make_subject(tmp_path)
    source = (root / "function_app.py").read_text()
    source += "\n\n@app.timer_trigger('timer', '* * * * * *')\n"
    source += (
        "async def gives_up(timer: TimerRequest) -> None:\n    raise asyncio.CancelledError()\n"
    )
    (root / "function_app.py").write_text(source)
    with Running(root) as running:
        eventually(lambda: len(running.events("timer.failed")) > 1, "a second run")


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Running(make_subject(tmp_path), port=port) as running:
            said = _ends_with_one_sentence(running)
    assert said == f"Port {port} is taken: end what uses it, or choose another."


def test_an_app_that_cannot_be_imported(tmp_path: Path) -> None:
    root = make_subject(tmp_path)
    (root / "function_app.py").write_text("import os\nimport nothing_there\n")
    with Running(root) as running:
        assert _ends_with_one_sentence(running) == (
            "function_app.py could not be imported: ModuleNotFoundError: No module named"
            " 'nothing_there' (function_app.py, line 2)."
        )


def test_verbose_shows_the_traceback_of_a_failed_import(tmp_path: Path) -> None:
    root = make_subject(tmp_path)
    (root / "function_app.py").write_text("1 / 0\n")
    with Running(root, "--verbose") as running:
        assert running.wait() == 1
        assert running.lines[0].startswith("Traceback")
        assert "ZeroDivisionError" in running.lines[-1]


def test_a_bad_schedule(tmp_path: Path) -> None:
    with Running(make_subject(tmp_path), SUBJECT_SCHEDULE="often") as running:
        said = _ends_with_one_sentence(running)
    assert said.startswith("Function tick: The schedule 'often' ")


def test_a_bad_queue_option(tmp_path: Path) -> None:
    root = make_subject(tmp_path, Values={"AzureWebJobs.handle.Disabled": "0"})
    host = json.loads((root / "host.json").read_text())
    host["extensions"]["queues"]["batchSize"] = 99
    (root / "host.json").write_text(json.dumps(host))
    with Running(root) as running:
        assert "batchSize" in _ends_with_one_sentence(running)
