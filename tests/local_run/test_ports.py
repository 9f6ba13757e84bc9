"""PORT decides about all other ports."""

from __future__ import annotations

import socket

import pytest

from local.ports import Ports, check_free, taken
from local.terminal import Stop


def test_the_default_has_the_well_known_ports() -> None:
    ports = Ports.of(7071)
    assert (ports.azurite, ports.janus) == (10_000, 8188)


def test_no_port_has_two_purposes() -> None:
    for port in range(1024, 63_001):
        ports = Ports.of(port)
        azurite = set(ports.azurite_ports())
        janus = set(range(ports.janus, ports.janus + 200))
        assert 1024 < min(azurite) <= max(azurite) < 32_768
        assert len(azurite | janus | {port}) == 204


def test_neighbours_do_not_share_azurite() -> None:
    firsts = [Ports.of(7071 + n).azurite for n in range(1000)]
    assert len(set(firsts)) == 1000


@pytest.mark.parametrize("port", [0, 80, 63_001, 99_999])
def test_a_port_out_of_range_is_one_sentence(port: int) -> None:
    with pytest.raises(Stop, match=f"PORT={port} should be"):
        Ports.of(port)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1"])
def test_a_listener_on_any_address_counts(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip(f"this computer has no {address}")
    with listener:
        port = listener.getsockname()[1]
        assert taken(port)
        with pytest.raises(Stop, match=rf"Port {port} \(tea\) is taken"):
            check_free({port: "tea"}, Ports.of(7071))
    assert not taken(port)
