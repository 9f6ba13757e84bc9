"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.azurite import Azurite

# A busy machine must not decide: no example has a time limit.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """One Azurite for the whole run: use table, queue and partition names of your own. A test that
    stops or hangs it takes `own_azurite`."""
    server = Azurite()
    yield server
    server.destroy()


@pytest.fixture
def own_azurite() -> Iterator[Azurite]:
    """One that a test may stop and hang."""
    server = Azurite()
    yield server
    server.destroy()
