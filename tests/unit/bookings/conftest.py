"""Fixtures of the tests of bookings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from tests import world


@pytest.fixture(autouse=True, scope="package")
def _settings_once() -> Iterator[None]:
    """Thousands of worlds, few settings: they are frozen, and slow to make."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, "make_settings", cache(world.make_settings))
        yield
