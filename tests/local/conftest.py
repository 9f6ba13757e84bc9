from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.local.running import Running, make_subject


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One host for every test that neither stops nor configures it."""
    root = make_subject(tmp_path_factory.mktemp("host"))
    with Running(root, SUBJECT_SCHEDULE="0 0 0 2 1 *") as running:
        yield running
