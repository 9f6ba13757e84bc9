"""Reading and writing anew after somebody else's change."""

from __future__ import annotations

import pytest

from shared.platform.problems import Problem
from shared.platform.retrying import TRIES, again
from shared.platform.tables import Conflict, StorageUnavailable


class Work:
    """Fails with each of the errors in turn."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.mark.parametrize("conflicts", [0, 1, TRIES - 1])
async def test_until_it_meets_no_conflict(conflicts: int) -> None:
    work = Work(*[Conflict("changed")] * conflicts)
    assert await again(work) == "done"
    assert work.calls == conflicts + 1


@pytest.mark.parametrize(("tries", "calls"), [({}, TRIES), ({"tries": 2}, 2)])
async def test_it_gives_up(tries: dict[str, int], calls: int) -> None:
    work = Work(*[Conflict("changed")] * 9)
    with pytest.raises(Problem) as problem:
        await again(work, **tries)
    assert (problem.value.status, problem.value.code) == (503, "calendar_busy")
    assert work.calls == calls


async def test_other_faults_end_it() -> None:
    work = Work(StorageUnavailable("cut"))
    with pytest.raises(StorageUnavailable):
        await again(work)
    assert work.calls == 1
