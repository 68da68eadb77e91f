"""The `connector` command."""

from __future__ import annotations

import gc
import os
import sys

from connector.cli.root import connector


def main() -> None:
    """Runs one command. Exit codes: 0 done, 1 it failed, 2 wrong usage."""
    gc.disable()  # a tenth of a short command's time: nothing that is imported is garbage; see `Commands.get_command`
    os.umask(0o077)  # the database and every file that is written hold persons: they are for this user alone
    try:
        connector(prog_name="connector")
    finally:
        if "connector.cli.reloading" in sys.modules:
            _begin_again()


def _begin_again() -> None:
    """After a SIGHUP, once what was under way has ended."""
    from connector.cli import reloading

    if reloading.is_asked():
        reloading.restart()


if __name__ == "__main__":
    main()
