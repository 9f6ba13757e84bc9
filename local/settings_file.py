"""`local.settings.json`: generated with fresh secrets at the first run, yours from then on."""

from __future__ import annotations

import base64
import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

from local.lock import exclusive
from local.ports import Ports
from local.terminal import Stop, say

NAME = "local.settings.json"
EXAMPLE = "local.settings.example.json"
GENERATED = "<generated>"
"""As a value: put a fresh secret here. Write it again to renew one."""


def ensure(root: Path) -> dict[str, str]:
    """Its values, after adding what it lacks (the file, a new setting, a secret)."""
    with exclusive(root / ".local" / "settings.lock", f"Another run writes {NAME}: waiting for it"):
        example, path = _read(root / EXAMPLE), root / NAME
        current = _read(path) if path.exists() else {}
        complete = _completed(current, example)
        values = _values(complete)
        if complete != current:
            say(f"{'Completing' if current else 'Writing'} {NAME} (yours to edit; git ignores it)")
            _write(path, complete)
        return values


def example_values(root: Path) -> dict[str, str]:
    return _values(_read(root / EXAMPLE))


def environment(
    values: dict[str, str], example: dict[str, str], ports: Ports, state: Path
) -> dict[str, str]:
    """The settings of one run. What depends on PORT and STATE follows them as long as the file
    has the example's value; a value of your own stays, and the shell's environment wins."""
    derived = _derived(example, ports, state)
    follow = {name: new for name, new in derived.items() if values.get(name) == example[name]}
    settings = {**values, **follow}
    return {name: os.environ.get(name) or value for name, value in settings.items()}


def _derived(example: dict[str, str], ports: Ports, state: Path) -> dict[str, str]:
    storage = example["AzureWebJobsStorage"]
    for offset in range(3):
        storage = storage.replace(f":{10_000 + offset}/", f":{ports.azurite + offset}/")
    return {
        "AzureWebJobsStorage": storage,
        "SUROGA_PUBLIC_URL": f"http://localhost:{ports.api}",
        "SUROGA_LOCAL_VM_FOLDER": str(state / "vms"),
        "SUROGA_LOCAL_VM_PORT": str(ports.janus),
    }


def _completed(current: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    values = {**example["Values"], **current.get("Values", {})}
    for name, value in values.items():
        if value == GENERATED:
            values[name] = _secret(name)
    return {**example, **current, "Values": values}


def _secret(name: str) -> str:
    if name == "SUROGA_ENCRYPTION_KEYS":  # a Fernet key
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_urlsafe(36)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise Stop(f"{path.name} is not JSON (line {error.lineno}: {error.msg}).") from None
    if not isinstance(content, dict) or not isinstance(content.get("Values"), dict):
        raise Stop(f'{path.name} should be a JSON object with an object "Values", as in {EXAMPLE}.')
    return content


def _values(content: dict[str, Any]) -> dict[str, str]:
    for name, value in content["Values"].items():
        if not isinstance(value, str):
            raise Stop(f'Setting {name} in {NAME} should be a string: "{value}", not {value!r}.')
    return dict(content["Values"])


def _write(path: Path, content: dict[str, Any]) -> None:
    """In one go, so that a crash leaves the old file or the new one; only its owner reads it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
