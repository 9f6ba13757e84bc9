"""Settings, read once from the environment (app settings in Azure, local.settings.json locally).

`docs/settings.md` explains each one for operators; a test holds both lists together.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.platform.payload import IceServer
from shared.platform.weekly import WeeklyWindow
from shared.platform.zones import zones

PREFIX = "SUROGA_"

OFF = "off"
"""As a rate: no limit."""


class SettingsError(Exception):
    """A setting is missing or malformed; the message names it and says what it should be."""


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    """A JSON list, or items with commas between."""
    if not isinstance(value, str) or value.lstrip().startswith("["):
        return _json(value)
    return [item.strip() for item in value.split(",")]


def _alert_urls(value: Any) -> Any:
    """Addresses with commas or spaces between. A comma within one is part of it, as in
    `mailto://…?to=a@example.org,b@example.org`."""
    if not isinstance(value, str):
        return value
    return re.split(r"[\s,]+(?=[A-Za-z][A-Za-z0-9]*://)", value.strip().rstrip(","))


def _long_secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 32:
        raise ValueError("should be a random string of at least 32 characters")
    return value


class Settings(BaseSettings):
    """Durations are ISO 8601 (`PT30M`) or `HH:MM:SS`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True
    )

    mode: Literal["azure", "local"] = "azure"
    public_url: str = Field(pattern=r"^https?://[^\s/]+$")

    storage_connection: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("AzureWebJobsStorage")
    )
    storage_account: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9]{3,24}$",
        validation_alias=AliasChoices("AzureWebJobsStorage__accountName"),
    )

    encryption_keys: SecretStr
    link_key: SecretStr
    janus_key: SecretStr

    jwt_secret: SecretStr | None = None
    jwks_url: str | None = Field(default=None, pattern=r"^https?://")
    jwt_issuer: str
    jwt_audience: str
    jwt_leeway: timedelta = timedelta(seconds=30)
    operator_mfa: bool = False
    operator_fresh: timedelta = timedelta(0)

    pool: int = Field(default=0, ge=0, le=99)
    compute: Literal["local", "azure"] = "local"
    azure_subscription: str | None = Field(
        default=None, pattern=r"(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    )
    azure_resource_group: str | None = Field(default=None, pattern=r"^[\w().-]{0,89}[\w()-]$")
    local_vms: int = Field(default=2, ge=1, le=20)
    local_vm_folder: str = ".local/vms"
    local_vm_port: int = Field(default=8188, ge=1024, le=65000)
    local_vm_host: str = "127.0.0.1"
    vm_capacity: int = Field(default=4, ge=1, le=1000)
    pool_capacity: int = Field(
        default_factory=lambda data: data["local_vms"] * data["vm_capacity"], ge=1, le=100_000
    )
    """How many bookings the pool carries at the same time."""
    vm_urls: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed), Field(max_length=4)] = (
        "wss://{host}/janus-ws",
        "https://{host}/janus",
    )
    vm_admin_url: str = Field(
        default="http://{admin}:7088/admin",
        pattern=r"^https?://\{admin\}(:\d{1,5})?(/[^\s{}?#]*)?$",
    )
    vm_domain: str = Field(
        default="",
        pattern=r"(?i)^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*)?$",
        max_length=200,
    )
    vm_lead: timedelta = timedelta(minutes=30)
    vm_margin: timedelta = timedelta(minutes=15)
    vm_bridge: timedelta = timedelta(minutes=15)
    warm: Annotated[
        tuple[WeeklyWindow, ...], NoDecode, BeforeValidator(_json), Field(max_length=50)
    ] = ()
    spot_bookings: bool = False
    hold_max: timedelta = timedelta(hours=24)
    drill_every: timedelta = timedelta(days=7)
    vm_price: Decimal = Field(default=Decimal(0), ge=0, max_digits=12, decimal_places=6)
    vm_spot_price: Decimal = Field(default=Decimal(0), ge=0, max_digits=12, decimal_places=6)
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$")
    time_zone: str = "UTC"

    join_early: timedelta = timedelta(minutes=10)
    join_grace: timedelta = timedelta(minutes=10)
    max_booking: timedelta = timedelta(hours=24)
    horizon: timedelta = timedelta(days=366)
    min_notice: timedelta = timedelta(0)
    cancel_notice: timedelta = timedelta(hours=1)
    password_early: timedelta = timedelta(minutes=30)
    call_gap: timedelta = timedelta(seconds=20)
    reminders: Annotated[
        tuple[timedelta, ...], NoDecode, BeforeValidator(_listed), Field(max_length=5)
    ] = (timedelta(hours=1),)
    audit_days: int = Field(default=90, ge=1, le=3650)
    ice_servers: Annotated[list[IceServer], NoDecode, BeforeValidator(_json)] = []

    rate_caller: str = "300/minute"
    rate_address: str = "1200/minute"
    rate_store: SecretStr | None = None

    alert_urls: Annotated[
        tuple[SecretStr, ...], NoDecode, BeforeValidator(_alert_urls), Field(max_length=10)
    ] = ()
    operator_language: Literal["en", "pt"] = "en"
    overrun_limit: timedelta = timedelta(minutes=15)
    hold_long: timedelta = timedelta(hours=4)
    capacity_warning: float = Field(default=1.0, gt=0, le=1)

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("encryption_keys")
    @classmethod
    def _fernet_keys(cls, value: SecretStr) -> SecretStr:
        keys = [key.strip() for key in value.get_secret_value().split(",")]
        for key in keys:
            try:
                good = len(base64.urlsafe_b64decode(key)) == 32
            except (binascii.Error, ValueError):
                good = False
            if not good:
                raise ValueError(
                    "should be one or more Fernet keys (32 bytes, URL-safe base64) with commas "
                    "between, the newest first"
                )
        return value

    @field_validator("rate_caller", "rate_address")
    @classmethod
    def _rates(cls, value: str) -> str:
        if value != OFF and not re.fullmatch(r"[1-9]\d{0,8}/(second|minute|hour|day)", value):
            raise ValueError(
                "should be a rate like 300/minute (second, minute, hour or day), or off"
            )
        return value

    @field_validator("rate_store")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        form = r"rediss?://([^\s/@]*@)?[^\s/@:?#]+(:(?P<port>\d{1,5}))?(/\d{0,2})?"
        found = re.fullmatch(form, value.get_secret_value()) if value else None
        if value and (not found or not 0 < int(found["port"] or 6379) < 65536):
            raise ValueError("should be like rediss://:password@host:6380/0")
        return value

    @field_validator("alert_urls")
    @classmethod
    def _channels(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        """Their form alone: whether apprise knows the service is told when the first is used."""
        form = r"[A-Za-z][A-Za-z0-9]*://[^\s/]\S*"
        for number, url in enumerate(value, 1):
            if not re.fullmatch(form, url.get_secret_value()):
                raise ValueError(
                    "should be apprise URLs like mailto://user:password@example.org with commas "
                    f"or spaces between; number {number} is none"
                )
        return value

    @field_validator("link_key", "janus_key", "jwt_secret")
    @classmethod
    def _secrets(cls, value: SecretStr | None) -> SecretStr | None:
        return value and _long_secret(value)

    @field_validator(
        "vm_lead",
        "vm_margin",
        "vm_bridge",
        "drill_every",
        "hold_max",
        "operator_fresh",
        "join_early",
        "join_grace",
        "jwt_leeway",
        "max_booking",
        "horizon",
        "min_notice",
        "cancel_notice",
        "password_early",
        "call_gap",
        "overrun_limit",
        "hold_long",
    )
    @classmethod
    def _not_negative(cls, value: timedelta) -> timedelta:
        if value < timedelta(0):
            raise ValueError("should be a duration of zero or more, like PT30M")
        return value

    @field_validator("vm_urls")
    @classmethod
    def _templates(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        form = r"(wss|https)://\{host\}(:\d{1,5})?(/[^\s{}?#]*)?"
        good = all(re.fullmatch(form, each) for each in value)
        if not good or not value or not value[0].startswith("wss:"):
            raise ValueError(
                "should be URLs like wss://{host}/janus-ws,https://{host}/janus, a WebSocket first"
            )
        return value

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if value not in zones():
            raise ValueError("should be an IANA time zone like Europe/Lisbon")
        return value

    @field_validator("reminders")
    @classmethod
    def _reminders(cls, value: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
        minute = timedelta(minutes=1)
        if any(each % minute or not minute <= each <= timedelta(days=7) for each in value):
            raise ValueError("should be whole minutes, from PT1M to P7D each")
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _together(self) -> Settings:
        if not self.storage_connection and not self.storage_account:
            raise ValueError(
                "AzureWebJobsStorage (a connection string) or AzureWebJobsStorage__accountName "
                "(the account's name, reached by managed identity) should be set"
            )
        if not self.jwt_secret and not self.jwks_url:
            raise ValueError(
                "SUROGA_JWKS_URL (the keys of your OpenID Connect issuer) or SUROGA_JWT_SECRET "
                "(HS256) should be set"
            )
        if self.compute == "azure" and not (
            self.azure_subscription
            and self.azure_resource_group
            and "pool_capacity" in self.model_fields_set
        ):
            raise ValueError(
                "SUROGA_COMPUTE=azure needs SUROGA_AZURE_SUBSCRIPTION and "
                "SUROGA_AZURE_RESOURCE_GROUP (where the virtual machines are) and "
                "SUROGA_POOL_CAPACITY (how many bookings they carry at the same time): all should "
                "be set"
            )
        if self.mode == "local" and "WEBSITE_INSTANCE_ID" in os.environ:
            raise ValueError(
                "SUROGA_MODE should not be local in Azure: anybody could sign in as anybody"
            )
        if self.jwt_secret and self.mode != "local" and self.jwks_url:
            raise ValueError("SUROGA_JWT_SECRET should not be set beside SUROGA_JWKS_URL")
        return self

    @property
    def local(self) -> bool:
        return self.mode == "local"


def load_settings() -> Settings:
    """Reads the environment; raises `SettingsError` with one sentence for each bad setting."""
    try:
        return Settings()
    except ValidationError as error:
        # A default that is computed from a bad setting is no news.
        bad = [e for e in error.errors() if e["type"] != "default_factory_not_called"]
        raise SettingsError("; ".join(_sentence(e) for e in bad)) from None


def _sentence(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return f"Setting {message}"
    name = str(error["loc"][0])
    name = name if name.startswith("AzureWebJobs") else PREFIX + name.upper()
    if str(error["type"]).startswith("time_delta"):
        message = "should be a duration like PT30M or 00:30:00"
    if error["type"] == "missing":
        return f"Setting {name} is missing: docs/settings.md says what it should be"
    return f"Setting {name} is malformed: {message[0].lower()}{message[1:]}"
