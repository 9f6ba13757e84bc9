"""What is committed as a whole, though it may touch several days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.bookings.claims import Claim, Day, home_of
from shared.bookings.models import Booking
from shared.bookings.rows import booking_rk
from shared.events.catalogue import DomainEvent
from shared.platform.clock import Clock
from shared.platform.tables import Op


class Contended(Exception):
    """Somebody else changed one of the days: read again and try again."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Rows to write by partition, decided by the transaction at `home`.

    The booking `witness` has its row there: when that names our `id`, we were committed.
    `days` are those whose head is bumped, as they were read. `pending` are the claims that the
    other partitions get; they hold once the home has committed.
    """

    id: str
    home: str
    witness: int
    days: Mapping[str, Day]
    ops: Mapping[str, Sequence[Op]]
    pending: Sequence[Claim]
    events: Sequence[DomainEvent]

    @property
    def others(self) -> list[str]:
        return [pk for pk in self.ops if pk != self.home]

    @property
    def witness_rk(self) -> str:
        return booking_rk(self.witness)


def claims_of(booking: Booking, home: str, pks: Sequence[str], clock: Clock) -> list[Claim]:
    """The claims by which a booking takes its room on each of the days, decided at `home`."""
    own = home_of(booking.booking_id)
    return [
        Claim(
            booking_id=booking.booking_id,
            room_id=booking.room_id,
            tenant=booking.tenant,
            start=booking.start,
            end=booking.end,
            home=own,
            attempt=booking.attempt,
            claimed_at=clock.now(),
            pk=pk,
            fence="" if pk == home else home,
        )
        for pk in pks
    ]
