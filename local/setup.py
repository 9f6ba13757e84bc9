"""`python3 -m local.setup run|check|test|token`: makes this tree ready for that command.

Standard library only, because it runs before .venv exists. Each step leaves a stamp with the hash
of its inputs, so that a second time takes a moment.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from local.terminal import Stop, end_with
from local.tools import check_node, check_python

ROOT = Path(__file__).parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m local.setup", description=__doc__)
    parser.add_argument("goal", choices=["run", "check", "test", "token"])
    parser.add_argument("--state", default=".local", help="where the logs go (default: .local)")
    arguments = parser.parse_args()
    check_python()
    # Only now: an older Python cannot even import what follows.
    from local.lock import exclusive
    from local.prepare import Prepare

    prepare = Prepare(ROOT, (ROOT / arguments.state).absolute())
    if arguments.goal == "token":
        if not prepare.has_run():
            raise Stop("There is no local system yet: run `make run` first.")
        return 0
    check_node()
    with exclusive(
        ROOT / ".local" / "setup.lock", "Another make sets this tree up: waiting for it"
    ):
        getattr(prepare, arguments.goal)()
    return 0


if __name__ == "__main__":
    end_with(main)
