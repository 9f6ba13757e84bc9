"""One function of the app, as the host sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

AuthLevel = Literal["anonymous", "function", "admin"]


@dataclass(frozen=True)
class Trigger:
    """The trigger's binding; `%SETTING%` in its texts is expanded."""

    type: str
    parameter: str
    converter: str
    """The name of the converter that decodes it: the type, or `generic` for `str` and `bytes`."""
    binary: bool = False
    properties: dict[str, Any] | None = None

    def get(self, name: str) -> Any:
        return (self.properties or {}).get(name)


@dataclass(frozen=True)
class Function:
    name: str
    handler: Callable[..., Any]
    folder: Path
    trigger: Trigger
    wants_context: bool
    is_async: bool
    returns: str | None
    """The type of the `$return` binding."""
    disabled: bool = False
    connection: str = ""
    """The value of the setting that a queue trigger's `connection` names."""

    @property
    def is_http(self) -> bool:
        return self.trigger.type == "httpTrigger"
