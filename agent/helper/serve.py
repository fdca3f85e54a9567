"""One request to root: a line of JSON in at the socket that systemd accepted, one line out, both in the audit.

``{"verb": "usb-reset", "port": "1-1.4"}`` → ``{"ok": true}`` or ``{"ok": false, "code": …, "message": …}``. systemd
starts this for each connection, with it as standard input and output (deploy/systemd/estrade-helper.socket), and ends
it after `RuntimeMaxSec=`. Who may connect is the socket's group, and asked of the kernel once more.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pwd
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from agent.helper.verbs import VERBS, Machine, RefusedError, Verb

LINE_MOST = 512
READ_S = 2.0
AUDIT_MOST = 10_000_000
"""Bytes; then the audit is begun anew and the last one kept beside it."""


class Audit:
    """What was asked, by whom, and what came of it: the journal, and a file that only grows. Also counts, for rates."""

    def __init__(self, path: Path, machine: Machine) -> None:
        self._path = path
        self._machine = machine

    def write(self, entry: dict[str, Any]) -> None:
        """Add a line; raise OSError when it cannot be kept, for what cannot be told is not done."""
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_size > AUDIT_MOST:
                self._path.replace(self._path.with_suffix(".1.log"))
        line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **entry}) + "\n"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o640)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(line)
        sys.stderr.write(line)

    @contextlib.contextmanager
    def one_more(self, verb: Verb, asked: dict[str, Any]) -> Iterator[None]:
        """Carry the body out as one more request of its like, one request at a time.

        Raise RefusedError when there were too many. What the body itself refuses was not done and does not count. What
        was done in another boot counts as done when this one began: a reboot must not lead to the next.
        """
        mono_s, boot = self._machine.clock(), self._machine.boot_id.read_text(encoding="ascii").strip()
        descriptor = os.open(self._path.with_suffix(".counts"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            times = _times(file.read(), boot, mono_s)
            key = json.dumps(asked, sort_keys=True)
            lately = [at for at in times.get(key, []) if mono_s - at < verb.within_s]
            if len(lately) >= verb.most:
                wait_s = verb.within_s - (mono_s - lately[0])
                raise RefusedError("helper-too-often", f"that was done often enough; ask again in {wait_s:.0f} s")
            _put(file, boot, {**times, key: [*lately, mono_s]})  # before it is done: what reboots does not come back
            try:
                yield
            except RefusedError as error:
                if error.code != "helper-failed":
                    _put(file, boot, times)
                raise


def _times(content: str, boot: str, mono_s: float) -> dict[str, list[float]]:
    """Return when what was done in the last hour; nothing of what cannot be read."""
    try:
        counts = json.loads(content)
        is_ours = counts["boot"] == boot
        times = {key: [float(at) if is_ours else 0.0 for at in ats] for key, ats in counts["times"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {key: [at for at in ats if mono_s - at < 3600.0] for key, ats in times.items()}


def _put(file: TextIO, boot: str, times: dict[str, list[float]]) -> None:
    file.seek(0)
    file.truncate()
    json.dump({"boot": boot, "times": {key: ats for key, ats in times.items() if ats}}, file)
    file.flush()


def answer(line: bytes, audit: Audit, machine: Machine, peer: dict[str, int]) -> dict[str, Any]:
    """Carry one request out and return what to say. Never raises."""
    verb_name = None
    try:
        asked = _parse(line)
        verb_name = asked["verb"]
        verb = VERBS[verb_name]
        audit.write({"asked": asked, "peer": peer})
        with audit.one_more(verb, asked):
            verb.act(machine, **{name: asked[name] for name in verb.arguments})
        said: dict[str, Any] = {"ok": True}
    except RefusedError as error:
        said = {"ok": False, "code": error.code, "message": str(error)}
    except OSError as error:
        said = {"ok": False, "code": "helper-failed", "message": f"the helper's own files fail ({error.strerror})"}
    with contextlib.suppress(OSError):  # what could not be told before was not done
        audit.write({"verb": verb_name, "peer": peer, "answer": said})
    return said


def _parse(line: bytes) -> dict[str, str]:
    try:
        asked = json.loads(line)
    except (ValueError, RecursionError):
        raise RefusedError("helper-bad-request", "the request is not a line of JSON") from None
    if not isinstance(asked, dict) or not all(isinstance(value, str) for value in asked.values()):
        raise RefusedError("helper-bad-request", "the request is not an object of texts")
    verb = VERBS.get(asked.get("verb", ""))
    if verb is None:
        raise RefusedError("helper-bad-request", f"there is no such verb; there are: {', '.join(VERBS)}")
    if set(asked) != {"verb", *verb.arguments}:
        wanted = ", ".join(("verb", *verb.arguments))
        raise RefusedError("helper-bad-request", f"the request has to have exactly: {wanted}")
    return asked


def peer_of(connection: socket.socket) -> dict[str, int]:
    """Return who connected, as the kernel saw it (unix(7), SO_PEERCRED)."""
    pid, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return {"pid": pid, "uid": uid, "gid": gid}


def read_line(connection: socket.socket) -> bytes:
    """Return the first line, without its end; raise RefusedError for one that is too long, late or cut off."""
    connection.settimeout(READ_S)
    until_s = time.monotonic() + READ_S
    data = b""
    try:
        while b"\n" not in data:
            if len(data) > LINE_MOST or time.monotonic() > until_s:
                raise RefusedError("helper-bad-request", f"no request of one line of at most {LINE_MOST} bytes came")
            more = connection.recv(LINE_MOST + 1)
            if not more:
                raise RefusedError("helper-bad-request", "the connection ended before its request")
            data += more
    except OSError:  # a TimeoutError is one
        raise RefusedError("helper-bad-request", "no request came in time") from None
    return data.partition(b"\n")[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the connection that is standard input."""
    parser = argparse.ArgumentParser(prog="estrade-helper", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--user", default="estrade-agent", help="who may ask, beside root")
    parser.add_argument("--audit", type=Path, default=Path("/var/log/estrade-helper/audit.log"))
    args = parser.parse_args(argv)
    try:
        connection = socket.socket(fileno=os.dup(0))
        peer = peer_of(connection)
    except OSError:
        sys.stderr.write("estrade-helper is started by systemd at its socket; see estrade-helper.socket\n")
        return 2
    return serve(connection, peer, Audit(args.audit, Machine()), Machine(), args.user)


def serve(connection: socket.socket, peer: dict[str, int], audit: Audit, machine: Machine, user: str) -> int:
    """Answer one request on an accepted connection."""
    with connection:
        try:
            may = {0, pwd.getpwnam(user).pw_uid}
        except KeyError:
            may = {0}
        try:
            line = read_line(connection)
            if peer["uid"] not in may:
                raise RefusedError("helper-refused", "only the agent may ask the helper")
            said = answer(line, audit, machine, peer)
        except RefusedError as error:
            said = {"ok": False, "code": error.code, "message": str(error)}
            with contextlib.suppress(OSError):
                audit.write({"verb": None, "peer": peer, "answer": said})
        with contextlib.suppress(OSError):
            connection.sendall(json.dumps(said).encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
