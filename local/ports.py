"""Which port belongs to what, as a function of PORT, and whether somebody else has it."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from local.terminal import Stop

DEFAULT = 7071
AZURITE = 10_000
JANUS = 1117
"""From PORT to the first local VM's: 8188 with the default PORT."""
JANUS_SPAN = 200
"""Twenty VMs at most, ten ports apart (`shared/fleet/compute_local.py`)."""
AZURITE_SERVICES = ("blobs", "queues", "tables")


def port_number(text: str) -> int:
    """For argparse, which would answer with its usage and exit status 2."""
    if not text.isdecimal():
        raise Stop(f"PORT={text} should be a number between 1024 and 63000.")
    return int(text)


@dataclass(frozen=True)
class Ports:
    api: int
    azurite: int
    """Blobs; queues and tables are on the next two."""
    janus: int

    @classmethod
    def of(cls, port: int) -> Ports:
        """Azurite's stay below 32768, where Linux begins to hand out ports for connections."""
        if not 1024 <= port <= 63_000:
            raise Stop(f"PORT={port} should be a number between 1024 and 63000.")
        janus = port + JANUS
        azurite = AZURITE + (port - DEFAULT) * 10 % 22_000
        while azurite <= port <= azurite + 2 or janus - 3 < azurite < janus + JANUS_SPAN:
            azurite += 10
        return cls(port, azurite, janus)

    def azurite_ports(self) -> dict[int, str]:
        return {
            self.azurite + offset: f"Azurite, {service}"
            for offset, service in enumerate(AZURITE_SERVICES)
        }


def check_free(wanted: dict[int, str], ports: Ports) -> None:
    """`wanted` says what each port is for. Raises `Stop` about the first one that is taken."""
    for port, purpose in wanted.items():
        if taken(port):
            raise Stop(
                f"Port {port} ({purpose}) is taken by another program: stop that one, or choose"
                f" other ports with `make run PORT={_free_port(ports.api)}`."
            )


def taken(port: int) -> bool:
    """Whether anybody listens there, on any address of this computer."""
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")):  # noqa: S104
        try:
            with socket.socket(family, socket.SOCK_STREAM) as attempt:
                attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                attempt.bind((address, port))
        except OSError as error:
            if error.errno in _TAKEN:
                return True  # any other error: this computer has no such address
    return False


_TAKEN = {13, 48, 98}  # EACCES, EADDRINUSE on macOS, EADDRINUSE on Linux


def _free_port(after: int) -> int:
    """A hundred apart, so that the local VMs of two systems don't meet."""
    for port in range(after + 100, min(after + 3000, 63_000), 100):
        ports = Ports.of(port)
        if not any(map(taken, (port, ports.janus, *ports.azurite_ports()))):
            return port
    return DEFAULT
