"""`python leash.py PARENT COMMAND...`: COMMAND gets SIGTERM when its parent dies, however it dies.

A program of its own rather than a `preexec_fn`, which may deadlock in a process with threads.
Runs isolated (`-I`), so it imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def follow(parent: int) -> None:
    """This process gets SIGTERM when `parent` dies; it ends here if that has happened already."""
    with contextlib.suppress(AttributeError, OSError):  # only Linux has it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)


def main() -> None:
    follow(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606


if __name__ == "__main__":
    main()
