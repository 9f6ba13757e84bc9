"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.azurite import Azurite


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
