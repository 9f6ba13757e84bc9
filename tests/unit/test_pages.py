"""The pages for readers: links lead somewhere, commands have what they use, and what the tree is
said to hold is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one).strip().lower().replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCED.sub("", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        other = page.parent / file if file else page
        assert other.exists(), target
        assert not anchor or anchor in anchors(other), target


def test_every_page_can_be_found_from_the_first() -> None:
    index = (ROOT / "README.md").read_text("utf-8")
    assert [page.name for page in PAGES[1:] if f"(docs/{page.name})" not in index] == []


@pytest.mark.parametrize("name", ["API", "TOKEN", "ADMIN"])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_commands_use_is_set_above_them(page: Path, name: str) -> None:
    shell = [code for _, kind, code in FENCED.findall(page.read_text("utf-8")) if kind == "sh"]
    code = "\n".join(shell)
    used = re.search(rf"\$\{{?{name}\b", code)
    if used:
        assert re.search(rf"^{name}=", code[: used.start()], re.MULTILINE)
        assert len(re.findall(rf"^{name}=", code, re.MULTILINE)) == 1, "set once, for all"


def test_the_tree_of_the_developers_page() -> None:
    page = (ROOT / "docs" / "developer.md").read_text("utf-8")
    tree = FENCED.findall(page)[0][2]
    folders = [one.parent for one in (ROOT / "shared").glob("*/__init__.py")]
    folders += [one.parent for one in (ROOT / "tests").glob("*/__init__.py")]
    assert [one.name for one in folders if f"{one.name}/" not in tree] == []
    modules = re.findall(r"`((?:shared|tests|local|functions)/[\w/]+\.py)`", page)
    assert [one for one in modules if not (ROOT / one).exists()] == []
