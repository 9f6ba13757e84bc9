"""A process that dies at any await of a pass: the next one goes on from what it has left.

Each story is told once without a fault, to list the calls of every tick, and once for each of them
that changes something with a process that dies before it, and one that dies after it. Whoever dies
at a read leaves what the write before it has left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.faults import When
from tests.unit.fleet import stories
from tests.unit.fleet.crashing import Crashing, Death

Tell = Callable[[Crashing], Awaitable[None]]
DAYS = {"vm_margin": timedelta(hours=50)}


@dataclass(frozen=True)
class Story:
    tell: Tell
    machines: int = 2
    ends: float = 240
    """The minute when everything must be off."""
    settings: dict[str, Any] = field(default_factory=dict)


STORIES = [
    Story(stories.started_in_time),
    Story(stories.started_slowly),
    Story(stories.refused),
    Story(stories.failed_later),
    Story(stories.lost),
    Story(stories.lost_alone, machines=1),
    Story(stories.two_lost),
    Story(stories.deallocated),
    Story(stories.deallocated_slowly),
    Story(stories.not_deallocated),
    Story(stories.not_deallocated_later),
    Story(stories.booked_while_stopping, machines=1),
    Story(stories.started_by_hand),
    Story(stories.cancelled_while_starting),
    Story(stories.ended),
    Story(stories.held),
    Story(stories.excluded),
    Story(stories.drained, machines=1),
    Story(stories.deleted),
    Story(stories.hung),
    Story(stories.hung_alone, machines=1),
    Story(stories.none_starts),
    Story(stories.company_is_first),
    Story(stories.company_is_second),
    Story(stories.company_of_a_cancelled_one),
    Story(stories.company_is_refused),
    Story(stories.on_for_days, ends=52 * 60, settings=DAYS),
]

CHANGES = frozenset(
    {"commit", "put", "start", "deallocate", "restart"}
    | {"create_room", "edit_room", "destroy_room", "accept_sessions", "kick"}
)
TURNS = range(0, 30, 4)
WHENS: tuple[When, ...] = ("before", "after")
NAMES = [story.tell.__name__ for story in STORIES]


@pytest.mark.parametrize("story", STORIES, ids=NAMES)
async def test_a_crash_at_any_await(story: Story) -> None:
    clean = await _tell(story)
    for death in _deaths(clean):
        try:
            world = await _tell(story, death)
            _compare(clean, world)
        except BaseException as error:
            error.add_note(f"killed {death.when} call {death.nth} of tick {death.tick}")
            raise


async def _tell(story: Story, death: Death | None = None, twin: int | None = None) -> Crashing:
    world = Crashing(death, twin, local_vms=story.machines, **story.settings)
    await story.tell(world)
    await world.over(story.ends)
    return world


def _deaths(clean: Crashing) -> list[Death]:
    return [
        Death(tick, call.nth, when)
        for tick, calls in enumerate(clean.calls)
        for call in calls
        if call.nth == 1 or call.verb in CHANGES
        for when in WHENS
    ]


def _compare(clean: Crashing, world: Crashing) -> None:
    """Nothing is lost or doubled. What is mended before anybody could tell of it is no incident."""
    assert world.told() == clean.told()
    opened = world.incidents(over=False)
    assert opened == world.incidents(over=True)
    assert set(opened.values()) <= {1}


@pytest.mark.parametrize("story", STORIES, ids=NAMES)
async def test_two_at_once(story: Story) -> None:
    """Side by side, the second some turns later: they meet at other places each time."""
    clean = await _tell(story)
    for after in TURNS:
        try:
            _compare(clean, await _tell(story, twin=after))
        except BaseException as error:
            error.add_note(f"the second begins {after} turns later")
            raise


@pytest.mark.parametrize("story", STORIES, ids=NAMES)
async def test_a_crash_beside_another(story: Story) -> None:
    """One of two that run at once dies, at every few of its calls."""
    clean = await _tell(story)
    for n, death in enumerate(_deaths(clean)[::9]):
        try:
            _compare(clean, await _tell(story, death, twin=n % 9))
        except BaseException as error:
            error.add_note(f"{death}, the second begins {n % 9} turns later")
            raise
