"""Route templates against the rules of ASP.NET."""

from __future__ import annotations

import pytest

from local.host.routes import BadPath, split
from local.host.templates import BadTemplate, Template

GUID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"


def match(template: str, path: str) -> dict[str, str] | None:
    return Template(template).match(split(path))


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("rooms", "/ROOMS/", {}),
        ("rooms", "/rooms/x", None),
        ("rooms/{id}", "/rooms", None),
        ("rooms/{id}", "/rooms/a%20b%2Fc", {"id": "a b%2Fc"}),
        ("rooms/{id}", "/rooms//", None),
        ("rooms/{id}", "/x/../rooms/./7", {"id": "7"}),
        ("rooms/{id?}", "/rooms", {}),
        ("rooms/{id=1}", "/rooms", {"id": "1"}),
        ("rooms/{id:int=1}", "/rooms/2", {"id": "2"}),
        ("{a}/{b?}/{c?}", "/x", {"a": "x"}),
        ("{ignored:maxlength(0)?}", "/", {}),
        ("{ignored:maxlength(0)?}", "/x", None),
        ("files/{*rest}", "/files", {}),
        ("files/{*rest}", "/files/a/b%20c/", {"rest": "a/b c"}),
        ("files/{*rest}", "/filesystem", None),
        ("{*rest:minlength(3)}", "/ab", None),
        ("{a}.{b}", "/x.y.z", {"a": "x.y", "b": "z"}),
        ("{a}-{b}-{c}", "/1-2-3-4", {"a": "1-2", "b": "3", "c": "4"}),
        ("{a}.{b?}", "/x", {"a": "x"}),
        ("{a}.{b?}", "/x.y", {"a": "x", "b": "y"}),
        ("{a}.{b?}", "/x.", None),
        ("plan.svg", "/PLAN.svg", {}),
        ("plan.svg", "/planXsvg", None),
        ("v{n:int}", "/v12", {"n": "12"}),
        ("v{n:int}", "/v", None),
        ("{{x}}", "/{x}", {}),
    ],
)
def test_match(template: str, path: str, values: dict[str, str] | None) -> None:
    assert match(template, path) == values


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        ("int", ["0", "-1", "2147483647", "-2147483648"], ["2147483648", "x", "1.0", "٣"]),
        ("long", ["9223372036854775807"], ["9223372036854775808", "9" * 5000]),
        ("bool", ["true", "FALSE"], ["1", "yes"]),
        ("guid", [GUID, GUID.replace("-", ""), f"{{{GUID}}}"], [GUID[1:], f"{{{GUID}"]),
        ("alpha", ["aZ"], ["a1", "é"]),
        ("datetime", ["2026-11-22", "2026-11-22T10:00:00Z", "11/22/2026"], ["tomorrow"]),
        ("decimal", ["1.5", "-3"], ["1e5", "x"]),
        ("double", ["1e5"], ["x"]),
        ("minlength(2)", ["ab"], ["a"]),
        ("maxlength(2)", ["ab"], ["abc"]),
        ("length(2)", ["ab"], ["a", "abc"]),
        ("length(2,3)", ["ab", "abc"], ["a", "abcd"]),
        ("min(18)", ["18"], ["17", "x", "9223372036854775808"]),
        ("max(18)", ["-5"], ["19"]),
        ("range(1,3)", ["1", "3"], ["0", "4"]),
        ("regex(^\\d{{3}}-x$)", ["123-X"], ["1234-x"]),
        ("regex(^a(b|c):$)", ["ac:"], ["ad:"]),
        ("required", ["x"], []),
        ("int:min(5)", ["5"], ["4", "2147483648"]),
    ],
)
def test_constraints(constraint: str, good: list[str], bad: list[str]) -> None:
    template = Template(f"{{x:{constraint}}}")
    assert [value for value in good if template.match([value]) != {"x": value}] == []
    assert [value for value in bad if template.match([value]) is not None] == []


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{x:colour}", "«colour» is no route constraint"),
        ("{x:int(3)}", "«int(3)»"),
        ("{x:min(a)}", "«min(a)»"),
        ("{x:regex([)}", "no route constraint"),
        ("{x}/{X}", "occurs twice"),
        ("{*x}/y", "only at the end"),
        ("{x}{y}", "need a text between"),
        ("{x?}.y", "only at the end of its segment"),
        ("{x}-{y?}", "period"),
        ("{x", "without its"),
        ("x}", "without its"),
        ("{}", "is no parameter"),
    ],
)
def test_bad_templates(template: str, why: str) -> None:
    with pytest.raises(BadTemplate) as caught:
        Template(template)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/", []),
        ("/a//b", ["a", "", "b"]),
        ("/a/%2e%2e/b", ["b"]),
        ("/%C3%A9", ["é"]),
        ("/%FF", ["%FF"]),
        ("/..", []),
    ],
)
def test_split(path: str, segments: list[str]) -> None:
    assert split(path) == segments


def test_a_null_byte_is_no_path() -> None:
    with pytest.raises(BadPath):
        split("/a%00b")
