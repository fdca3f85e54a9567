"""The real programs that tests talk to: where they are, and what happens where one is missing."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def missing(sentence: str) -> NoReturn:
    """Skip the test for this reason, or fail it where ``REQUIRE_PEERS=1`` (``make test`` and CI)."""
    if os.environ.get("REQUIRE_PEERS") == "1":
        pytest.fail(sentence)
    pytest.skip(sentence)


def need(program: str, package: str) -> str:
    """Return the path of ``program``; without it, skip the test and say which Debian package has it.

    With ``REQUIRE_PEERS=1`` (``make test`` and CI) a missing program is a failure. /usr/sbin counts too: Debian leaves
    it out of a user's PATH and puts servers there.
    """
    path = shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")))
    if path is not None:
        return path
    missing(f"{program} is missing; it comes with: apt install {package}")
