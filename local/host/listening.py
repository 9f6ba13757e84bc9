"""The listening socket, made before anything slow so that a taken port is told at once."""

from __future__ import annotations

import errno
import socket

from local.terminal import Stop


def listen(address: str, port: int, inherited: int | None = None) -> socket.socket:
    """What connects before the host serves waits. `inherited` is a parent's descriptor."""
    if inherited is not None:
        return socket.socket(fileno=inherited)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen(128)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise Stop(f"Port {port} is taken: end what uses it, or choose another.") from None
        reason = (error.strerror or str(error)).rstrip(".")
        raise Stop(f"The host cannot listen at {address}:{port}: {reason}.") from None
    except OverflowError:
        made.close()
        raise Stop(f"{port} is no port number.") from None
    return made
