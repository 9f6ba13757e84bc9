"""What is read from files of a Janus that has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.janus.process import last_error, read_record

STAMP = "[Sun Nov 22 04:04:12 2026] "


VERSION = "Janus version: 1102 (1.1.2)\nCompiled on:  Thu Jan 19 08:09:02 UTC 2023\n\n"
STARTED = f"{VERSION}  Starting Meetecho Janus (WebRTC Server) v1.1.2\n"


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (f"{STAMP}[ERR] [x.c:f:1] First\n{STAMP}[FATAL] [x.c:f:2] Last one\nBye!\n", "Last one"),
        ("[FATAL] [janus.c:main:5] Without a time\n", "Without a time"),
        ("[ERR] " + "x" * 50_000 + "\n[ERR] [x.c:f:1] The tail counts\n", "The tail counts"),
        ("janus: error while loading x.so: none\n", "janus: error while loading x.so: none"),
        (f"{VERSION}Unknown option --nope\n", "Unknown option --nope"),
        (f"{STARTED}janus: symbol lookup error: x.so\n", "janus: symbol lookup error: x.so"),
        (f"{STARTED}ERROR:ice.c:12: not reached\nBye!\n", "ERROR:ice.c:12: not reached"),
    ],
)
def test_the_reason_is_the_last_error(tmp_path: Path, log: str, reason: str) -> None:
    (tmp_path / "janus.log").write_text(log)
    assert last_error(tmp_path) == f"last error: {reason}"


@pytest.mark.parametrize(
    "log",
    [
        f"{STARTED}{STAMP}[5001] WebRTC media is now available\n",
        f"{STARTED}{STAMP}[WARN] [x.c:f:1] Error resolving an address\nTerminated\n",
        VERSION,
        f"{STAMP}Failed is a name in room 7\n" * 1000,
    ],
)
def test_what_is_no_error_is_not_called_one(tmp_path: Path, log: str) -> None:
    (tmp_path / "janus.log").write_text(log)
    assert last_error(tmp_path) == "its log has no error"


def test_a_log_that_is_missing_empty_or_not_text_does_no_harm(tmp_path: Path) -> None:
    assert last_error(tmp_path) == "it left no log"
    (tmp_path / "janus.log").write_text("\n")
    assert last_error(tmp_path) == "its log is empty"
    (tmp_path / "janus.log").write_bytes(b"\xff\xfe[ERR]")
    assert last_error(tmp_path) == "its log has no error"


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"pid": 1}', "\x00"])
def test_a_damaged_record_is_none(tmp_path: Path, text: str) -> None:
    assert read_record(tmp_path) is None
    (tmp_path / "process.json").write_text(text)
    assert read_record(tmp_path) is None
