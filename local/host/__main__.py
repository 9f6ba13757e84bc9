"""`python -m local.host --root . --port 7071`: the local Functions host."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path

from local.host.listening import listen
from local.host.settings import Settings, load_settings
from local.terminal import Stop, say

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _end)
    try:
        return _run(arguments)
    except Stop as stop:
        if arguments.verbose and stop.__cause__:
            traceback.print_exception(stop.__cause__)
        say(str(stop))
        return 1
    except KeyboardInterrupt:
        return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.host", description=__doc__)
    parser.add_argument("--root", default=".", help="the folder of function_app.py (default: .)")
    parser.add_argument("--port", type=int, help="default: Host.LocalHttpPort, else 7071")
    parser.add_argument("--host", default="127.0.0.1", help="the address (default: 127.0.0.1)")
    parser.add_argument("--state", default=".local/host", help="keys and timers (.local/host)")
    parser.add_argument("--enable-auth", action="store_true", help="check function keys")
    parser.add_argument("--reload", action="store_true", help="restart when a source file changes")
    parser.add_argument("--verbose", action="store_true", help="debug lines, tracebacks at start")
    parser.add_argument("--socket", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> int:
    root = Path(arguments.root).resolve()
    settings = load_settings(root)
    port = settings.port if arguments.port is None else arguments.port
    listening = listen(arguments.host, port, arguments.socket)
    if arguments.reload:
        from local.host.reload import reload

        return reload(root, listening, sys.argv[1:])
    return _serve(arguments, root, listening, settings)


def _serve(
    arguments: argparse.Namespace, root: Path, listening: socket.socket, settings: Settings
) -> int:
    from local.host import wire
    from local.host.app import Host
    from local.host.load import load_functions
    from shared.platform import logs

    level = os.environ.get("SUROGA_LOG_LEVEL", "").upper()
    logs.configure(logging.DEBUG if arguments.verbose else level if level in LEVELS else "INFO")
    wire.install()
    functions, state = load_functions(root), Path(arguments.state).resolve()

    async def serve() -> None:
        host = Host(functions, settings, state, auth=arguments.enable_auth)
        try:
            await host.serve(listening)
        finally:
            # The app's clients live as long as the process, as in Azure's worker, so their
            # complaints about not being closed are no news.
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    asyncio.run(serve())
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdout.flush()
    if any(thread.name.startswith("function_") for thread in threading.enumerate()):
        os._exit(0)  # one may hang in a function for ever, and Python would wait for it
    return 0


def _end(number: int, frame: object) -> None:
    """Before the host serves there is nothing to end in order."""
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
