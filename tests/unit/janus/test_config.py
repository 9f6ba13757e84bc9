"""Janus's configuration files."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.janus.config import JanusConfig, render, write
from shared.janus.keys import vm_keys

CONFIG = JanusConfig(
    name="janus-0",
    keys=vm_keys("k" * 40, "janus-0"),
    folder=Path("/tmp/janus-0"),
    address="127.0.0.1",
    ws_port=8188,
    http_port=8190,
    admin_ip="127.0.0.1",
    admin_port=8189,
    rtp_ports=(10_000, 10_499),
    events_url="http://localhost:7071/janus/events",
)
FILES = {
    "janus.jcfg",
    "janus.plugin.videoroom.jcfg",
    "janus.transport.http.jcfg",
    "janus.transport.websockets.jcfg",
    "janus.eventhandler.sampleevh.jcfg",
}


def test_every_template_is_rendered_whole() -> None:
    files = render(CONFIG)
    assert set(files) == FILES
    assert not any("$" in text for text in files.values())


def test_without_templates_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not in the package for Azure."""
    monkeypatch.setattr("shared.janus.config.TEMPLATES", tmp_path / "janus")
    folder = tmp_path / "janus-0"
    with pytest.raises(FileNotFoundError, match="has no templates"):
        write(replace(CONFIG, folder=folder))


def test_no_api_secret_is_ever_set() -> None:
    """It would let its holder pass without a token."""
    settings = [line.split("#")[0] for line in render(CONFIG)["janus.jcfg"].splitlines()]
    assert not any("api_secret" in line for line in settings)


def test_media_uses_the_address_unless_it_is_loopback() -> None:
    assert 'ice_enforce_list = ""' in render(CONFIG)["janus.jcfg"]
    public = replace(CONFIG, address="198.51.100.7")
    assert 'ice_enforce_list = "198.51.100.7"' in render(public)["janus.jcfg"]


def test_browsers_and_the_admin_api_have_addresses_of_their_own() -> None:
    public = replace(CONFIG, address="198.51.100.7", admin_ip="10.0.0.4")
    text = render(public)["janus.transport.http.jcfg"]
    general, admin = text.split("admin: {")
    assert 'ip = "198.51.100.7"' in general
    assert "port = 8190" in general
    assert 'admin_ip = "10.0.0.4"' in admin
    assert "admin_port = 8189" in admin


def test_values_are_escaped() -> None:
    folder = Path('/tmp/a "b" \\ c $name')
    text = render(replace(CONFIG, folder=folder))["janus.jcfg"]
    assert 'configs_folder = "/tmp/a \\"b\\" \\\\ c $name"' in text


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "localhost"},
        {"address": "0.0.0.0"},
        {"admin_ip": "::1"},
        {"ws_port": 0},
        {"admin_port": 65_536},
        {"http_port": -1},
        {"rtp_ports": (20_000, 20_000)},
        {"rtp_ports": (20_000, 70_000)},
        {"events_url": "file:///etc/passwd"},
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not"):
        replace(CONFIG, **changes)


def test_control_characters_are_refused() -> None:
    with pytest.raises(ValueError, match="control characters"):
        render(replace(CONFIG, name='x"\n}; evil = "'))


def test_the_files_are_private_also_when_they_were_not(tmp_path: Path) -> None:
    folder = tmp_path / "janus-0"
    folder.mkdir(mode=0o755)
    (folder / "janus.jcfg").touch(0o644)
    write(replace(CONFIG, folder=folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name for path in folder.iterdir()} == FILES
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
