"""The controller's side: ask the issuer over its Unix socket. A `CertificateIssuer` without a key of its own."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from controller.pki import LEAF_DAYS
from protocol.errors import IssuerError

SOCKET = Path("/run/estrade-issuer.socket")
ANSWER_S = 10.0
"""One request is carried out at a time, each in some milliseconds; a revocation reads the whole register first."""
ANSWER_MOST = 65_536


@dataclass(frozen=True, slots=True)
class IssuerStatus:
    """How the issuer is: the age of its revocation list, when that runs out, what may still be asked for."""

    crl_age_s: float
    crl_ends_at: datetime
    left: dict[str, int]
    """By verb: how often it may be asked for now."""
    owes_list: bool
    """A list was written that did not get on its way to the broker."""


class IssuerClient:
    """Asks for certificates and revocations. Blocking: for executors. Every method raises IssuerError with its code."""

    def __init__(self, path: Path = SOCKET, *, answer_s: float = ANSWER_S) -> None:
        self._path = path
        self._answer_s = answer_s

    def issue_from_csr(self, csr_pem: bytes, common_name: str, *, days: float = LEAF_DAYS) -> bytes:
        """Return a room's certificate (PEM) for the key of a request."""
        try:
            csr = csr_pem.decode("ascii")
        except UnicodeDecodeError:
            raise IssuerError("this is not a certificate request in PEM form", code="csr-invalid") from None
        said = self._ask("issue", csr=csr, room=common_name, days=days)
        return str(self._value(said, "certificate", str)).encode()

    def revoke(self, common_name: str) -> int:
        """Withdraw every certificate of a room and send the new list on its way; return how many there were."""
        return int(self._value(self._ask("revoke", room=common_name), "revoked", int))

    def renew_crl(self) -> None:
        """Write the revocation list anew and send it on its way."""
        self._ask("crl")

    def status(self) -> IssuerStatus:
        """Return how the issuer is."""
        said = self._ask("status")
        try:
            return IssuerStatus(
                crl_age_s=float(said["crl_age_s"]),
                crl_ends_at=datetime.fromisoformat(said["crl_ends_at"]),
                left={str(name): int(count) for name, count in said["left"].items()},
                owes_list=bool(said["owes_list"]),
            )
        except (KeyError, ValueError, TypeError, AttributeError):
            raise _of_no_use("status") from None

    def _value(self, said: dict[str, Any], key: str, kind: type) -> Any:
        if not isinstance(said.get(key), kind):
            raise _of_no_use(key)
        return said[key]

    def _ask(self, verb: str, **fields: str | float) -> dict[str, Any]:
        line = json.dumps({"verb": verb, **fields}).encode() + b"\n"
        until_s = time.monotonic() + self._answer_s
        answer = b""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._answer_s)
                connection.connect(str(self._path))
                connection.sendall(line)
                while not answer.endswith(b"\n") and len(answer) <= ANSWER_MOST:
                    connection.settimeout(max(0.001, until_s - time.monotonic()))
                    if not (more := connection.recv(ANSWER_MOST)):
                        break
                    answer += more
        except TimeoutError:
            msg = f"the issuer did not answer {verb} within {self._answer_s:g} s; see its journal"
            raise IssuerError(msg) from None
        except (FileNotFoundError, ConnectionRefusedError):
            msg = f"the issuer is not there ({self._path}); see: systemctl status estrade-issuer.socket"
            raise IssuerError(msg, code="issuer-not-there") from None
        except OSError as error:
            raise IssuerError(f"the issuer cannot be asked ({error.strerror}); see its journal") from None
        try:
            said = json.loads(answer)
            if said["ok"] is True:
                return dict(said)
            code, message = str(said["code"]), str(said["message"])
        except (ValueError, KeyError, TypeError):
            raise _of_no_use(verb) from None
        raise IssuerError(f"{verb}: {message}", code=code)


def _of_no_use(what: str) -> IssuerError:
    return IssuerError(f"the issuer answered {what} with nothing of use; see its journal")
