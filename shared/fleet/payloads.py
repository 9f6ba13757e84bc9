"""What operators send and are shown (webrtc-streaming.md 1.2, 1.3)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from shared.platform.payload import INVISIBLE, Payload, Utc

# The words of `VmState`, `Stage` and `Cause`: what has those takes long to import, and every
# process imports this.
State = Literal["deallocated", "starting", "ready", "draining", "deallocating", "failed"]
Stage = Literal["over", "running", "planned"]
Cause = Literal["bookings", "bridge", "hold", "warm"]

Action = Literal["start", "hold", "extend", "exclude", "stop", "release"]

VISIBLE = rf"^[^{INVISIBLE}]*[^{INVISIBLE}\s][^{INVISIBLE}]*$"
"""A line of text that is not blank."""

Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=VISIBLE)]
Minutes = Annotated[int, Field(ge=1, le=30 * 24 * 60, strict=True)]


class MachineRelease(Payload):
    reason: Reason


class MachineExtend(MachineRelease):
    minutes: Minutes


class MachineStart(MachineRelease):
    """`until`, or for so many minutes from now; two hours by default."""

    until: Utc | None = None
    minutes: Minutes | None = None

    @model_validator(mode="after")
    def _one(self) -> MachineStart:
        if self.until and self.minutes:
            raise ValueError("until or minutes should be given, not both")
        return self


class MachineHold(MachineStart):
    """`until`, or for so many minutes from now: one of the two."""

    @model_validator(mode="after")
    def _either(self) -> MachineHold:
        if not self.until and not self.minutes:
            raise ValueError("until or minutes should be given")
        return self


class ManualView(Payload):
    """What an operator has decided about a machine, and is in force. `by` is the actor as the audit
    trail names it, `since` when the last word was said."""

    hold_until: Utc | None = None
    exclude_until: Utc | None = None
    by: str
    reason: str
    since: Utc


class CarriedView(Payload):
    """`room_made`: its room is in the machine's Janus."""

    booking_id: int
    tenant: str
    start_time: Utc
    end_time: Utc
    room_made: bool


class MachineView(Payload):
    """`retry_at`: until then a machine that failed is left alone. `on_since`: since when it has
    been on without a break, a day at most. `accepting`: its Janus opens sessions."""

    name: str
    region: str
    spot: bool
    capacity: int
    state: State
    since: Utc | None = None
    reason: str
    on_since: Utc | None = None
    retry_at: Utc | None = None
    accepting: bool | None = None
    bookings: list[CarriedView]
    manual: ManualView | None = None


class IncidentView(Payload):
    """Something is wrong since then: `kind`, with what (`subject`), and what the alert told."""

    kind: str
    subject: str
    since: Utc
    data: dict[str, Any]


class WaitingView(Payload):
    """A booking that should have a machine by now, and has none."""

    booking_id: int
    tenant: str
    start_time: Utc
    end_time: Utc


class FleetView(Payload):
    """`inventory` is `ok`, or why the machines' host did not answer: then machines that were never
    started are missing."""

    at: Utc
    pool: int
    inventory: str
    machines: list[MachineView]
    incidents: list[IncidentView]
    waiting: list[WaitingView]


class OnView(Payload):
    """A machine is on. `actual`: it was; else it is planned, for these causes. `lost`: it ended by
    itself or failed, with calls that went on elsewhere."""

    start_time: Utc
    end_time: Utc
    kind: Literal["actual", "planned"]
    causes: list[Cause]
    lost: Literal[True] | None = None


class PlannedBooking(Payload):
    """`machine` is left out when none carries it. One that moved has one entry a machine, with the
    one before (`moved_from`) and the one after (`moved_to`)."""

    booking_id: int
    tenant: str
    machine: str | None = None
    start_time: Utc
    end_time: Utc
    stage: Stage
    moved_from: str | None = None
    moved_to: str | None = None


class MarkView(Payload):
    start_time: Utc
    end_time: Utc
    reason: str


class PlannedMachine(Payload):
    name: str
    region: str
    spot: bool
    capacity: int
    on: list[OnView]
    holds: list[MarkView]
    exclusions: list[MarkView]


class FleetPlan(Payload):
    """Before `at` it tells what was, from then on what is planned. `ratio`: the machine hours to
    those of all these machines being on all the time. `complete` is false when the machines' host
    did not answer."""

    start_time: Utc
    end_time: Utc
    at: Utc
    complete: bool
    machine_hours: float
    ratio: float
    machines: list[PlannedMachine]
    bookings: list[PlannedBooking]
    unplaced: list[PlannedBooking]
