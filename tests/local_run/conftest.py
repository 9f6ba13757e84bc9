from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_run.project import HOST, eventually_none
from tests.tree import stub_tree


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """Whatever a test does, nothing runs on after it."""
    root = tmp_path / "a tree"  # with a space, as people have them
    yield stub_tree(root, HOST)
    eventually_none(root)
