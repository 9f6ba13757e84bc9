"""Tokens and keys: exact values, since Janus and running machines must agree with them."""

from __future__ import annotations

from dataclasses import astuple
from datetime import UTC, datetime

from shared.janus.keys import room_secret, vm_keys
from shared.janus.tokens import room_token, session_token

EXPIRES = datetime(2026, 6, 20, 11, 10, 0, 900_000, tzinfo=UTC)


def test_the_session_token_is_the_one_that_janus_computes() -> None:
    """The signature was computed with `openssl dgst -sha1 -hmac secret -binary | base64`."""
    token = session_token("secret", EXPIRES)
    assert token == "1781953800,janus,janus.plugin.videoroom:iS0qGQnS2XlSNUMFOZBNF5PcUwk="


def test_the_room_token_names_the_room() -> None:
    token = room_token("secret", 12345, EXPIRES)
    assert token == "1781953800,janus.plugin.videoroom,room=12345:WFAkuhL9Fn+uF0KeXh4FN4/ybGo="


def test_keys_differ_by_use_and_machine_and_setting() -> None:
    sets = [
        vm_keys("k" * 40, "janus-0"),
        vm_keys("k" * 40, "janus-1"),
        vm_keys("l" * 40, "janus-0"),
    ]
    secrets = [key for keys in sets for key in astuple(keys) if len(key) == 64]
    assert len(set(secrets)) == len(secrets) == 12


def test_keys_are_the_same_each_time() -> None:
    assert vm_keys("k" * 40, "janus-0") == vm_keys("k" * 40, "janus-0")
    assert room_secret("k" * 40, 7) == room_secret("k" * 40, 7) != room_secret("k" * 40, 77)


def test_events_are_posted_in_the_machines_name() -> None:
    assert vm_keys("k" * 40, "janus-0").event_user == "janus-0"


def test_keys_do_not_show_in_logs() -> None:
    keys = vm_keys("k" * 40, "janus-0")
    assert repr(keys) == "VmKeys(event_user='janus-0')"
