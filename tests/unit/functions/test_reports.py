"""`/api/v1/reports`, as the platform calls it: JSON, and files for spreadsheets."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.unit.functions.asking import Answer, Door
from tests.unit.reports.booked import Booked


@pytest.fixture
async def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    """October of acme and of a tenant with a name that a spreadsheet would run."""
    door, world = Door(monkeypatch), Booked()
    door.world = world
    door.serve(monkeypatch)
    await world.on("10-05 09:30", "10-05 11:15")
    await world.on("10-06 09:30", "10-06 11:15", "janus-1")
    await world.on("10-07 10:00", "10-07 11:00", "janus-1")
    await world.carry(1, "10-05 10:00", "10-05 11:00")
    await world.carry(2, "10-06 10:00", "10-06 11:00", '=cmd"é', "janus-1")
    await world.called(1, "10-05 10:00", "10-05 10:58")
    return door


async def ask(door: Door, *roles: str, name: str = "reports_usage", **more: Any) -> Answer:
    params = {"month": "2026-10", **more.pop("params", {})}
    return await door.ask(name, token=door.token("olga", "acme", *roles), params=params, **more)


def lines(answer: Answer) -> list[list[str]]:
    return [*csv.reader(io.StringIO(answer.body.decode(), newline=""))]


async def test_a_bill_is_json(door: Door) -> None:
    answer = await ask(door, "operator")
    assert (answer.status, answer.media) == (200, "application/json")
    assert answer.body["since"] == "2026-10-01T00:00:00Z"
    assert answer.body["totals"]["cost"] == "0.54"
    assert [b["booking_id"] for b in answer.body["bookings"]] == [2, 1]
    assert answer.body["platform"] == {"vm_seconds": 3600, "vm_minutes": 60.0, "cost": "0.12"}
    mine = (await ask(door, "admin")).body
    assert "platform" not in mine
    assert "machines" not in mine
    assert [b["cost"] for b in mine["bookings"]] == ["0.21"]


@pytest.mark.parametrize("name", ["reports_usage", "reports_usage_csv"])
async def test_or_a_file(door: Door, name: str) -> None:
    answer = await ask(door, "operator", name=name, headers={"accept": "text/csv"})
    assert answer.media == "text/csv"
    assert 'filename="usage-2026-10.csv"' in answer.headers["Content-Disposition"]
    text = answer.body.decode()
    assert text.count("\r\n") == text.count("\n") == 4
    head, evil, acme, own = lines(answer)
    assert ",".join(head) == (
        "month,tenant,booking_id,calls,call_seconds,call_minutes,vm_seconds,vm_minutes,cost,currency,"
        "booking,start_time,end_time"
    )
    assert evil[:10] == [
        "2026-10", "'=cmd\"é", "2", "0", "0", "0.00", "6300", "105.00", "0.21", "EUR",
    ]  # fmt: skip
    assert evil[10:] == ["booking/2", "2026-10-06T10:00:00Z", "2026-10-06T11:00:00Z"]
    assert acme[:10] == [
        "2026-10", "acme", "1", "1", "3480", "58.00", "6300", "105.00", "0.21", "EUR",
    ]  # fmt: skip
    assert acme[10:] == ["booking/1", "2026-10-05T10:00:00Z", "2026-10-05T11:00:00Z"]
    assert own == [
        "2026-10", "platform", "", "0", "0", "0.00", "3600", "60.00", "0.12", "EUR", "", "", "",
    ]  # fmt: skip


async def test_no_id_is_lost_to_a_spreadsheet(door: Door) -> None:
    """They take what looks like a number for one, and keep 15 digits of it."""
    number = 2026100700100017
    await door.world.carry(number, "10-07 10:30", "10-07 11:00", vm="janus-1")
    answer = await ask(door, "admin", name="reports_usage_csv")
    (row,) = [line for line in lines(answer) if str(number) in line]
    kept = [cell for cell in row if str(number) in cell and not cell.isdigit()]
    assert kept == [f"booking/{number}"]


async def test_an_admins_file_has_the_own_bookings(door: Door) -> None:
    answer = await ask(door, "admin", name="reports_usage_csv")
    assert [line[1] for line in lines(answer)[1:]] == ["acme"]


@pytest.mark.parametrize("begin", ["=", "+", "-", "@"])
async def test_no_cell_is_a_formula(door: Door, begin: str) -> None:
    await door.world.carry(9, "10-07 10:30", "10-07 11:00", f"{begin}1", "janus-1")
    cells = [
        cell
        for line in lines(await ask(door, "operator", name="reports_usage_csv"))
        for cell in line
    ]
    assert f"'{begin}1" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json, text/csv;q=0.5", "application/json"),
        ("text/csv;q=0.9, application/json;q=0.8", "text/csv"),
        ("text/html, text/csv", "text/csv"),
        ("text/csv;q=0", "application/json"),
        ("text/csv;q=x", "application/json"),
    ],
)
async def test_the_caller_chooses(door: Door, accept: str, media: str) -> None:
    answer = await ask(door, "admin", headers={"accept": accept})
    assert answer.media == media
    assert answer.headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    ("field", "params"),
    [
        ("month", {"month": "2026-13"}),
        ("month", {"month": "1999-01"}),
        ("month", {"month": "2026-1"}),
        ("month", {"month": "20٢٦-10"}),
        ("tenant", {"tenant": ""}),
        ("colour", {"colour": "red"}),
    ],
)
async def test_a_bad_query_names_its_field(door: Door, field: str, params: dict[str, str]) -> None:
    answer = await ask(door, "admin", params=params)
    assert [e["field"] for e in answer.body["errors"]] == [field]


@pytest.mark.parametrize("name", ["reports_usage", "reports_usage_csv", "reports_summary"])
async def test_who_is_neither_admin_nor_operator_is_refused(door: Door, name: str) -> None:
    answer = await door.ask(name, token=door.token("alice", "acme", "user"))
    assert (answer.status, answer.code) == (403, "admin_only")
    token = door.token("root", "acme", "admin")
    answer = await door.ask(name, token=token, params={"tenant": '=cmd"é'})
    assert (answer.status, answer.code) == (404, "not_found")


async def test_a_summary(door: Door) -> None:
    params = {"from": "2026-10-05T00:00:00Z", "to": "2026-10-12T00:00:00Z", "by": "week"}
    token = door.token("olga", "acme", "operator")
    answer = await door.ask("reports_summary", token=token, params=params)
    (week,) = answer.body["periods"]
    assert (week["name"], week["sessions"], week["cost"]) == ("2026-W41", 1, "0.54")
    assert week["peak_at"] == "2026-10-05T10:00:00Z"
    for bad in ({"from": "2026-10-12T00:00:00Z"}, {"from": "2020-01-01T00:00:00Z"}):
        answer = await door.ask("reports_summary", token=token, params={**params, **bad})
        assert [e["field"] for e in answer.body["errors"]] == ["from"]


@pytest.mark.parametrize("by", ["week", "month"])
async def test_a_summary_from_before_our_time_is_refused(door: Door, by: str) -> None:
    """Its beginning is ours where the caller names only its end."""
    token = door.token("olga", "acme", "operator")
    params = {"to": "1900-01-01T00:00:00Z", "by": by}
    answer = await door.ask("reports_summary", token=token, params=params)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert [e["field"] for e in answer.body["errors"]] == ["from"]
    for ends in (
        {"from": "1900-01-01T00:00:00Z", "to": "1900-03-01T00:00:00Z"},
        {"to": "9998-12-31T23:59:00Z"},
    ):
        answer = await door.ask("reports_summary", token=token, params={"by": by, **ends})
        assert answer.status == 200


async def test_an_api_key_may_read_reports_when_it_is_an_admins(door: Door) -> None:
    admin = door.token("root", "acme", "admin")
    for role, status in (("admin", 200), ("user", 403)):
        body = {"name": "Billing", "scopes": ["reports:read"], "roles": [role]}
        key = (await door.ask("api_keys_create", body, token=admin)).body["token"]
        assert (await door.ask("reports_usage", token=key)).status == status
