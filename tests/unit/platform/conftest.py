from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.fernet import Fernet

from shared.platform.settings import Settings

SettingsOf = Callable[..., Settings]

SECRET = "a-secret-for-tests-of-some-32-characters"
ISSUER = "https://issuer.test/"
AUDIENCE = "api://suroga"

GOOD = {
    "SUROGA_MODE": "local",
    "SUROGA_PUBLIC_URL": "http://localhost:7071",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "SUROGA_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "SUROGA_LINK_KEY": "l" * 32,
    "SUROGA_JANUS_KEY": "j" * 32,
    "SUROGA_JWT_SECRET": SECRET,
    "SUROGA_JWT_ISSUER": ISSUER,
    "SUROGA_JWT_AUDIENCE": AUDIENCE,
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str | None]], None]:
    """Sets the environment to good settings, and then what the test wants (None: unset)."""

    def change(changes: dict[str, str | None]) -> None:
        for name in os.environ:
            if name.upper().startswith(("SUROGA_", "AZUREWEBJOBSSTORAGE")):
                monkeypatch.delenv(name)
        for name, value in {**GOOD, **changes}.items():
            if value is not None:
                monkeypatch.setenv(name, value)

    return change


@pytest.fixture
def settings_of(environment: Callable[[dict[str, str | None]], None]) -> SettingsOf:
    def make(**changes: Any) -> Settings:
        environment({f"SUROGA_{name.upper()}": value for name, value in changes.items()})
        return Settings()

    return make
