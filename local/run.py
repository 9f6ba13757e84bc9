"""`python3 -m local.run`: the whole system on this computer, until Ctrl-C or SIGTERM.

Azurite first, then the Functions host, which starts the Janus processes; ended in the opposite
order, because the others still write while they end and Azurite saves last.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from local.ports import DEFAULT, Ports, port_number
from local.terminal import Stop, end_with

ROOT = Path(__file__).parent.parent


def main() -> int:
    arguments = _arguments()
    # Only now: what takes a while to import, so that an early Ctrl-C finds its handler.
    import asyncio

    from local import leash
    from local.console import Console
    from local.lock import Held, hold
    from local.plan import make_plan
    from local.system import System

    if "MAKELEVEL" in os.environ:
        leash.follow(os.getppid())  # make killed by SIGKILL takes us along
    state = Path(arguments.state).absolute()
    url = f"http://localhost:{arguments.port}"
    try:
        with hold(state / "run" / "lock", f"at {url} (process {os.getpid()})"):
            plan = make_plan(ROOT, Ports.of(arguments.port), state, arguments.reload)
            return asyncio.run(System(plan, Console()).run())
    except Held as held:
        another = f"make run PORT={arguments.port + 100} STATE=.local2"
        raise Stop(
            f"It is running already, {held.note}, with its state in {arguments.state}: stop that"
            f" one first, or start another with `{another}`."
        ) from None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m local.run", description=__doc__)
    parser.add_argument(
        "--port", type=port_number, default=DEFAULT, help="of the API (default: 7071)"
    )
    parser.add_argument("--state", default=".local", help="data and logs (default: .local)")
    parser.add_argument("--reload", action="store_true", help="restart when a source file changes")
    return parser.parse_args()


if __name__ == "__main__":
    end_with(main)
