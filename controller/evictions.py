"""Rooms whose certificates were withdrawn are thrown out of the broker, and again whenever they are heard.

The revocation list keeps a room from coming in anew, once the broker has read it; a connection that stands stays. So
the centre takes it over: one connection under the room's name, with a certificate of five minutes. mosquitto voids TLS
tickets when it reads a list (ADR 0019), other brokers may not, and a list may be late: hence the guard, and the times
below at which a room that says nothing is taken over too, for it could still listen.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from controller.pki import TAKE_OVER_DAYS, CertificateIssuer
from mqttlink import LinkSettings, take_over
from protocol.errors import EstradeError

log = logging.getLogger(__name__)

UNHEARD_S = (1.5, 5.0, 30.0, 300.0)
"""Seconds after the revocation. The first leaves the broker time for the list: it took 5 ms to read one."""
AGAIN_S = 2.0
"""Between two take-overs of one room, and so the most that a returning room is heard each time."""
RETRY_MOST_S = 30.0
"""Between two tries when the broker or the issuer is away, which nobody comes through either."""
CERTIFICATE_S = TAKE_OVER_DAYS * 86_400 - 60
"""How long one certificate is used: a minute less than it lasts, for clocks."""
MOST_AT_ONCE = 4
"""A school's rooms that are revoked together go out within seconds; the broker has other things to do."""


@dataclass(slots=True)
class _Revoked:
    """A name that may not be there."""

    not_before_s: float = float("-inf")
    """When it may be taken over again."""
    is_wished: bool = False
    """It was heard, and its take-over is to come."""
    is_at_work: bool = False
    failures: int = 0
    key_pem: bytes = b""
    cert_pem: bytes = b""
    good_until_s: float = float("-inf")


class Evictions:
    """The guard. `watch`, `revoked`, `heard` and `reinstated` are called on the loop and never wait; `run` works.

    ``broker`` says where the broker is and whose certificate it has; its own user and files are not used.
    ``on_evicted`` is called after each take-over: the room's will may not be told (`mqttlink.take_over`), so that what
    is retained under its name is the centre's to clear.
    """

    def __init__(
        self,
        issuer: CertificateIssuer,
        broker: LinkSettings,
        *,
        on_evicted: Callable[[str], None] = lambda room: None,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._broker = broker
        self._on_evicted = on_evicted
        self._mono = mono
        self._revoked: dict[str, _Revoked] = {}
        self._due: list[tuple[float, str]] = []
        self._wake = asyncio.Event()
        self._free = asyncio.Semaphore(MOST_AT_ONCE)
        self.evicted = 0
        """Take-overs that went through."""

    def __contains__(self, room: str) -> bool:
        """Whether what this room says is to be dropped."""
        return room in self._revoked

    def watch(self, room: str) -> None:
        """Throw a room out whenever it is heard: what the registry holds as revoked when the centre starts."""
        self._revoked.setdefault(room, _Revoked())

    def revoked(self, room: str) -> None:
        """Throw a room out, now that its certificates are withdrawn, and watch it."""
        self._revoked[room] = _Revoked()  # a certificate for take-overs that was there is withdrawn with the others
        now_s = self._mono()
        for after_s in UNHEARD_S:
            self._wish(room, now_s + after_s)

    def reinstated(self, room: str) -> None:
        """Leave a room alone: it has a new certificate."""
        self._revoked.pop(room, None)

    def heard(self, room: str) -> None:
        """Take note of any message from a room but its death, and but what is retained: it is there."""
        entry = self._revoked.get(room)
        if entry is not None and not entry.is_wished:
            entry.is_wished = True
            self._wish(room, max(self._mono(), entry.not_before_s))

    async def run(self) -> None:
        """Take over whoever is due, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                while self._due and self._due[0][0] <= self._mono():
                    _, room = heapq.heappop(self._due)
                    if (entry := self._revoked.get(room)) is None:
                        continue
                    if entry.is_at_work:
                        self._wish(room, self._mono() + AGAIN_S)
                    elif self._mono() < entry.not_before_s:
                        self._wish(room, entry.not_before_s)
                    else:
                        entry.is_at_work, entry.is_wished = True, False
                        group.create_task(self._evict(room, entry), name=f"evict {room}")
                await self._wait_due()

    async def _wait_due(self) -> None:
        self._wake.clear()
        wait_s = max(0.0, self._due[0][0] - self._mono()) if self._due else None
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _wish(self, room: str, at_s: float) -> None:
        heapq.heappush(self._due, (at_s, room))
        self._wake.set()

    async def _evict(self, room: str, entry: _Revoked) -> None:
        async with self._free:
            try:
                if self._revoked.get(room) is not entry:  # reinstated while it waited, or revoked anew
                    return
                if self._mono() >= entry.good_until_s:
                    await asyncio.to_thread(self._renew, room, entry)
                with tempfile.TemporaryDirectory(prefix="estrade-take-over-") as folder:
                    await take_over(_with_files(self._broker, room, entry, Path(folder)))
            except (EstradeError, OSError) as error:
                code, reason = (error.code, error.message) if isinstance(error, EstradeError) else ("", str(error))
                log.log(
                    logging.DEBUG if entry.failures else logging.WARNING,
                    "A revoked room could not be thrown out yet",
                    extra={"room": room, "code": code, "reason": reason},
                )
                entry.failures += 1
                if code == "broker-certificate":  # perhaps it was withdrawn meanwhile
                    entry.good_until_s = float("-inf")
                entry.not_before_s = self._mono() + min(RETRY_MOST_S, AGAIN_S * 2 ** min(entry.failures, 10))
                self.heard(room)  # perhaps it is there: tried again
            else:
                entry.failures = 0
                entry.not_before_s = self._mono() + AGAIN_S
                self.evicted += 1
                log.info("A revoked room was thrown out, should it have been there", extra={"room": room})
                self._on_evicted(room)
            finally:
                entry.is_at_work = False

    def _renew(self, room: str, entry: _Revoked) -> None:
        """Have a certificate of five minutes made, for a key of ours."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, room)])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        asked_s = self._mono()
        entry.cert_pem = self._issuer.issue_from_csr(
            request.public_bytes(serialization.Encoding.PEM), room, days=TAKE_OVER_DAYS
        )
        entry.key_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        entry.good_until_s = asked_s + CERTIFICATE_S


def _with_files(broker: LinkSettings, room: str, entry: _Revoked, folder: Path) -> LinkSettings:
    """Return settings under the room's name. OpenSSL takes certificates from files alone; the folder is ours alone."""
    cert, key = folder / "take-over.pem", folder / "take-over.key"
    cert.write_bytes(entry.cert_pem)
    key.write_bytes(entry.key_pem)
    return replace(broker, client_id=room, cert_file=cert, key_file=key)
