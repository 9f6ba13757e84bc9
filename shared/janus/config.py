"""Janus's configuration files, rendered from `infra/janus/*.jcfg.template`.

The files hold the machine's secrets, which therefore never appear on a command line. The format is
libconfig's: https://hyperrealm.github.io/libconfig/libconfig_manual.html#Configuration-Files
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from string import Template

from shared.janus.keys import VmKeys

TEMPLATES = Path(__file__).parents[2] / "infra" / "janus"
_SUFFIX = ".template"


@dataclass(frozen=True, slots=True)
class JanusConfig:
    """What differs from machine to machine. `ValueError` when something can't be configured."""

    name: str
    keys: VmKeys
    folder: Path
    """Where the files will lie."""
    address: str
    """The IPv4 address for WebSockets, HTTP and media. With a loopback address, media uses every
    other interface: Janus leaves loopback out, and a browser on this machine reaches the others."""
    ws_port: int
    http_port: int
    """For browsers that can't use WebSockets."""
    admin_ip: str
    """Where the Admin API listens: loopback or a private address."""
    admin_port: int
    rtp_ports: tuple[int, int]
    """The lowest and the highest UDP port of the media."""
    events_url: str

    def __post_init__(self) -> None:
        for address in (self.address, self.admin_ip):
            # Janus 1.1.2 takes ::1 and then listens on 127.0.0.1 (m).
            parsed = ipaddress.ip_address(address)
            if parsed.version != 4 or parsed.is_unspecified:
                raise ValueError(f"{address} is not an IPv4 address that one can connect to")
        low, high = self.rtp_ports
        for port in (self.ws_port, self.http_port, self.admin_port, low, high):
            if not 0 < port < 65536:
                raise ValueError(f"{port} is not a port")
        if low >= high:
            raise ValueError(f"{low}-{high} is not a range of ports")
        if not self.events_url.startswith(("http://", "https://")):
            raise ValueError(f"{self.events_url} is not an http(s) URL")


def render(config: JanusConfig) -> dict[str, str]:
    """The files' texts by name. Without `infra/janus`, which the package for Azure leaves out,
    `FileNotFoundError`."""
    templates = sorted(TEMPLATES.glob(f"*{_SUFFIX}"))
    if not templates:
        raise FileNotFoundError(f"Janus can't be configured: {TEMPLATES} has no templates")
    loopback = ipaddress.IPv4Address(config.address).is_loopback
    strings = {
        "name": config.name,
        "folder": str(config.folder),
        "address": config.address,
        "ice_address": "" if loopback else config.address,
        "ws_ip": config.address,
        "http_ip": config.address,
        "admin_ip": config.admin_ip,
        "events_url": config.events_url,
        "token_secret": config.keys.token_secret,
        "admin_secret": config.keys.admin_secret,
        "create_key": config.keys.create_key,
        "event_user": config.keys.event_user,
        "event_password": config.keys.event_password,
    }
    values: dict[str, str | int] = {key: _escape(value) for key, value in strings.items()}
    values |= {"ws_port": config.ws_port, "http_port": config.http_port}
    values |= {"admin_port": config.admin_port}
    values |= {"rtp_low": config.rtp_ports[0], "rtp_high": config.rtp_ports[1]}
    return {
        path.name.removesuffix(_SUFFIX): Template(path.read_text("utf-8")).substitute(values)
        for path in templates
    }


def write(config: JanusConfig) -> None:
    """Writes the files into `config.folder`, readable by this user only."""
    config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    config.folder.chmod(0o700)
    for name, text in render(config).items():
        path = config.folder / name
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)


def _escape(value: str) -> str:
    if not value.isprintable():
        raise ValueError("a value for Janus's configuration has control characters")
    return value.replace("\\", "\\\\").replace('"', '\\"')
