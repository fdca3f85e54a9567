"""What the issuer does when it is asked: a fixed list of verbs, each with its rate, each a line of the audit.

One JSON object in, one out: ``{"verb": "revoke", "room": "0750001a-b12"}`` → ``{"ok": true, "revoked": 1}`` or
``{"ok": false, "code": …, "message": …}``. Whoever has taken the controller over can have certificates of rooms made,
so many and no more, and each leaves a trace that the controller cannot reach; none of a controller, none of a server.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from controller.pki import LEAF_DAYS, TAKE_OVER_DAYS, CertificateAuthority, legal_room
from protocol.errors import EstradeError, IssuerError

log = logging.getLogger(__name__)

AUDIT_MOST = 10_000_000
"""Bytes; then the audit is begun anew and the last one kept beside it. A day's most is less than half of that."""
MINUTE_S, DAY_S = 60.0, 86_400.0
REFUSALS_TOLD = ((60, MINUTE_S), (1_000, DAY_S))
"""So many refusals are written down; the others are counted, or nonsense enough would wash the audit out."""
REFUSAL_MOST = 300
"""Characters of its sentence, which may repeat what was asked."""


class IssuerAudit:
    """A file that only grows: what was asked, by whom, what came of it. The rates of a day are counted from it too."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def _before(self) -> Path:
        return self._path.with_suffix(".1.log")

    def write(self, entry: Mapping[str, Any]) -> None:
        """Add a line; raise OSError when it cannot be kept, for what cannot be told is not done."""
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_size > AUDIT_MOST:
                self._path.replace(self._before)
        line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **entry}) + "\n"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o640)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(line)

    def done_within(self, seconds: float) -> list[tuple[str, float]]:
        """Return verb and age in seconds of what was done lately, oldest first; what cannot be read is passed over."""
        now, found = datetime.now(UTC), []
        for path in (self._before, self._path):
            with contextlib.suppress(OSError):
                for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                    with contextlib.suppress(ValueError, KeyError, TypeError):
                        entry = json.loads(line)
                        age_s = (now - datetime.fromisoformat(entry["at"])).total_seconds()
                        if entry["done"] and age_s < seconds:
                            found.append((str(entry["verb"]), age_s))
        return found


class Rate:
    """At most so many within a time, by the monotonic clock."""

    def __init__(self, most: int, within_s: float, clock: Callable[[], float]) -> None:
        self._most, self._within_s, self._clock = most, within_s, clock
        self._times: deque[float] = deque()

    def note(self, age_s: float = 0.0) -> None:
        self._times.append(self._clock() - age_s)

    def left(self) -> int:
        while self._times and self._clock() - self._times[0] >= self._within_s:
            self._times.popleft()
        return max(0, self._most - len(self._times))

    def wait_s(self) -> float:
        """Return how long it takes until there is one more; 0 now."""
        return 0.0 if self.left() else self._within_s - (self._clock() - self._times[0])


@dataclass(frozen=True)
class Verb:
    """``fields``: exactly these, with their kinds. ``most``: so many within so many seconds, for all rooms together."""

    act: Callable[..., dict[str, Any]]
    fields: Mapping[str, type | tuple[type, ...]]
    most: tuple[tuple[int, float], ...]
    is_told: bool = True
    """It is written down; what only looks is not."""


class Issuer:
    """Carries requests out, one at a time, whichever thread asks.

    ``hand_over_to``: where a new revocation list is put for the broker (estrade-crl.path takes it from there).
    """

    def __init__(
        self,
        authority: CertificateAuthority,
        audit: IssuerAudit,
        *,
        hand_over_to: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authority = authority
        self._audit = audit
        self._hand_over_to = hand_over_to
        self._owes_list: bool | None = None
        """A list is due, or was written and could not be handed over; None: not known of the time before a start."""
        self._one_at_a_time = threading.RLock()
        self.verbs: Mapping[str, Verb] = {
            "issue": Verb(
                self._issue, {"csr": str, "room": str, "days": (int, float)}, ((120, MINUTE_S), (8_000, DAY_S))
            ),
            "revoke": Verb(self._revoke, {"room": str}, ((120, MINUTE_S), (2_000, DAY_S))),
            "crl": Verb(self._crl, {}, ((6, MINUTE_S), (200, DAY_S))),
            "status": Verb(self._status, {}, ((120, MINUTE_S),), is_told=False),
        }
        self._rates = {name: [Rate(*rate, clock) for rate in verb.most] for name, verb in self.verbs.items()}
        self._refusals_told = [Rate(*rate, clock) for rate in REFUSALS_TOLD]
        self._untold = 0
        """Refusals since the last one that was written down."""
        for name, age_s in audit.done_within(DAY_S):  # a restart gives nobody a second day
            for rate in self._rates.get(name, ()):
                rate.note(age_s)

    def answer(self, line: bytes, peer: Mapping[str, int]) -> dict[str, Any]:
        """Carry one request out and return what to say. Never raises."""
        name: str | None = None
        with self._one_at_a_time:
            try:
                name, fields = self._parse(line)
                verb = self.verbs[name]
                for rate in self._rates[name]:
                    if wait_s := rate.wait_s():
                        msg = f"{name} was done often enough; ask again in {wait_s:.0f} s"
                        raise IssuerError(msg, code="issuer-too-often")
                if verb.is_told:
                    told = {key: value for key, value in fields.items() if key != "csr"}
                    self._audit.write({"verb": name, "asked": told, "peer": peer})
                result = verb.act(**fields)
                for rate in self._rates[name]:
                    rate.note()
                if verb.is_told:
                    traced = {key: value for key, value in result.items() if key not in ("certificate", "ok")}
                    self._audit.write({"verb": name, "done": True, "result": traced, "peer": peer})
                return {"ok": True, **result}
            except EstradeError as error:
                said = {"ok": False, "code": error.code, "message": error.message}
            except OSError as error:
                msg = f"the issuer's own files fail ({error.strerror}); see its journal"
                said = {"ok": False, "code": "issuer-failed", "message": msg}
            except Exception:
                log.exception("a fault of ours in %s", name)
                said = {"ok": False, "code": "issuer-failed", "message": "a fault of ours; see the issuer's journal"}
            self.refuse(name, said, peer)
            return said

    def refuse(self, name: str | None, said: Mapping[str, Any], peer: Mapping[str, int]) -> None:
        """Write down what was not done, or count it. May wait for an act that is being carried out."""
        with self._one_at_a_time, contextlib.suppress(OSError):
            if not all(rate.left() for rate in self._refusals_told):
                self._untold += 1
                return
            answer = {**said, "message": str(said["message"])[:REFUSAL_MOST]}
            untold = {"untold": self._untold} if self._untold else {}
            self._audit.write({"verb": name, "done": False, "answer": answer, **untold, "peer": peer})
            for rate in self._refusals_told:
                rate.note()
            self._untold = 0

    def _parse(self, line: bytes) -> tuple[str, dict[str, Any]]:
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError):
            raise IssuerError("the request is not a line of JSON", code="issuer-bad-request") from None
        name = asked.pop("verb", None) if isinstance(asked, dict) else None
        if not isinstance(name, str) or name not in self.verbs:
            msg = f"there is no such verb; there are: {', '.join(self.verbs)}"
            raise IssuerError(msg, code="issuer-bad-request")
        fields = self.verbs[name].fields
        if set(asked) != set(fields):
            msg = f"{name} has to have exactly: {', '.join(('verb', *fields))}"
            raise IssuerError(msg, code="issuer-bad-request")
        for key, kind in fields.items():
            if not isinstance(asked[key], kind) or isinstance(asked[key], bool):
                raise IssuerError(f"{key} of {name} is of another kind", code="issuer-bad-request")
        if "room" in asked:
            legal_room(asked["room"])
        return name, asked

    def _issue(self, csr: str, room: str, days: float) -> dict[str, Any]:
        if not TAKE_OVER_DAYS <= days <= LEAF_DAYS:  # NaN is not either
            msg = f"days is from {TAKE_OVER_DAYS:.4f} (5 minutes) to {LEAF_DAYS}"
            raise IssuerError(msg, code="issuer-bad-request")
        pem = self._authority.issue_from_csr(csr.encode("utf-8", errors="replace"), room, days=days)
        certificate = x509.load_pem_x509_certificate(pem)
        return {
            "certificate": pem.decode("ascii"),
            "serial": f"{certificate.serial_number:x}",
            "expires_at": certificate.not_valid_after_utc.isoformat(),
        }

    def _revoke(self, room: str) -> dict[str, Any]:
        try:
            count = self._authority.revoke(room, usage="client")
        except OSError:  # it may be noted, and the list not written
            self._owes_list = True
            raise
        if count or self._owes_list is not False:
            self._hand_over()
        return {"revoked": count}

    def _crl(self) -> dict[str, Any]:
        self._authority.write_crl()
        self._hand_over()
        return self._dates()

    def _status(self) -> dict[str, Any]:
        left = {name: min(rate.left() for rate in rates) for name, rates in self._rates.items()}
        return {**self._dates(), "left": left, "owes_list": bool(self._owes_list)}

    def _dates(self) -> dict[str, Any]:
        crl = self._authority.crl()
        if crl is None or crl.next_update_utc is None:
            msg = f"{self._authority.crl_path} is no revocation list; the verb crl writes it anew"
            raise IssuerError(msg)
        age_s = (datetime.now(UTC) - datetime.fromtimestamp(self._authority.crl_path.stat().st_mtime, UTC)) / timedelta(
            seconds=1
        )
        return {"crl_age_s": round(age_s, 1), "crl_ends_at": crl.next_update_utc.isoformat()}

    def _hand_over(self) -> None:
        if self._hand_over_to is None:
            self._owes_list = False
            return
        self._owes_list = True
        try:
            self._authority.hand_over_crl(self._hand_over_to)
        except OSError as error:
            msg = f"the new revocation list cannot be put at {self._hand_over_to} ({error.strerror}); ask again"
            raise IssuerError(msg) from error
        self._owes_list = False
