"""What is read from files of a Janus that has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.janus.process import last_error, read_record

STAMP = "[Sun Nov 22 04:04:12 2026] "


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (f"{STAMP}[ERR] [x.c:f:1] First\n{STAMP}[FATAL] [x.c:f:2] Last one\nBye!\n", "Last one"),
        ("[FATAL] [janus.c:main:5] Without a time\n", "Without a time"),
        (f"{STAMP}[WARN] [x.c:f:1] A warning\nTerminated\n", "Terminated"),
        ("\n", "its log is empty"),
        ("[ERR] " + "x" * 50_000 + "\n[ERR] [x.c:f:1] The tail counts\n", "The tail counts"),
    ],
)
def test_the_reason_is_the_last_error_or_the_last_line(
    tmp_path: Path, log: str, reason: str
) -> None:
    (tmp_path / "janus.log").write_text(log)
    assert last_error(tmp_path) == reason


def test_a_log_that_is_missing_or_not_text_does_no_harm(tmp_path: Path) -> None:
    assert last_error(tmp_path) == "it left no log"
    (tmp_path / "janus.log").write_bytes(b"\xff\xfe[ERR]")
    assert last_error(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"pid": 1}', "\x00"])
def test_a_damaged_record_is_none(tmp_path: Path, text: str) -> None:
    assert read_record(tmp_path) is None
    (tmp_path / "process.json").write_text(text)
    assert read_record(tmp_path) is None
