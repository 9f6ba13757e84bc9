"""docs/api.md tells of every operation, every code and every answer that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import function_app
from functions.door import OPERATIONS, Operation
from functions.refusals import refusals
from shared.platform.i18n import MESSAGES, TITLES
from shared.tenants.models import SCOPES

assert function_app.app, "importing it registers the operations"

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "api.md").read_text()
BY_NAME = {op.name: op for op in OPERATIONS}


def rows(page: str) -> list[list[str]]:
    lines = (line for line in page.splitlines() if line.startswith("| "))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


OF_OPERATIONS = {row[0].strip("`"): row for row in rows(PAGE) if len(row) == 5}


def answers(op: Operation) -> str:
    """The success, and the refusals of the operation itself."""
    own = set(op.problems)
    own |= {400} if op.body or op.query else set()
    own |= {409, 422} if op.keyed else set()
    listed = ", ".join(str(status) for status in sorted(own))
    return f"{op.status}; {listed}" if listed else str(op.status)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_operation_stands_in_a_table(name: str) -> None:
    op = BY_NAME[name]
    path = re.sub(r"{(\w+):\w+}", r"{\1}", op.route)
    row = OF_OPERATIONS[f"{op.method} /{path}"]
    assert row[4] == answers(op)
    assert row[3].strip("`") == (op.scope if op.scope else "—" if op.signed_in else "")
    assert row[2], "who may"


def test_no_table_has_an_operation_that_is_no_more() -> None:
    assert len([key for key in OF_OPERATIONS if re.match("[A-Z]+ /", key)]) == len(OPERATIONS)


@pytest.mark.parametrize("code", sorted(MESSAGES))
def test_every_code_says_when_and_what_to_do(code: str) -> None:
    statuses = {s for op in OPERATIONS for s, codes in refusals(op).items() if code in codes}
    listed = ", ".join(str(status) for status in sorted(statuses))
    row = f"| `{code}` | {listed} | {MESSAGES[code].en} |"
    assert row in PAGE, f"docs/api.md should have the row:\n{row}"


def test_every_status_is_explained() -> None:
    explained = PAGE.partition("## Errors")[2]
    answered = {str(s) for op in OPERATIONS for s in refusals(op)}
    for status in answered:
        assert re.search(rf"^\| [\d, ]*{status}[\d, ]* \| ", explained, re.M), status
    assert answered <= {str(status) for status in TITLES}


def test_every_scope_is_one_of_an_operation() -> None:
    assert {op.scope for op in OPERATIONS if op.scope} == SCOPES


def test_links_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-")
        for line in PAGE.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        file, _, anchor = target.partition("#")
        assert (ROOT / "docs" / file).exists()
        assert file or anchor in headings, target
