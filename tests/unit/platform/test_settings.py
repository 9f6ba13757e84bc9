from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import AliasChoices

from shared.platform.crypto import Crypto
from shared.platform.payload import IceServer
from shared.platform.settings import (
    PREFIX,
    Settings,
    SettingsError,
    load_settings,
    unknown_settings,
)
from tests.unit.platform.conftest import GOOD

ROOT = Path(__file__).parents[3]

Environment = Callable[[dict[str, str | None]], None]


def variable(name: str) -> str:
    """The name of a field's environment variable."""
    alias = Settings.model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return PREFIX + name.upper()


VARIABLES = [variable(name) for name in Settings.model_fields]


def sentence(environment: Environment, changes: dict[str, str | None]) -> str:
    environment(changes)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return str(caught.value)


def test_good_settings(environment: Environment) -> None:
    environment({"SUROGA_LOCAL_VMS": "3", "SUROGA_VM_CAPACITY": "5", "SUROGA_JWKS_URL": ""})
    settings = load_settings()
    assert settings.local
    assert settings.pool_capacity == 15
    assert settings.jwks_url is None
    assert settings.vm_lead == timedelta(minutes=30)
    assert settings.ice_servers == []


AZURE: dict[str, str | None] = {
    "SUROGA_COMPUTE": "azure",
    "SUROGA_AZURE_SUBSCRIPTION": "0b1f6471-1bf0-4dda-aec3-cb9272f09590",
    "SUROGA_AZURE_RESOURCE_GROUP": "Suroga.janus_(1)",
    "SUROGA_POOL_CAPACITY": "12",
}


def test_virtual_machines_in_azure(environment: Environment) -> None:
    environment(AZURE)
    settings = load_settings()
    assert settings.pool_capacity == 12
    assert settings.vm_urls == ("wss://{host}/janus-ws", "https://{host}/janus")


@pytest.mark.parametrize("name", [name for name in AZURE if name != "SUROGA_COMPUTE"])
def test_azure_needs_to_know_where_and_how_many(environment: Environment, name: str) -> None:
    """The calendar never asks Azure, so it has to be told how much it may accept."""
    said = sentence(environment, AZURE | {name: None})
    assert name in said
    assert "should be set" in said


def test_a_default_that_cannot_be_computed_is_not_reported(environment: Environment) -> None:
    said = sentence(environment, {"SUROGA_LOCAL_VMS": "0"})
    assert "SUROGA_LOCAL_VMS" in said
    assert "SUROGA_POOL_CAPACITY" not in said


@pytest.mark.parametrize("text", ["PT1H30M", "01:30:00"])
def test_durations(environment: Environment, text: str) -> None:
    environment({"SUROGA_VM_LEAD": text})
    assert load_settings().vm_lead == timedelta(minutes=90)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("VM_LEAD", "P30M"), ("VM_MARGIN", "P15M"), ("VM_BRIDGE", "-PT1S"), ("HORIZON", "P999Y")),
        *(("HOLD_MAX", "PT0S"), ("MAX_BOOKING", "P31D"), ("JOIN_GRACE", "P999999D")),
    ],
)
def test_a_duration_that_would_be_felt_for_months_is_a_slip(
    environment: Environment, name: str, text: str
) -> None:
    said = sentence(environment, {f"SUROGA_{name}": text})
    assert f"SUROGA_{name} is malformed: should be a duration from PT" in said
    assert "P30M 30 months" in said


def test_rates_and_their_store(environment: Environment) -> None:
    environment({})
    settings = load_settings()
    assert (settings.rate_caller, settings.rate_address) == ("300/minute", "1200/minute")
    assert settings.rate_store is None
    for url in ("redis://h", "redis://10.0.0.1:6379/0", "rediss://:p%2Fw=@c.example:6380/15"):
        environment({"SUROGA_RATE_CALLER": "off", "SUROGA_RATE_STORE": url})
        settings = load_settings()
        assert settings.rate_caller == "off"
        assert settings.rate_store
        assert settings.rate_store.get_secret_value() == url
        assert url not in repr(settings)


@pytest.mark.parametrize(
    ("value", "minutes"),
    [
        *((None, [60]), ("PT1H", [60]), ("P1D, PT1H,PT10M", [10, 60, 1440]), ("[]", [])),
        *(('["P1D", "PT1H"]', [60, 1440]), ("PT1H,PT60M", [60]), ("P7D", [7 * 24 * 60])),
    ],
)
def test_times_of_reminders(
    environment: Environment, value: str | None, minutes: list[int]
) -> None:
    environment({"SUROGA_REMINDERS": value})
    assert load_settings().reminders == tuple(timedelta(minutes=each) for each in minutes)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *(("PT1H,soon", "a duration like PT30M"), ("PT90S", "whole minutes")),
        *(("PT0S", "whole minutes"), ("P8D", "P7D"), ("-PT1H", "whole minutes")),
        *(("PT1M,PT2M,PT3M,PT4M,PT5M,PT6M", "at most 5"), ("[", "malformed"), ("PT1H,", "PT30M")),
    ],
)
def test_bad_reminders_are_named(environment: Environment, value: str, said: str) -> None:
    sentence_of = sentence(environment, {"SUROGA_REMINDERS": value})
    assert "SUROGA_REMINDERS" in sentence_of
    assert said in sentence_of


SLACK, MAIL = "slack://TOKEN_A/B/C", "mailto://u:p@h.example?to=a@x.example,b@x.example"


@pytest.mark.parametrize(
    ("value", "urls"),
    [
        *((None, []), (SLACK, [SLACK]), (f"{SLACK},{MAIL}", [SLACK, MAIL])),
        *((f" {MAIL}\n{SLACK}, ", [MAIL, SLACK]), (f"{SLACK} , {MAIL}", [SLACK, MAIL])),
    ],
)
def test_addresses_of_messages(
    environment: Environment, value: str | None, urls: list[str]
) -> None:
    environment({"SUROGA_ALERT_URLS": value})
    settings = load_settings()
    assert [one.get_secret_value() for one in settings.alert_urls] == urls
    assert "TOKEN_A" not in repr(settings)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *(("SECRETHOOK", "number 1 is none"), ("slack:SECRETHOOK", "number 1 is none")),
        *((f"{SLACK} json:// mailto:///SECRETHOOK", "number 2"), (f"{SLACK} SECRETHOOK", "1 is")),
        (",".join(["json://SECRETHOOK"] * 11), "at most 10"),
    ],
)
def test_bad_addresses_of_messages_are_named_and_not_told(
    environment: Environment, value: str, said: str
) -> None:
    told = sentence(environment, {"SUROGA_ALERT_URLS": value})
    assert "SUROGA_ALERT_URLS" in told
    assert said in told
    assert "SECRETHOOK" not in told


def test_ice_servers_are_json(environment: Environment) -> None:
    environment({"SUROGA_ICE_SERVERS": '[{"urls": "stun:example.test"}]'})
    assert load_settings().ice_servers == [IceServer(urls="stun:example.test")]


@pytest.mark.parametrize("value", ['[{"url": "stun:x"}]', "[1]", "{}", "stun:x"])
def test_ice_servers_of_another_form_are_named(environment: Environment, value: str) -> None:
    environment({"SUROGA_ICE_SERVERS": value})
    with pytest.raises(SettingsError, match="SUROGA_ICE_SERVERS"):
        load_settings()


def test_local_mode_is_refused_in_azure(environment: Environment) -> None:
    environment({"SUROGA_MODE": "local", "WEBSITE_INSTANCE_ID": "abc"})
    with pytest.raises(SettingsError, match="SUROGA_MODE should not be local"):
        load_settings()


def test_several_encryption_keys(environment: Environment) -> None:
    keys = f"{GOOD['SUROGA_ENCRYPTION_KEYS']}, {GOOD['SUROGA_ENCRYPTION_KEYS']}"
    environment({"SUROGA_ENCRYPTION_KEYS": keys})
    value = load_settings().encryption_keys.get_secret_value()
    assert Crypto(value).decrypt(Crypto(value).encrypt("x")) == "x"


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize(
    "name", [name for name in GOOD if name not in ("SUROGA_MODE", "SUROGA_JWT_SECRET")]
)
def test_a_missing_setting_names_itself(
    environment: Environment, name: str, value: str | None
) -> None:
    said = sentence(environment, {name: value})
    assert name in said
    assert ("is missing" in said) or ("should be set" in said)
    assert len(said.splitlines()) == 1


def test_every_missing_setting_is_named_at_once(environment: Environment) -> None:
    said = sentence(environment, {"SUROGA_LINK_KEY": None, "SUROGA_PUBLIC_URL": None})
    assert "SUROGA_LINK_KEY" in said
    assert "SUROGA_PUBLIC_URL" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("SUROGA_MODE", "cloud"), ("SUROGA_PUBLIC_URL", "localhost:7071")),
        *(("SUROGA_PUBLIC_URL", "http://host/"), ("SUROGA_PUBLIC_URL", "http://a b")),
        *(("SUROGA_ENCRYPTION_KEYS", "c2hvcnQ="), ("SUROGA_ENCRYPTION_KEYS", "!é")),
        *(("SUROGA_LINK_KEY", "short"), ("SUROGA_JANUS_KEY", "short")),
        *(("SUROGA_JWT_SECRET", "short"), ("SUROGA_JWKS_URL", "ftp://x/keys")),
        *(("SUROGA_JWT_LEEWAY", "-PT1S"), ("SUROGA_VM_LEAD", "soon"), ("SUROGA_POOL", "100")),
        *(("SUROGA_POOL", "x"), ("SUROGA_LOCAL_VMS", "0"), ("SUROGA_VM_CAPACITY", "0")),
        *(("SUROGA_LOCAL_VM_PORT", "80"), ("SUROGA_ICE_SERVERS", "[")),
        *(("SUROGA_ICE_SERVERS", "{}"), ("SUROGA_LOG_LEVEL", "LOUD"), ("SUROGA_JOIN_GRACE", "-1")),
        *(("SUROGA_RATE_CALLER", rate) for rate in ("300", "0/minute", "5/week", "5 per minute")),
        *(("SUROGA_RATE_ADDRESS", "no"), ("SUROGA_RATE_ADDRESS", "-1/day")),
        *(
            ("SUROGA_RATE_STORE", url)
            for url in ("cache", "http://cache", "redis://", "redis://a b")
        ),
        *(("SUROGA_RATE_STORE", "redis://h:70000"), ("SUROGA_RATE_STORE", "redis://h:0")),
        *(("SUROGA_RATE_STORE", "redis://h/db"), ("SUROGA_RATE_STORE", "redis://h?db=1")),
        ("AzureWebJobsStorage__accountName", "Not_An_Account"),
        *(("SUROGA_AZURE_SUBSCRIPTION", "mine"), ("SUROGA_AZURE_RESOURCE_GROUP", "a/b")),
        *(("SUROGA_COMPUTE", "aws"), ("SUROGA_POOL_CAPACITY", "0")),
        *(("SUROGA_VM_URLS", "https://{host}/janus"), ("SUROGA_VM_URLS", "wss://host/janus")),
        *(("SUROGA_VM_URLS", "[]"), ("SUROGA_VM_URLS", "wss://{host}/,ws://{host}/")),
        *(("SUROGA_VM_ADMIN_URL", "http://10.0.0.1"), ("SUROGA_VM_ADMIN_URL", "{admin}:7088")),
        *(("SUROGA_VM_DOMAIN", ".example.org"), ("SUROGA_VM_DOMAIN", "https://example.org")),
    ],
)
def test_a_malformed_setting_names_itself(environment: Environment, name: str, value: str) -> None:
    said = sentence(environment, {name: value})
    assert said.startswith(f"Setting {name} is malformed: ")
    assert "should" in said or "Expecting" in said or "expecting" in said
    assert len(said.splitlines()) == 1


def test_some_way_to_check_tokens_is_needed(environment: Environment) -> None:
    said = sentence(environment, {"SUROGA_JWT_SECRET": None})
    assert "SUROGA_JWKS_URL" in said
    assert "SUROGA_JWT_SECRET" in said


def test_in_azure_a_secret_beside_an_issuer_is_refused(environment: Environment) -> None:
    both: dict[str, str | None] = {
        "SUROGA_MODE": "azure",
        "SUROGA_JWKS_URL": "https://issuer.test/keys",
    }
    assert "SUROGA_JWT_SECRET should not be set" in sentence(environment, both)


def test_secrets_do_not_show(environment: Environment) -> None:
    connection = "AccountName=a;AccountKey=hunter2hunter2"
    environment({"AzureWebJobsStorage": connection})
    shown = repr(load_settings())
    secrets = [GOOD[name] for name in GOOD if name.endswith(("_KEY", "_KEYS", "_SECRET"))] + [
        connection
    ]
    assert [secret for secret in secrets if secret in shown] == []
    said = sentence(
        environment, {"SUROGA_LINK_KEY": "hunter2", "SUROGA_ENCRYPTION_KEYS": "hunter2"}
    )
    assert "hunter2" not in said


@pytest.mark.parametrize("name", VARIABLES)
def test_the_page_for_operators_explains(name: str) -> None:
    text = (ROOT / "docs/settings.md").read_text("utf-8")
    assert re.search(rf"`{re.escape(name)}`", text), f"docs/settings.md does not explain {name}"


@pytest.mark.parametrize("name", VARIABLES)
def test_the_example_has(name: str) -> None:
    example = json.loads((ROOT / "local.settings.example.json").read_text("utf-8"))
    assert name in example["Values"]


def test_the_page_and_the_example_have_no_others() -> None:
    example = json.loads((ROOT / "local.settings.example.json").read_text("utf-8"))
    named = {name for name in example["Values"] if name.startswith(PREFIX)}
    named |= set(
        re.findall(rf"`({PREFIX}[A-Z0-9_]+)`", (ROOT / "docs/settings.md").read_text("utf-8"))
    )
    assert named - set(VARIABLES) == set()


def test_a_name_that_is_no_setting_of_ours_is_found(environment: Environment) -> None:
    good = {"SUROGA_VM_LEAD": "PT5M", "suroga_vm_margin": "PT5M"}
    slips = {"SUROGA_ALERT_URL": "slack://a/b/c", "SUROGA_STORAGE_ACCOUNT": "stsuroga"}
    environment({**good, **slips})
    assert unknown_settings() == sorted(slips)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SUROGA_CURRENCY", "euro", "EUR"),
        ("SUROGA_AZURE_SUBSCRIPTION", "mine", "11111111-2222"),
        ("SUROGA_PUBLIC_URL", "meet.example.org", "https://meet.example.org"),
    ],
)
def test_a_form_is_told_by_an_example(
    environment: Environment, name: str, value: str, said: str
) -> None:
    assert f"{name} is malformed: should be like {said}" in sentence(environment, {name: value})
