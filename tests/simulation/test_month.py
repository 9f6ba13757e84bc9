"""A month of bookings, with what goes wrong in one: everybody's machine is ready, nothing stays on
for nothing, the bills add up, and operators hear of each incident once."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from datetime import timedelta

from shared.fleet.models import Incident
from shared.platform.auth import Caller
from shared.reports.models import Usage
from tests.conftest import Figures
from tests.simulation.flaky import LOOK_WAYS, START_WAYS, STOP_WAYS
from tests.simulation.month import BEGIN, Month

OLGA = Caller("olga", "ops", frozenset({"operator"}))
OPENINGS = {
    "booking.not_ready": "not_ready",
    "vm.start_failed": "start_failed",
    "vm.not_answering": "not_answering",
    "vm.stop_failed": "stop_failed",
    "call.overrun": "overrun",
}


async def test_a_month(figures: Figures) -> None:
    month = Month(bookings=2000, days=30, chance=0.05)
    with contextlib.redirect_stdout(io.StringIO()):  # the log
        await month.run()
        bill = await month.services.reports.usage(OLGA, f"{BEGIN:%Y-%m}", None)
    _people_were_served(month)
    assert not month.tally.idle, "machines that were on for nothing"
    await _bills_add_up(month, bill)
    alerts = await _one_alert_per_incident(month)
    figures(_figures(month, bill, alerts))


def _people_were_served(month: Month) -> None:
    tally = month.tally
    assert not tally.unready
    assert tally.booked > 1800
    assert min(tally.cancelled, tally.moved, tally.extended, tally.ended) > 50
    assert tally.starts > 1500
    assert tally.ready + tally.excused_all_failed + tally.excused_lost == tally.starts
    assert tally.excused_all_failed + tally.excused_lost < tally.starts / 200
    assert set(month.machines.failures) == {*START_WAYS, *STOP_WAYS, *LOOK_WAYS}


async def _bills_add_up(month: Month, bill: Usage) -> None:
    """Shares are the ledger's time, to the second; the ledger is the truth but for what lies
    between two ticks, at the beginning and at the end of each stretch."""
    assert bill.platform
    assert bill.machines
    shares = sum(one.vm_seconds for one in bill.tenants) + bill.platform.vm_seconds
    assert shares == bill.totals.vm_seconds == sum(one.on_seconds for one in bill.machines)
    costs = sum(one.cost for one in bill.tenants) + bill.platform.cost
    assert costs == bill.totals.cost == sum(one.cost for one in bill.machines)
    assert sum(one.vm_seconds for one in bill.bookings) == bill.tenants[0].vm_seconds
    truth = month.true_on_time().total_seconds()
    assert abs(bill.totals.vm_seconds - truth) < 0.05 * truth
    assert bill.totals.vm_seconds > 0


async def _one_alert_per_incident(month: Month) -> Counter[str]:
    """Each opens once, and is over before it opens again."""
    told: Counter[str] = Counter()
    standing: set[str] = set()
    for event in month.left:
        kind = OPENINGS.get(event.type.value) or (
            str(event.data["kind"]) if event.type.value == "fleet.recovered" else ""
        )
        if not kind:
            continue
        key = f"{kind}|{event.data['subject']}"
        if event.type.value == "fleet.recovered":
            assert key in standing, f"{event.time} {key} was over before it began"
            standing.remove(key)
            continue
        assert key not in standing, f"{event.time} {key} was told twice"
        standing.add(key)
        told[kind] += 1
    fleet = await month.services.fleet_store.load(0)
    assert {_key(one) for one in fleet.incidents.values()} == standing
    return told


def _key(incident: Incident) -> str:
    return f"{incident.kind}|{incident.data['subject']}"


def _figures(month: Month, bill: Usage, alerts: Counter[str]) -> str:
    tally, machines = month.tally, month.machines
    hours = bill.totals.vm_seconds / 3600
    always = month.days * 24 * month.settings.local_vms
    return "\n".join(
        [
            f"bookings {tally.booked}: cancelled {tally.cancelled}, moved {tally.moved}, extended "
            f"{tally.extended}, ended early {tally.ended}; refused by the calendar {tally.refused}",
            f"ticks {tally.ticks}: {dict(tally.chaos)}",
            f"machine operations {machines.operations}, of which failed: {machines.failures}",
            f"booking starts {tally.starts}: machine ready {tally.ready}, every machine had failed "
            f"{tally.excused_all_failed}, lost a moment before {tally.excused_lost}",
            f"alerts {dict(alerts)}, each once; lost machines told: "
            f"{sum(e.type.value == 'vm.lost' for e in month.left)}",
            f"machine hours billed {hours:.1f} ({hours / always:.3f} of always on), really on "
            f"{month.true_on_time() / timedelta(hours=1):.1f}",
        ]
    )
