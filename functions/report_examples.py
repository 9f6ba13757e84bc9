"""Examples of reports: Alice's booking had a machine to itself, which somebody held for an hour."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

CALLED = {"calls": 1, "call_seconds": 3480, "call_minutes": 58.0}


def report_answers(day: date, booking_id: int, machine: str) -> dict[str, dict[str, Any]]:
    """By the name of their model."""
    tomorrow = f"{day + timedelta(1)}T00:00:00Z"
    seen = {"time_zone": "UTC", "as_of": tomorrow, "currency": "EUR"}
    return {
        "Usage": {**seen, **_usage(day, booking_id, machine)},
        "Summary": {**seen, "tenant": "acme", "periods": [_week(day, tomorrow)]},
    }


def report_csv(day: date, booking_id: int) -> str:
    columns = "month,tenant,booking_id,calls,call_seconds,call_minutes,vm_seconds,vm_minutes"
    row = f"{day:%Y-%m},acme,{booking_id},1,3480,58.00,6300,105.00,0.21,EUR"
    more = f"booking/{booking_id},{day}T10:00:00Z,{day}T11:00:00Z"
    head = f"{columns},cost,currency,booking,start_time,end_time"
    return f"{head}\r\n{row},{more}\r\n"


def _usage(day: date, booking_id: int, machine: str) -> dict[str, Any]:
    month = day.replace(day=1)
    booking = {**CALLED, **_took(6300, "0.21"), "tenant": "acme"}
    times = {"start_time": f"{day}T10:00:00Z", "end_time": f"{day}T11:00:00Z"}
    return {
        "month": f"{month:%Y-%m}",
        "since": f"{month}T00:00:00Z",
        "until": f"{(month + timedelta(31)).replace(day=1)}T00:00:00Z",
        "totals": {**CALLED, **_took(9900, "0.33"), "bookings": 1},
        "tenants": [{**booking, "bookings": 1}],
        "bookings": [{**booking, "booking_id": booking_id, **times}],
        "platform": _took(3600, "0.12"),
        "machines": [
            {
                "vm": machine,
                "region": "westeurope",
                "on_seconds": 9900,
                "on_minutes": 165.0,
                "cost": "0.33",
            }
        ],
    }


def _week(day: date, until: str) -> dict[str, Any]:
    figures = {
        "sessions": 1,
        "mean_seconds": 3480,
        "bookings": 1,
        "peak": 1,
        "peak_at": f"{day}T10:01:00Z",
        "vm_seconds": 6300,
        "vm_hours": 1.75,
        "cost": "0.21",
    }
    return {
        **figures,
        "name": f"{day:%G-W%V}",
        "since": f"{day - timedelta(day.weekday())}T00:00:00Z",
        "until": until,
        "regions": [{**figures, "region": "westeurope"}],
    }


def _took(seconds: int, cost: str) -> dict[str, Any]:
    return {"vm_seconds": seconds, "vm_minutes": seconds / 60, "cost": cost}
