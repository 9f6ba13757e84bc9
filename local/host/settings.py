"""`host.json` and `local.settings.json`, read once before anything is imported.

https://learn.microsoft.com/azure/azure-functions/functions-host-json
https://learn.microsoft.com/azure/azure-functions/functions-develop-local#local-settings-file
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.terminal import Stop

HOST = "host.json"
LOCAL = "local.settings.json"
DEFAULT_PORT = 7071

_SETTING = re.compile(r"%([^%]*)%")


@dataclass(frozen=True)
class Settings:
    route_prefix: str = "api"
    queues: dict[str, Any] = field(default_factory=dict)
    """`extensions.queues` of host.json as it stands there."""
    cors: tuple[str, ...] = ()
    cors_credentials: bool = False
    port: int = DEFAULT_PORT
    homepage: bool = True


def load_settings(root: Path, environment: MutableMapping[str, str] | None = None) -> Settings:
    """Also puts the `Values` into the environment, where what is set already stays."""
    environment = os.environ if environment is None else environment
    local = _local(root / LOCAL)
    for name, value in _values(local).items():
        environment.setdefault(name, value)
    host, section = _host(root / HOST), _object(local.get("Host", {}), LOCAL, "Host")
    extensions = _object(host.get("extensions", {}), HOST, "extensions")
    http = _object(extensions.get("http", {}), HOST, "extensions.http")
    origins = _text(section.get("CORS", ""), LOCAL, "Host.CORS")
    prefix = _text(http.get("routePrefix", "api"), HOST, "extensions.http.routePrefix")
    return Settings(
        route_prefix=prefix.strip("/"),
        queues=_object(extensions.get("queues", {}), HOST, "extensions.queues"),
        cors=tuple(o.strip().rstrip("/") for o in origins.split(",") if o.strip()),
        cors_credentials=section.get("CORSCredentials") is True,
        port=_port(section.get("LocalHttpPort", DEFAULT_PORT)),
        homepage=environment.get("AzureWebJobsDisableHomepage", "").lower() != "true",
    )


def expand(text: str, environment: Mapping[str, str] | None = None) -> str:
    """`%NAME%` replaced by the setting; raises `KeyError(NAME)` when there is none.

    https://learn.microsoft.com/azure/azure-functions/functions-bindings-expressions-patterns#binding-expressions---app-settings
    """
    known = os.environ if environment is None else environment
    return _SETTING.sub(lambda found: known[found[1]], text)


def _host(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise Stop(f"There is no {HOST} in {path.parent}: --root names the function app's folder.")
    host = _read(path)
    if host.get("version") != "2.0":
        raise Stop(f'{HOST} should say "version": "2.0".')
    return host


def _local(path: Path) -> dict[str, Any]:
    local = _read(path) if path.exists() else {}
    if local.get("IsEncrypted"):
        raise Stop(f"{LOCAL} is encrypted: `func settings decrypt` makes it readable.")
    return local


def _values(local: dict[str, Any]) -> dict[str, str]:
    values = _object(local.get("Values", {}), LOCAL, "Values")
    return {name: _text(value, LOCAL, f"Values.{name}") for name, value in values.items()}


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise Stop(f"{path.name} is not JSON (line {error.lineno}: {error.msg}).") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Stop(f"{path.name} cannot be read: {error}.") from None
    return _object(content, path.name, "the whole file")


def _object(value: Any, file: str, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Stop(f"{file}: {name} should be a JSON object.")
    return value


def _text(value: Any, file: str, name: str) -> str:
    if not isinstance(value, str):
        raise Stop(f"{file}: {name} should be a string.")
    return value


def _port(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 65_535:
        raise Stop(f"{LOCAL}: Host.LocalHttpPort should be a port number.")
    return value
