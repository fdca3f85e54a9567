"""The panel's token: made anew at each boot, kept in a file that the kiosk's group may read, swapped for a cookie.

Without it any program and any browser on the mini-PC could press the panel's buttons: loopback is no proof of who asks.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from agent.whole_file import write_whole
from protocol.errors import ConfigError

_LENGTH = 43
"""Of ``token_urlsafe(32)``: 256 bits."""


class PanelToken:
    """Reads the boot's token from ``path``, or makes one. The file: the token, and on a second line the boot it is of.

    A restarted agent finds the token of its boot, so that the panel that is open goes on. The file is 0640 and takes
    its group from its folder, which is set-group-id: the agent may not change owners. Raises ConfigError.
    """

    def __init__(self, path: Path, boot: str) -> None:
        try:
            self._value = _kept(path, boot) or _make(path, boot)
        except OSError as error:
            raise ConfigError(
                f"panel.token_file: {path} cannot be written ({error.strerror}); make its folder, as "
                "deploy/systemd/tmpfiles.d does, or correct the path"
            ) from None
        self.cookie = hmac.new(self._value.encode(), b"estrade panel cookie", hashlib.sha256).hexdigest()
        """The cookie's value; it opens the panel, and the token cannot be had back from it."""

    def is_token(self, given: str) -> bool:
        """Say whether this is the token itself."""
        return hmac.compare_digest(given.encode(), self._value.encode())

    def is_cookie(self, given: str) -> bool:
        """Say whether this is the cookie that was given for the token."""
        return hmac.compare_digest(given.encode(), self.cookie.encode())


def _kept(path: Path, boot: str) -> str | None:
    """Return the token of this boot; None when there is none, or when others could have put it there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        about = os.fstat(descriptor)
        if about.st_uid != os.geteuid() or about.st_mode & 0o037:
            return None
        value, _, of_boot = file.read(200).partition("\n")
    return value if of_boot.strip() == boot and len(value) == _LENGTH else None


def _make(path: Path, boot: str) -> str:
    value = secrets.token_urlsafe(32)
    write_whole(path, f"{value}\n{boot}\n".encode(), mode=0o640)
    return value
