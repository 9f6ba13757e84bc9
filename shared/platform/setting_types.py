"""What a setting may hold, by kind; what is wrong with one is said as `should be …`."""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, TypeAdapter
from pydantic_settings import NoDecode

from shared.platform.payload import IceServer
from shared.platform.weekly import WeeklyWindow
from shared.platform.zones import zones

OFF = "off"
"""As a rate: no limit."""


def _like(form: str, example: str) -> AfterValidator:
    """What is wrong is told by an example: few read patterns at three in the morning."""

    def check(value: str) -> str:
        if not re.fullmatch(form, value):
            raise ValueError(f"should be like {example}")
        return value

    return AfterValidator(check)


_NAME = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"

PublicUrl = Annotated[str, _like(r"https?://[^\s/]+", "https://meet.example.org, without a path")]
JwksUrl = Annotated[str, _like("https?://.+", "https://login.example.org/keys")]
StorageAccount = Annotated[str, _like("[a-z0-9]{3,24}", "stsuroga: small letters and digits")]
Subscription = Annotated[
    str,
    _like("(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "11111111-2222-3333-4444-555555555555"),
]
ResourceGroup = Annotated[str, _like(r"[\w().-]{0,89}[\w()-]", "rg-suroga")]
AdminUrl = Annotated[
    str, _like(r"https?://\{admin\}(:\d{1,5})?(/[^\s{}?#]*)?", "http://{admin}:7088/admin")
]
Domain = Annotated[str, Field(max_length=200), _like(rf"(?i)({_NAME}(\.{_NAME})*)?", "example.org")]
Currency = Annotated[str, _like("[A-Z]{3}", "EUR")]


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    """A JSON list, or items with commas between."""
    if not isinstance(value, str) or value.lstrip().startswith("["):
        return _json(value)
    return [item.strip() for item in value.split(",")]


def _from(least: str, most: str) -> AfterValidator:
    """Both bounds are among what is good, and are said as they are here."""
    shortest, longest = (TypeAdapter(timedelta).validate_python(end) for end in (least, most))

    def check(value: timedelta) -> timedelta:
        if not shortest <= value <= longest:
            raise ValueError(
                f"should be a duration from {least} to {most}; PT30M is 30 minutes, P30M 30 months"
            )
        return value

    return AfterValidator(check)


# ISO 8601 (`PT30M`) or `HH:MM:SS`. A slip of one letter makes minutes months, which would keep
# machines on for as long: so each has an upper bound.
Short = Annotated[timedelta, _from("PT0S", "P7D")]
Days = Annotated[timedelta, _from("PT1M", "P30D")]
Long = Annotated[timedelta, _from("PT0S", "P100000D")]


def _reminders(value: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
    minute = timedelta(minutes=1)
    if any(each % minute or not minute <= each <= timedelta(days=7) for each in value):
        raise ValueError("should be whole minutes, from PT1M to P7D each")
    return tuple(sorted(set(value)))


Reminders = Annotated[
    tuple[timedelta, ...],
    NoDecode,
    BeforeValidator(_listed),
    Field(max_length=5),
    AfterValidator(_reminders),
]
"""How long before a booking, the shortest first."""


def _long(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 32:
        raise ValueError("should be a random string of at least 32 characters")
    return value


LongSecret = Annotated[SecretStr, AfterValidator(_long)]


def _fernet_keys(value: SecretStr) -> SecretStr:
    if not all(_is_fernet_key(key.strip()) for key in value.get_secret_value().split(",")):
        raise ValueError(
            "should be one or more Fernet keys (32 bytes, URL-safe base64) with commas "
            "between, the newest first"
        )
    return value


def _is_fernet_key(key: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(key)) == 32
    except (binascii.Error, ValueError):
        return False


FernetKeys = Annotated[SecretStr, AfterValidator(_fernet_keys)]
"""With commas between, the newest first."""


def _rate(value: str) -> str:
    if value != OFF and not re.fullmatch(r"[1-9]\d{0,8}/(second|minute|hour|day)", value):
        raise ValueError("should be a rate like 300/minute (second, minute, hour or day), or off")
    return value


Rate = Annotated[str, AfterValidator(_rate)]
"""`<number>/<unit>`, or OFF."""


def _redis(value: SecretStr) -> SecretStr:
    form = r"rediss?://([^\s/@]*@)?[^\s/@:?#]+(:(?P<port>\d{1,5}))?(/\d{0,2})?"
    found = re.fullmatch(form, value.get_secret_value())
    if not found or not 0 < int(found["port"] or 6379) < 65536:
        raise ValueError("should be like rediss://:password@host:6380/0")
    return value


RedisUrl = Annotated[SecretStr, AfterValidator(_redis)]


def _split_urls(value: Any) -> Any:
    """Addresses with commas or spaces between. A comma within one is part of it, as in
    `mailto://…?to=a@example.org,b@example.org`."""
    if not isinstance(value, str):
        return value
    return re.split(r"[\s,]+(?=[A-Za-z][A-Za-z0-9]*://)", value.strip().rstrip(","))


def _channels(value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    """Their form alone: whether apprise knows the service is told when the first is used."""
    form = r"[A-Za-z][A-Za-z0-9]*://[^\s/]\S*"
    for number, url in enumerate(value, 1):
        if not re.fullmatch(form, url.get_secret_value()):
            raise ValueError(
                "should be apprise URLs like mailto://user:password@example.org with commas "
                f"or spaces between; number {number} is none"
            )
    return value


AlertUrls = Annotated[
    tuple[SecretStr, ...],
    NoDecode,
    BeforeValidator(_split_urls),
    Field(max_length=10),
    AfterValidator(_channels),
]


def _templates(value: tuple[str, ...]) -> tuple[str, ...]:
    form = r"(wss|https)://\{host\}(:\d{1,5})?(/[^\s{}?#]*)?"
    good = all(re.fullmatch(form, each) for each in value)
    if not good or not value or not value[0].startswith("wss:"):
        raise ValueError(
            "should be URLs like wss://{host}/janus-ws,https://{host}/janus, a WebSocket first"
        )
    return value


VmUrls = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_listed),
    Field(max_length=4),
    AfterValidator(_templates),
]
"""A machine's transports, in the order in which browsers try them."""


def _zone(value: str) -> str:
    if value not in zones():
        raise ValueError("should be an IANA time zone like Europe/Lisbon")
    return value


TimeZone = Annotated[str, AfterValidator(_zone)]

WarmWindows = Annotated[
    tuple[WeeklyWindow, ...], NoDecode, BeforeValidator(_json), Field(max_length=50)
]

IceServers = Annotated[list[IceServer], NoDecode, BeforeValidator(_json)]
