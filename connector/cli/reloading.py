"""SIGHUP: a process reads its configuration again by ending in order and starting again under the same process id.

The new configuration is checked first, in a process of its own: if it has a fault, the old one goes on. The environment
of the process stays as it is: only its starter can change that.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Final, NoReturn

from connector.cli import env_file
from connector.core.log import get

CHECK_S: Final = 60.0
log = get("reload")
_asked: list[bool] = []


def may_restart() -> bool:
    """Whether the current configuration can be used; reports its faults, and the values that are not read again."""
    line = [sys.executable, "-m", "connector", "check", "--offline"]
    try:
        found = subprocess.run(line, env=env_file.fresh(os.environ), capture_output=True, text=True, timeout=CHECK_S)
    except (OSError, subprocess.TimeoutExpired) as fault:
        log.error("not reloaded: the configuration could not be checked; the old one goes on", fault=str(fault))
        return False
    if found.returncode:
        faults = [one for one in (found.stderr or found.stdout).splitlines() if one.strip()]
        log.error("not reloaded: the configuration has faults; the old one goes on", faults=faults[:20])
        return False
    if stays := env_file.overruled(os.environ):
        log.warning("not reloaded: these variables are set by the environment of the process", variables=stays)
    log.info("reloading the configuration: what is under way ends first")
    _asked[:] = [True]
    return True


def is_asked() -> bool:
    """Whether this process is to start again once it has ended in order."""
    return bool(_asked)


def restart() -> NoReturn:
    """Starts again, under the same process id."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the new program handles it
    sys.stdout.flush()
    sys.stderr.flush()
    line = [sys.executable, "-m", "connector", *sys.argv[1:]]
    os.execve(sys.executable, line, env_file.fresh(os.environ))
