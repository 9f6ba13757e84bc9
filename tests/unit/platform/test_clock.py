from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.platform.clock import SystemClock, iso, parse


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 6, 10, 9, tzinfo=UTC), "2026-06-10T09:00:00Z"),
        (datetime(2026, 6, 10, 9, 0, 0, 5, tzinfo=UTC), "2026-06-10T09:00:00.000005Z"),
        (datetime(2026, 6, 10, 9, tzinfo=timezone(timedelta(hours=-3))), "2026-06-10T12:00:00Z"),
    ],
)
def test_iso_and_back(moment: datetime, text: str) -> None:
    assert iso(moment) == text
    assert parse(text) == moment


def test_the_systems_time_is_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)
