"""Where programs of the system are, and how to get those that are not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from protocol.errors import ConfigError

_SERVERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where Debian puts servers; a user's PATH lacks it."""


def find_program(name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the path of a program, looking where Debian puts servers too; an empty PATH has nothing."""
    path = environ.get("PATH", os.defpath)
    return shutil.which(name, path=os.pathsep.join((path, *_SERVERS))) if path else None


def need_program(name: str, package: str) -> str:
    """Return the path of a program; raise ConfigError ``program-missing`` with the command that installs it."""
    path = find_program(name)
    if path is None:
        raise ConfigError(
            f"{name} is not installed; install it with: sudo apt install {package}", code="program-missing"
        )
    return path
