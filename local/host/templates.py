"""Route templates: `rooms/{id:long}`, `{a}.{b?}`, `assets/{*path}`.

https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-templates
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from local.host.constraints import Check, UnknownConstraint, make_check

_CONSTRAINT = re.compile(r"(\w+)(?:\((.*)\))?", re.DOTALL)


class BadTemplate(Exception):
    """Says what is wrong with the template."""


@dataclass(frozen=True)
class Literal:
    text: str


@dataclass(frozen=True)
class Parameter:
    name: str
    checks: tuple[Check, ...] = ()
    optional: bool = False
    default: str | None = None
    catch_all: bool = False

    @property
    def may_lack(self) -> bool:
        return self.optional or self.catch_all or self.default is not None


Part = Literal | Parameter


@dataclass(frozen=True)
class Segment:
    parts: tuple[Part, ...]
    patterns: tuple[re.Pattern[str], ...] = field(default=(), compare=False)
    """Tried in this order; the second is without an optional last parameter and its period."""

    @property
    def alone(self) -> Parameter | None:
        part = self.parts[0]
        return part if len(self.parts) == 1 and isinstance(part, Parameter) else None


class Template:
    """One parsed route. `match` takes the decoded segments of a path."""

    def __init__(self, text: str) -> None:
        """Raises `BadTemplate`."""
        self.text = text
        self.segments = tuple(_segment(piece) for piece in _pieces(text.strip("/"), "/") if piece)
        self.parameters = [p for s in self.segments for p in s.parts if isinstance(p, Parameter)]
        _check_order(self.segments)

    def match(self, path: list[str]) -> dict[str, str] | None:
        values: dict[str, str] = {}
        for number, segment in enumerate(self.segments):
            alone = segment.alone
            if alone and alone.catch_all:
                if rest := "/".join(path[number:]):
                    values[alone.name] = rest
                path = path[:number]
                break
            if number >= len(path):
                if not (alone and alone.may_lack):
                    return None
            elif (found := _values(segment, path[number])) is not None:
                values |= found
            else:
                return None
        if len(path) > len(self.segments):
            return None
        return self._checked(values)

    def _checked(self, values: dict[str, str]) -> dict[str, str] | None:
        for parameter in self.parameters:
            if parameter.default is not None:
                values.setdefault(parameter.name, parameter.default)
            value = values.get(parameter.name)
            if value is None:
                continue
            if not all(check(value) for check in parameter.checks):
                return None
        return values


def _values(segment: Segment, text: str) -> dict[str, str] | None:
    if not text:
        return None
    for pattern in segment.patterns:
        if found := pattern.fullmatch(text):
            return {name: value for name, value in found.groupdict().items() if value is not None}
    return None


def _pieces(text: str, separator: str) -> Iterator[str]:
    """Split at the separator, but not within `{}` or `()`."""
    depth, start = 0, 0
    for index, letter in enumerate(text):
        if letter in "{(":
            depth += 1
        elif letter in ")}":
            depth -= 1
        elif letter == separator and depth == 0:
            yield text[start:index]
            start = index + 1
    yield text[start:]


def _segment(text: str) -> Segment:
    parts = tuple(_parts(text))
    for first, second in pairwise(parts):
        if isinstance(first, Parameter) and isinstance(second, Parameter):
            raise BadTemplate(f"{{{first.name}}} and {{{second.name}}} need a text between them")
    for part in parts[:-1]:
        if isinstance(part, Parameter) and (part.optional or part.catch_all):
            raise BadTemplate(f"{{{part.name}}} may be optional only at the end of its segment")
    return Segment(parts, tuple(_patterns(parts)))


def _parts(text: str) -> Iterator[Part]:
    literal, index = "", 0
    while index < len(text):
        letter = text[index]
        if text[index : index + 2] in ("{{", "}}"):
            literal, index = literal + letter, index + 2
        elif letter == "{":
            if literal:
                yield Literal(literal)
            literal, end = "", _closing(text, index)
            yield _parameter(text[index + 1 : end])
            index = end + 1
        elif letter == "}":
            raise BadTemplate(f"a }} without its {{ in «{text}»")
        else:
            literal, index = literal + letter, index + 1
    if literal:
        yield Literal(literal)


def _closing(text: str, start: int) -> int:
    """Where the parameter that begins at `start` ends; `}}` within it stands for one brace."""
    index = start + 1
    while index < len(text):
        if text[index : index + 2] in ("{{", "}}") and text[index + 2 :]:
            index += 2
        elif text[index] == "}":
            return index
        else:
            index += 1
    raise BadTemplate(f"a {{ without its }} in «{text}»")


def _parameter(text: str) -> Parameter:
    body = text.replace("{{", "{").replace("}}", "}")
    catch_all = body.startswith("*")
    body = body.lstrip("*")
    optional = body.endswith("?")
    body = body.removesuffix("?")
    head, *rest = _pieces(body, "=")
    default = "=".join(rest) if rest else None
    name, *constraints = _pieces(head, ":")
    if not re.fullmatch(r"\w+", name):
        raise BadTemplate(f"«{{{text}}}» is no parameter")
    return Parameter(name, tuple(map(_check, constraints)), optional, default, catch_all)


def _check(text: str) -> Check:
    found = _CONSTRAINT.fullmatch(text)
    try:
        if not found:
            raise UnknownConstraint(text)
        return make_check(found[1].lower(), found[2])
    except UnknownConstraint as error:
        raise BadTemplate(f"«{error}» is no route constraint") from None


def _patterns(parts: tuple[Part, ...]) -> Iterator[re.Pattern[str]]:
    """Greedy from the left, which gives what ASP.NET finds going from the right."""
    texts = [re.escape(p.text) if isinstance(p, Literal) else f"(?P<{p.name}>.+)" for p in parts]
    yield re.compile("".join(texts), re.IGNORECASE | re.DOTALL)
    last = parts[-1]
    if len(parts) > 2 and isinstance(last, Parameter) and last.optional:
        if parts[-2] != Literal("."):
            raise BadTemplate(f"{{{last.name}?}} may follow a text only when that is a period")
        yield re.compile("".join(texts[:-2]) + r"(?<!\.)", re.IGNORECASE | re.DOTALL)


def _check_order(segments: tuple[Segment, ...]) -> None:
    names = [p.name.lower() for s in segments for p in s.parts if isinstance(p, Parameter)]
    for name in names:
        if names.count(name) > 1:
            raise BadTemplate(f"{{{name}}} occurs twice")
    for segment in segments[:-1]:
        if segment.alone and segment.alone.catch_all:
            raise BadTemplate(f"{{*{segment.alone.name}}} may stand only at the end")
