"""Run a command under the limits that a unit sets on system calls and on memory, without systemd as process 1.

Usage: /usr/bin/python3 under_unit.py UNIT COMMAND...   (Debian's python3-seccomp is for Debian's own Python)

SystemCallFilter= is read from the unit, its groups from systemd itself; RestrictAddressFamilies= and
MemoryDenyWriteExecute= are what systemd does for them (systemd.exec(5)): sockets of these families alone, no mapping
that is writable and executable, and none made executable later.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import seccomp  # type: ignore[import-not-found]  # /usr/bin/python3 has it, the virtual environment does not

WRITE, EXECUTE = 2, 4
"""PROT_WRITE and PROT_EXEC of mmap(2)."""
CONDITIONAL = ("socket", "mmap", "mprotect", "pkey_mprotect")


def group(name: str) -> set[str]:
    """Return the system calls of a group, those of groups in it too."""
    command = ["systemd-analyze", "syscall-filter", name]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    calls: set[str] = set()
    for entry in (line.strip() for line in text.splitlines()[1:]):
        if entry.startswith("@"):
            calls |= group(entry)
        elif entry and not entry.startswith("#"):
            calls.add(entry)
    return calls


def settings(unit: Path) -> list[tuple[str, str]]:
    """Return the unit's lines as keys and values."""
    return [(key, value) for key, _, value in (line.partition("=") for line in unit.read_text().splitlines())]


def families(unit: Path) -> list[int]:
    """Return the families of sockets that the unit's RestrictAddressFamilies= line leaves."""
    named = [value for key, value in settings(unit) if key == "RestrictAddressFamilies"]
    return [getattr(socket, name) for name in " ".join(named).split()]


def allowed(unit: Path) -> set[str]:
    """Return the system calls that the unit's SystemCallFilter= lines leave."""
    calls: set[str] = set()
    for key, value in settings(unit):
        if key == "SystemCallFilter":
            names = value.removeprefix("~").split()
            named = {call for name in names for call in (group(name) if name.startswith("@") else {name})}
            calls = calls - named if value.startswith("~") else calls | named
    return calls


def main(unit: Path, command: list[str]) -> None:
    """Load the filter and become the command."""
    calls = allowed(unit)
    if len(calls) < 100 or not families(unit) or ("MemoryDenyWriteExecute", "yes") not in settings(unit):
        sys.exit(f"{unit} sets no limits to speak of")
    limits = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for call in sorted(calls.difference(CONDITIONAL)):
        with contextlib.suppress(RuntimeError):  # a call of another architecture
            limits.add_rule(seccomp.ALLOW, call)
    for family in families(unit):
        limits.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.EQ, family))
    for both in (0, WRITE, EXECUTE):
        limits.add_rule(seccomp.ALLOW, "mmap", seccomp.Arg(2, seccomp.MASKED_EQ, WRITE | EXECUTE, both))
    for call in ("mprotect", "pkey_mprotect"):
        limits.add_rule(seccomp.ALLOW, call, seccomp.Arg(2, seccomp.MASKED_EQ, EXECUTE, 0))
    limits.load()
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
