"""Our own app, as the local host sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from typing import Any

import pytest

from tests.local.running import REPO

# In a process of its own: an app gives its functions once, and other tests may want them too.
LIST = """
import json, os, sys
from pathlib import Path
os.environ["AzureWebJobsStorage"] = "UseDevelopmentStorage=true"
from local.host.load import load_functions
from local.host.routes import Routes
functions = load_functions(Path("."))
routes = Routes(functions, "")
def served(path):
    found = routes.find("GET", path)
    return found and found[0].function.name
print(json.dumps({"listed": [
    [f.name, f.trigger.get("route"), [m.value for m in f.trigger.get("methods") or []]]
    for f in functions if f.is_http
], "served": {path: served(path) for path in sys.argv[1:]}}))
"""

PATHS = {
    "/": "home_page",
    "/health": "health",
    "/health/": "health",
    "/HEALTH/": "health",
    "/health//": None,
    "/docs/": "docs_page",
}
Listed = list[tuple[str, str, list[str]]]


@pytest.fixture(scope="module")
def told() -> Any:
    """What our app tells of itself."""
    command = [sys.executable, "-c", LIST, *PATHS]
    ran = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def listed(told: Any) -> Listed:
    return [(name, route, methods) for name, route, methods in told["listed"]]


def _overlap(one: str, other: str) -> bool:
    """Whether some path fits both. Two segments are apart when both are literals and differ, or
    when one is a number and the other a literal that is none."""
    ours, theirs = one.split("/"), other.split("/")
    for mine, its in zip(ours, theirs, strict=False):
        if mine.startswith("{*") or its.startswith("{*"):
            return True
        if _apart(mine, its):
            return False
    return len(ours) == len(theirs)


def _apart(one: str, other: str) -> bool:
    if "{" not in one and "{" not in other:
        return one.lower() != other.lower()
    for pattern, literal in ((one, other), (other, one)):
        if "{" not in literal:
            return (":long" in pattern and not literal.isdecimal()) or ":maxlength(0)" in pattern
    return False


def test_our_routes_are_disjoint(listed: Listed) -> None:
    """So that the order in which Azure tries them, by function name, never matters."""
    clashes = [
        (one[0], other[0])
        for one, other in combinations(listed, 2)
        if set(one[2]) & set(other[2]) and _overlap(one[1], other[1])
    ]
    assert clashes == []


def test_every_route_says_its_methods(listed: Listed) -> None:
    assert listed
    assert [name for name, _, methods in listed if not methods] == []


def test_a_trailing_slash_does_not_count(told: Any) -> None:
    """Load balancers ask for `/health/` too."""
    assert told["served"] == PATHS
