"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from tests.azurite import Azurite

# A busy machine must not decide: no example has a time limit.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


Figures = Callable[[str], None]


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """Takes what a test has measured, in lines; they are printed when all tests are over."""
    return lambda text: record_property("figures", text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.getreports(kind)]
    measured = [
        (report.nodeid, text)
        for report in reports
        for name, text in report.user_properties
        if name == "figures" and report.when == "call"
    ]
    if measured:
        terminalreporter.section("figures")
    for test, text in sorted(measured):
        terminalreporter.write_line(f"{test}\n{text}")


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
