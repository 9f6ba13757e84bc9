"""Settings, read once from the environment (app settings in Azure, local.settings.json locally).

`docs/settings.md` explains each one for operators; a test holds both lists together.
"""

from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.platform.setting_types import (
    AdminUrl,
    AlertUrls,
    Currency,
    Days,
    Domain,
    FernetKeys,
    IceServers,
    JwksUrl,
    Long,
    LongSecret,
    PublicUrl,
    Rate,
    RedisUrl,
    Reminders,
    ResourceGroup,
    Short,
    StorageAccount,
    Subscription,
    TimeZone,
    VmUrls,
    WarmWindows,
)

PREFIX = "SUROGA_"


class SettingsError(Exception):
    """A setting is missing or malformed; the message names it and says what it should be."""


class Settings(BaseSettings):
    """Durations are ISO 8601 (`PT30M`) or `HH:MM:SS`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True
    )

    mode: Literal["azure", "local"] = "azure"
    public_url: PublicUrl

    storage_connection: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("AzureWebJobsStorage")
    )
    storage_account: StorageAccount | None = Field(
        default=None,
        validation_alias=AliasChoices("AzureWebJobsStorage__accountName"),
    )

    encryption_keys: FernetKeys
    link_key: LongSecret
    janus_key: LongSecret

    jwt_secret: LongSecret | None = None
    jwks_url: JwksUrl | None = None
    jwt_issuer: str
    jwt_audience: str
    jwt_leeway: Short = timedelta(seconds=30)
    operator_mfa: bool = False
    operator_fresh: Long = timedelta(0)

    pool: int = Field(default=0, ge=0, le=99)
    compute: Literal["local", "azure"] = "local"
    azure_subscription: Subscription | None = None
    azure_resource_group: ResourceGroup | None = None
    local_vms: int = Field(default=2, ge=1, le=20)
    local_vm_folder: str = ".local/vms"
    local_vm_port: int = Field(default=8188, ge=1024, le=65000)
    local_vm_host: str = "127.0.0.1"
    vm_capacity: int = Field(default=4, ge=1, le=1000)
    pool_capacity: int = Field(
        default_factory=lambda data: data["local_vms"] * data["vm_capacity"], ge=1, le=100_000
    )
    """How many bookings the pool carries at the same time."""
    vm_urls: VmUrls = (
        "wss://{host}/janus-ws",
        "https://{host}/janus",
    )
    vm_admin_url: AdminUrl = "http://{admin}:7088/admin"
    vm_domain: Domain = ""
    vm_lead: Short = timedelta(minutes=30)
    vm_margin: Short = timedelta(minutes=15)
    vm_bridge: Short = timedelta(minutes=15)
    warm: WarmWindows = ()
    spot_bookings: bool = False
    hold_max: Days = timedelta(hours=24)
    drill_every: Long = timedelta(days=7)
    vm_price: Decimal = Field(default=Decimal(0), ge=0, max_digits=12, decimal_places=6)
    vm_spot_price: Decimal = Field(default=Decimal(0), ge=0, max_digits=12, decimal_places=6)
    currency: Currency = "EUR"
    time_zone: TimeZone = "UTC"

    join_early: Short = timedelta(minutes=10)
    join_grace: Short = timedelta(minutes=10)
    max_booking: Days = timedelta(hours=24)
    horizon: Long = timedelta(days=366)
    min_notice: Long = timedelta(0)
    cancel_notice: Long = timedelta(hours=1)
    password_early: Short = timedelta(minutes=30)
    call_gap: Short = timedelta(seconds=20)
    reminders: Reminders = (timedelta(hours=1),)
    audit_days: int = Field(default=90, ge=1, le=3650)
    ice_servers: IceServers = []

    rate_caller: Rate = "300/minute"
    rate_address: Rate = "1200/minute"
    rate_store: RedisUrl | None = None

    alert_urls: AlertUrls = ()
    operator_language: Literal["en", "pt"] = "en"
    overrun_limit: Short = timedelta(minutes=15)
    hold_long: Short = timedelta(hours=4)
    capacity_warning: float = Field(default=1.0, gt=0, le=1)

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

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


def unknown_settings() -> list[str]:
    """Names in the environment that begin like ours and are none: nobody would notice a slip."""
    ours = (name for name, field in Settings.model_fields.items() if not field.validation_alias)
    known = {PREFIX + name.upper() for name in ours}
    begins = (name for name in os.environ if name.upper().startswith(PREFIX))
    return sorted(name for name in begins if name.upper() not in known)


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
