"""Which function serves a request.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#customize-the-http-endpoint
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from local.host.functions import AuthLevel, Function
from local.host.templates import BadTemplate, Template
from local.terminal import Stop

RESERVED = ("admin", "runtime")


class BadPath(Exception):
    """The request's path is none: Kestrel answers 400."""


@dataclass(frozen=True)
class Route:
    function: Function
    template: Template
    methods: frozenset[str]
    """None means all."""
    level: AuthLevel


class Routes:
    def __init__(self, functions: Sequence[Function], prefix: str) -> None:
        """`functions` in the order in which they are tried. Raises `Stop` for a bad template."""
        self._routes = [_route(f, prefix) for f in functions if f.is_http and not f.disabled]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Raises `BadPath`. A route whose methods lack this one is as if it were not there."""
        segments = split(path)
        for route in self._routes:
            if route.methods and method.upper() not in route.methods:
                continue
            values = route.template.match(segments)
            if values is not None:
                return route, values
        return None


def split(path: str) -> list[str]:
    """The decoded segments, as Kestrel and ASP.NET see them: %2F stays as it is, dot segments are
    resolved, one trailing slash does not count."""
    segments: list[str] = []
    for piece in path.split("/")[1:]:
        segment = _decoded(piece)
        if segment == "..":
            segments = segments[:-1]
        elif segment != ".":
            segments.append(segment)
    if segments and not segments[-1]:
        segments.pop()
    return segments


def _decoded(piece: str) -> str:
    parts = piece.replace("%2F", "%2f").split("%2f")
    try:
        texts = [unquote_to_bytes(part).decode() for part in parts]
    except UnicodeDecodeError:
        return piece
    if any("\0" in text for text in texts):
        raise BadPath
    return "%2F".join(texts)


def _route(function: Function, prefix: str) -> Route:
    own = str(function.trigger.get("route") or "") or function.name
    text = "/".join(part for part in (prefix, own.strip("/")) if part)
    try:
        template = Template(text)
    except BadTemplate as error:
        raise Stop(f"Function {function.name}: its route «{own}» is wrong: {error}.") from None
    if text.split("/")[0].lower() in RESERVED:
        raise Stop(f"Function {function.name}: its route «{own}» is one of the host's own.")
    methods = function.trigger.get("methods") or ()
    level = str(function.trigger.get("authLevel") or "function").lower()
    return Route(
        function,
        template,
        frozenset(str(getattr(m, "value", m)).upper() for m in methods),
        "anonymous" if level == "anonymous" else "admin" if level == "admin" else "function",
    )
