from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_run.project import eventually_none, make_project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """Whatever a test does, nothing runs on after it."""
    root = tmp_path / "a tree"  # with a space, as people have them
    root.mkdir()
    yield make_project(root)
    eventually_none(root)
