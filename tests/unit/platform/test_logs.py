from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from shared.platform import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leaves the root logger as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    token = logs.operation_id.set("")
    yield
    logs.operation_id.reset(token)
    root.handlers[:] = handlers
    logs.set_levels(logging.INFO)
    root.setLevel(level)


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.getMessage()) for record in caplog.records]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "suroga")
    return caplog


def test_one_line_of_json(log: pytest.LogCaptureFixture) -> None:
    logs.new_operation("request-0001")
    logs.event(
        "booking.created", booking_id=7, text="100 % é\n", when=datetime(2026, 6, 10, tzinfo=UTC)
    )
    (record,) = log.records
    message = record.getMessage()
    assert "\n" not in message
    line = json.loads(message)
    assert list(line)[:4] == ["time", "level", "event", "operation_id"]
    assert datetime.fromisoformat(line["time"]).tzinfo
    assert line["event"] == "booking.created"
    assert line["level"] == "INFO"
    assert line["operation_id"] == "request-0001"
    assert line["booking_id"] == 7
    assert line["text"] == "100 % é\n"
    assert line["when"] == "2026-06-10T00:00:00Z"


def test_fields_of_all_kinds(log: pytest.LogCaptureFixture) -> None:
    deep = {"a": {"when": datetime(2026, 1, 1, tzinfo=UTC)}}
    some: dict[str, Any] = {"name": "n", "time": "t", "day": date(2026, 6, 10), "deep": deep}
    logs.event("e", level=logging.WARNING, none=None, yes=True, many=(1, "x"), **some)
    (line,) = lines(log)
    assert line["level"] == "WARNING"
    assert (line["name"], line["time_"], line["day"]) == ("n", "t", "2026-06-10")
    assert (line["none"], line["yes"], line["many"]) == (None, True, [1, "x"])
    assert line["deep"] == {"a": {"when": "2026-01-01T00:00:00Z"}}


@pytest.mark.parametrize(
    "name",
    [
        *("pin", "pins", "password", "secret", "key", "keys", "api_key", "token", "tokens", "PIN"),
        *("session_token", "roomToken", "Authorization", "accessKey", "X-Api-Key", "client_secret"),
    ],
)
def test_secret_fields_are_redacted(log: pytest.LogCaptureFixture, name: str) -> None:
    fields: dict[str, Any] = {name: "hunter2", "deep": [{name: {"inner": "hunter2"}}]}
    logs.event("e", **fields)
    assert "hunter2" not in log.text
    assert lines(log)[0][name] == logs.REDACTED


@pytest.mark.parametrize("name", ["pinned", "monkey", "spin", "keyboard", "opens_at", "tokenizer"])
def test_other_fields_are_not(log: pytest.LogCaptureFixture, name: str) -> None:
    fields: dict[str, Any] = {name: "open"}
    logs.event("e", **fields)
    assert lines(log)[0][name] == "open"


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://admin:hunter2@10.0.0.1/live",
        "amqp://hunter2@host",
        "AccountName=a;AccountKey=hunter2==;EndpointSuffix=x",
        "GET /register?code=hunter2&x=1",
        "Authorization: Bearer hunter2hunter2",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.hunter2",
        "suroga.YWNtZQ.019a2b.hunter2",
        "pin='hunter2'",
        "{'id': 7, 'pin': 'hunter2', \"room_secret\": \"hunter2\"}",
        "https://account.table.core.windows.net/T?sv=2020&sig=hunter2%3D",
    ],
)
def test_secrets_in_texts_are_redacted(log: pytest.LogCaptureFixture, text: str) -> None:
    logs.event("e", message=text, many=[f"x {text} y"])
    try:
        raise RuntimeError(text)
    except RuntimeError as error:
        logs.exception("failed", error)
    assert "hunter2" not in log.text
    assert logs.REDACTED in lines(log)[0]["message"]


def test_an_exception_is_one_line_with_its_traceback(log: pytest.LogCaptureFixture) -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as cause:
            raise RuntimeError("outer") from cause
    except RuntimeError as error:
        logs.exception("job.failed", error, job=3)
    (line,) = lines(log)
    assert (line["event"], line["level"], line["job"]) == ("job.failed", "ERROR", 3)
    assert (line["error_type"], line["error"]) == ("RuntimeError", "outer")
    assert "KeyError: 'inner'" in line["traceback"]
    assert "test_logs.py" in line["traceback"]


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("incoming", "expected"),
    [
        ("abcDEF-12", "abcDEF-12"),
        ("x" * 64, "x" * 64),
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"cc-{TRACE}-00f067aa0ba902b7-00", TRACE),
    ],
)
def test_an_incoming_operation_id_is_kept(incoming: str, expected: str) -> None:
    assert logs.new_operation(incoming) == logs.operation_id.get() == expected


@pytest.mark.parametrize(
    "incoming",
    [
        *(None, "", "short", "x" * 65, "with space1", "line\nbreak1", 'quote"12345', "é" * 10),
        *(f"00-{'0' * 32}-00f067aa0ba902b7-01", f"ff-{TRACE}-00f067aa0ba902b7-01", "abcdefgh\n"),
    ],
)
def test_any_other_is_replaced(incoming: str | None) -> None:
    made = logs.new_operation(incoming)
    assert len(made) == 32
    assert made not in (incoming, logs.new_operation(incoming))


async def test_operations_do_not_mix() -> None:
    async def serve(name: str) -> str:
        logs.new_operation(name)
        await asyncio.sleep(0)
        return logs.operation_id.get()

    names = [f"operation-{n}" for n in range(5)]
    assert await asyncio.gather(*(serve(name) for name in names)) == names


def test_levels(log: pytest.LogCaptureFixture) -> None:
    logs.set_levels("WARNING")
    logs.event("quiet")
    logs.event("loud", level=logging.WARNING)
    assert [line["event"] for line in lines(log)] == ["loud"]


def test_configured_stdout_has_one_shape(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    logs.configure("INFO")
    logs.new_operation("operation-1")
    logs.event("ours", n=1)
    other = logging.getLogger("somebody.else")
    other.warning("it's %s at amqp://u:hunter2@host", "late")
    try:
        raise ValueError("bad")
    except ValueError:
        other.exception("oh")
    logging.getLogger("azure.core").info("noise")
    logging.getLogger("aiohttp.access").info("noise")
    out = capsys.readouterr().out
    found = [json.loads(line) for line in out.splitlines()]
    assert [line["event"] for line in found] == ["ours", "somebody.else", "somebody.else"]
    assert {line["operation_id"] for line in found} == {"operation-1"}
    assert found[1]["message"] == f"it's late at amqp://{logs.REDACTED}@host"
    assert found[2]["error_type"] == "ValueError"
    assert "Traceback" in found[2]["traceback"]


def test_a_higher_level_is_never_lowered_for_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("ERROR")
    logging.getLogger("azure").warning("noise")
    assert capsys.readouterr().out == ""
