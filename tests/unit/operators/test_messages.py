"""What operators read: every type in both languages, without secrets and customers' names."""

from __future__ import annotations

import json
import string
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest

from shared.events.catalogue import DomainEvent, EventType
from shared.fleet.incident_kinds import KINDS, incident
from shared.operators.messages import LONGEST_TITLE, Reader, message, trial_message
from shared.operators.models import Notice
from shared.operators.texts import OVER, TEXTS
from shared.platform.i18n import Language
from shared.platform.queues import MAX_BODY

NOW = datetime(2026, 6, 10, 9, 0, tzinfo=UTC)
HOME = "https://calls.example"

LANGUAGES: tuple[Language, ...] = get_args(Language)

DETAILS = {
    "vm": "janus-1",
    "booking_id": 2026061000123456,
    "start_time": datetime(2026, 6, 10, 10, 30, tzinfo=UTC),
    "end_time": datetime(2026, 6, 10, 11, 30, tzinfo=UTC),
    "retry_at": NOW,
    "by": "olga",
    "until": NOW,
    "bookings": 9,
    "places": 8,
    "pool_capacity": 8,
    "missing_machines": 1,
}


def event(kind: str, data: dict[str, Any], severity: str = "error") -> DomainEvent:
    return DomainEvent("evt_1", _Type(kind), NOW, "platform", "x", data, severity)  # type: ignore[arg-type]


class _Type(str):
    """A type of event, whether the catalogue has it already or not."""

    @property
    def value(self) -> str:
        return str(self)


def reader(language: Language = "en", zone: str = "UTC") -> Reader:
    return Reader(language, HOME, ZoneInfo(zone))


def told(kind: str, data: dict[str, Any], language: Language = "en", **more: Any) -> Notice:
    notice = message(event(kind, data, **more), reader(language))
    assert notice
    return notice


def of_an_incident(kind: str) -> dict[str, Any]:
    return dict(incident(kind, "0", NOW, "no quota", "Free some quota.", **DETAILS).data)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_incident_can_be_read(kind: str, language: Language) -> None:
    data = of_an_incident(kind)
    notice = told(KINDS[kind].event, data, language)
    shown = notice.title + notice.body
    assert "?" not in notice.title
    assert "{" not in shown
    assert notice.body.endswith(HOME)
    assert ("What to do: Free some quota." in shown) == (language == "en")
    assert ("O que fazer: " in shown) == (language == "pt")
    over = {"kind": kind, "subject": data["subject"], "opened_at": data["since"], "seconds": 5400}
    recovered = told("fleet.recovered", over, language, severity="info")
    assert recovered.level == "success"
    assert "1 h 30 min" in recovered.body
    assert "2026-06-10 09:00 UTC" in recovered.body
    assert "?" not in recovered.title
    assert "{" not in recovered.title


def test_a_message_as_it_is_read() -> None:
    assert told("booking.not_ready", of_an_incident("not_ready")) == Notice(
        "Suroga: Booking 2026061000123456 has no ready machine",
        "Start: 2026-06-10 10:30 UTC\n"
        "End: 2026-06-10 11:30 UTC\n"
        "Machine: janus-1\n"
        "Why: no quota\n"
        "Since: 2026-06-10 09:00 UTC\n"
        "What to do: Free some quota.\n"
        "https://calls.example",
        "error",
    )


def test_there_is_a_text_for_whatever_an_incident_and_its_end_can_be() -> None:
    assert OVER.keys() == KINDS.keys()
    assert {kind.event.value for kind in KINDS.values()} < TEXTS.keys()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize(
    "data",
    [
        {},
        {"vm": None, "seconds": "long", "subject": 7, "kind": [], "since": "2026-06-10Tx"},
        {"since": "0001-01-01T00:00:00+14:00", "vm": "{reason}", "reason": "{0} %s {", "by": "\0"},
        {"machines": [{"vm": "x" * 9000, "hours": 1, "starts": [1]}] * 900, "steps": [7, {}]},
        {"steps": {str(n): "é" * 9000 for n in range(900)}, "days": {"day": 1}, "seconds": 10**15},
    ],
)
def test_whatever_an_event_holds_the_relay_goes_on(
    kind: str, data: dict[str, Any], language: Language
) -> None:
    notice = told(kind, data, language)
    assert notice.title.startswith("Suroga: ")
    assert len(notice.title) <= LONGEST_TITLE
    assert "\n" not in notice.title
    assert notice.body.endswith(HOME)
    assert len(json.dumps({"title": notice.title, "body": notice.body}).encode()) < MAX_BODY


@pytest.mark.parametrize("kind", TEXTS)
def test_no_text_forgets_a_language(kind: str) -> None:
    text = TEXTS[kind]
    rows = [one for table in text.tables for one in (table.heading, table.row)]
    for line in (text.title, *text.lines, *rows):
        names = [{name for _, name, _, _ in string.Formatter().parse(one)} for one in line]
        assert line.pt != line.en or line.pt.startswith("- {")
        assert names[0] - {None} <= names[1]


PERSONAL = {
    "guests": [{"name": "Maria Silva", "email": "maria@example.com"}],
    "name": "Maria Silva",
    "email": "maria@example.com",
    "token": "s3cret-token",
    "list": [{"name": "Maria Silva", "room_pin": "s3cret", "deep": {"name": "Maria"}}],
    "tenants": [{"name": "Maria", "tenant": "acme", "calls": 1}],
    "by": {"name": "Maria"},
    "reason": "GET https://me:s3cret@host/?sig=s3cret-sig Bearer s3cret-bearer: 401",
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", TEXTS)
def test_neither_secrets_nor_guests_are_told(kind: str, language: Language) -> None:
    notice = told(kind, {**PERSONAL, "inner": PERSONAL, "vm": "janus-1"}, language)
    shown = notice.title + notice.body
    assert not [word for word in ("Maria", "maria@", "s3cret") if word in shown]


FIGURES = {"sessions": 3, "mean_seconds": 90, "bookings": 2, "peak": 2, "vm_hours": 1.5}
FIGURES |= {"peak_at": "2026-06-02T10:00:00Z", "cost": "4.20"}

REPORT = {
    "period": "2026-06",
    "currency": "EUR",
    **FIGURES,
    "previous": {"period": "2026-05", **FIGURES, "sessions": 1},
    "platform": {"vm_hours": 0.5, "cost": "0.10"},
    "tenants": [{"tenant": "acme", "calls": 3, "call_minutes": 4, "cost": "4.10"}],
    "machines": [{"vm": f"janus-{n}", "vm_hours": n, "cost": "0.1"} for n in range(25)],
}

PLAN = {
    "since": "2026-06-08T06:00:00Z",
    "until": "2026-06-15T06:00:00Z",
    "bookings": 4,
    "machine_hours": 6.5,
    "peak": 2,
    "without_machine": 0,
    "days": [{"day": "2026-06-08", "bookings": 4, "peak": 2, "machine_hours": 6.5}],
    "machines": [{"vm": "janus-0", "hours": 6.5, "starts": 2}],
    "changes": {"added_count": 1, "moved_count": 0, "cancelled_count": 2, "added": [{}]},
}

DRILL = {"vm": "janus-0", "started_at": "2026-06-10T03:00:00Z", "result": "ok", "reason": ""}
DRILL |= {"steps": {"start": 2.5, "ready": 41.0}}


def test_a_report() -> None:
    notice = told("report.monthly", REPORT, severity="info")
    assert notice.title == "Suroga: The month's report 2026-06"
    lines = notice.body.splitlines()
    assert lines[:10] == [
        "Calls: 3 (before 1), on average 1 min 30 s",
        "Bookings carried: 2 (before 2)",
        "At the same time, at most: 2, 2026-06-02 10:00 UTC",
        "Machine hours: 1.5 (before 1.5)",
        "Cost: 4.20 EUR (before 4.20)",
        "Of which nobody's: 0.10 EUR",
        "By tenant:",
        "- acme: calls 3, minutes 4, cost 4.10",
        "By machine:",
        "- janus-0: hours 0, cost 0.1",
    ]
    assert lines[-2:] == ["(+ 5)", HOME]


def test_a_plan() -> None:
    notice = told("fleet.plan", PLAN, severity="info")
    assert notice.title == "Suroga: The week's plan: bookings 4, machine hours 6.5"
    assert notice.body.splitlines() == [
        "From 2026-06-08 06:00 UTC to 2026-06-15 06:00 UTC",
        "At the same time, at most: 2",
        "Without a machine: 0",
        "Since the last plan: added 1, moved 0, cancelled 2",
        "By day:",
        "- 2026-06-08: bookings 4, peak 2, machine hours 6.5",
        "By machine:",
        "- janus-0: hours 6.5, starts 2",
        HOME,
    ]


def test_a_drill() -> None:
    notice = told("fleet.drill", DRILL, "pt", severity="info")
    assert notice.title == "Suroga: Ensaio da máquina janus-0: correu bem"
    assert notice.body.splitlines() == [
        "Início: 2026-06-10 03:00 UTC",
        "Passos:",
        "- ligar: 2.5 s",
        "- ficar pronta: 41.0 s",
        HOME,
    ]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("kind", "data"),
    [("report.weekly", REPORT), ("fleet.plan", PLAN), ("fleet.drill", {**DRILL, "reason": "x"})],
)
def test_every_line_of_these_is_filled(kind: str, data: dict[str, Any], language: Language) -> None:
    notice, text = told(kind, data, language, severity="info"), TEXTS[kind]
    beside = [line for line in notice.body.splitlines() if line[0] not in "-("]
    assert len(beside) == len(text.lines) + len(text.tables) + 1


@pytest.mark.parametrize(
    ("severity", "level"),
    [("info", "info"), ("warning", "warning"), ("error", "error"), ("odd", "info")],
)
def test_the_level_is_the_events_severity(severity: str, level: str) -> None:
    assert told("fleet.plan", {}, severity=severity).level == level


def test_other_events_are_no_operators_business() -> None:
    for kind in ("booking.created", "call.started", "vm.started"):
        assert message(event(EventType(kind), {}), reader()) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_test_message(language: Language) -> None:
    notice = trial_message(reader(language), NOW)
    assert "2026-06-10 09:00 UTC" in notice.body
    assert notice.level == "info"


def test_a_machine_that_was_lost() -> None:
    data = {"vm": "janus-0", "state": "failed", "reason": "evicted", "bookings": [17, 18]}
    notice = told("vm.lost", data)
    assert notice.title == "Suroga: Machine janus-0 was lost"
    assert notice.body.splitlines()[0] == "Why: evicted"
    assert notice.body.splitlines()[2:] == ["Bookings:", "- 17", "- 18", HOME]


def test_a_month_without_calls() -> None:
    body = told("report.monthly", {**REPORT, "sessions": 0, "mean_seconds": 0}).body
    assert body.startswith("Calls: 0 (before 1), on average 0 s\n")


def test_nobody_is_woken_for_a_machine_that_was_lost_and_carried_nothing() -> None:
    lost = {"vm": "janus-0", "state": "failed", "reason": "evicted", "bookings": []}
    assert message(event("vm.lost", lost, "info"), reader()) is None
    assert message(event("vm.lost", lost, "warning"), reader()) is not None


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", "2026-06-10 09:00 UTC"),
        ("Europe/Lisbon", "2026-06-10 10:00 WEST"),
        ("America/Sao_Paulo", "2026-06-10 06:00 UTC-03"),
        ("Asia/Kathmandu", "2026-06-10 14:45 UTC+0545"),
    ],
)
def test_times_are_those_of_the_systems_zone(zone: str, shown: str) -> None:
    there = reader(zone=zone)
    assert trial_message(there, NOW).body.startswith(f"Sent: {shown}\n")
    notice = message(event("vm.stop_failed", of_an_incident("stop_failed")), there)
    assert notice
    assert f"Since: {shown}\n" in notice.body


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (10, ["Since: 2026-06-10 09:00:00 UTC", "Next try: 2026-06-10 09:00:10 UTC"]),
        (60, ["Since: 2026-06-10 09:00 UTC", "Next try: 2026-06-10 09:01 UTC"]),
        (0, ["Since: 2026-06-10 09:00 UTC", "Next try: 2026-06-10 09:00 UTC"]),
    ],
)
def test_times_that_differ_look_different(seconds: int, shown: list[str]) -> None:
    retry_at = NOW + timedelta(seconds=seconds)
    data = incident("start_failed", "0", NOW, "no quota", "Wait.", vm="janus-1", retry_at=retry_at)
    assert told("vm.start_failed", dict(data.data)).body.splitlines()[1:3] == shown


def test_a_machine_that_stopped_answering() -> None:
    retry_at = NOW + timedelta(seconds=130)
    data = incident("not_answering", "janus-0", NOW, "", "Look.", vm="janus-0", retry_at=retry_at)
    notice = told("vm.not_answering", {**data.data, "reason": "Janus does not answer"}, "pt")
    assert notice.title == "Suroga: A máquina janus-0 deixou de responder"
    assert notice.body.splitlines()[:3] == [
        "Motivo: o Janus não responde",
        "Desde: 2026-06-10 09:00 UTC",
        "Reinício não antes de: 2026-06-10 09:02 UTC",
    ]


def test_our_own_reasons_are_told_in_the_operators_language() -> None:
    data = {"vm": "janus-0", "reason": "It went off again"}
    assert told("vm.start_failed", data).body.startswith("Why: It went off again\n")
    said = told("vm.start_failed", data, "pt").body
    assert said.startswith("Motivo: voltou a desligar-se\n")
