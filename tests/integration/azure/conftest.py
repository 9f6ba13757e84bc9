"""A Resource Manager over a socket, and the adapter that speaks to it with the real SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.arm import FakeArm
from tests.integration.azure.cloud import Cloud


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with FakeArm() as arm:
        yield Cloud(arm)
