"""The name and password of a device on the network: the password is in a file of its own and nowhere else.

A configuration that holds a password is copied, mailed and kept in a retained message; a reference to a file is not
worth stealing. ``stamp`` changes when the file does, which is how a refused password may be tried again without ever
being tried into a lock-out.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from agent.devices.base import DriverConfig
from protocol.errors import DevicePasswordError

LONGEST = 128

UNTOLD = "untold"
"""The type of a pydantic error whose value may hold a password, or says nothing: who tells of it leaves it out."""


def read_password(path: Path, label: str) -> str:
    """Return the one line of a password's file. Raises DevicePasswordError, which names the file alone; blocks."""
    try:
        with path.open("rb") as file:
            text = file.read(4 * LONGEST + 2).decode("utf-8")
    except OSError as error:
        what = "correct its path, or give the agent's user the right to read it"
        raise DevicePasswordError(
            f"{label}: the password file {path} cannot be read ({error.strerror}); {what}"
        ) from None
    except UnicodeDecodeError:
        raise DevicePasswordError(
            f"{label}: the password file {path} is not UTF-8 text; write the password alone into it"
        ) from None
    password = text.rstrip("\r\n")
    if not 0 < len(password) <= LONGEST or any(sign in password for sign in "\r\n\0"):
        raise DevicePasswordError(
            f"{label}: {path} does not hold one line of 1 to {LONGEST} characters; write the password alone into it"
        )
    return password


class LoginConfig(DriverConfig):
    """Base of the configuration of drivers whose device may want a name and a password."""

    user: str = Field(default="", max_length=64, pattern=r"^[^\s:]*$", description="empty: the device asks for none")
    password_file: Path | None = Field(
        default=None, description="holds the password and nothing else; readable by the agent alone"
    )

    def password(self, label: str) -> str:
        """Return the password; empty without a file. Errors as `read_password`."""
        return "" if self.password_file is None else read_password(self.password_file, label)

    def login_stamp(self) -> object:
        if self.password_file is None:
            return None
        try:
            status = self.password_file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
