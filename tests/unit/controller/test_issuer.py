"""What the issuer does, refuses and writes down. Its socket: tests/integration/controller/test_issuer.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.issuer.verbs import Issuer, IssuerAudit
from controller.pki import TAKE_OVER_DAYS, CertificateAuthority

PEER = {"pid": 1, "uid": 2, "gid": 3}
ROOM = "0750001a-b12"


def request() -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "controller-centre-1-rpc")])
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


class Desk:
    """An issuer with its folder, its hand-over and a clock of ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_s = 1000.0
        self.authority = CertificateAuthority.create(folder / "pki")
        self.crl_to = folder / "tray" / "crl.pem"
        self.crl_to.parent.mkdir(exist_ok=True)
        self.issuer = self.started()

    def started(self) -> Issuer:
        audit = IssuerAudit(self.folder / "audit.log")
        return Issuer(self.authority, audit, hand_over_to=self.crl_to, clock=lambda: self.now_s)

    def ask(self, verb: str, **fields: Any) -> dict[str, Any]:
        return self.issuer.answer(json.dumps({"verb": verb, **fields}).encode(), PEER)

    def issue(self, room: str = ROOM, days: Any = 400) -> dict[str, Any]:
        return self.ask("issue", csr=request(), room=room, days=days)

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "audit.log").read_text().splitlines()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("days", [400, TAKE_OVER_DAYS])
def test_a_room_gets_a_certificate_in_its_own_name_for_so_long(desk: Desk, days: float) -> None:
    said = desk.issue(days=days)
    certificate = x509.load_pem_x509_certificate(said["certificate"].encode())
    assert certificate.subject.rfc4514_string() == f"CN={ROOM}"
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=days) - timedelta(minutes=1) < left <= timedelta(days=days)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [one.dotted_string for one in usage] == ["1.3.6.1.5.5.7.3.2"], "no server"
    assert desk.told[-1]["result"]["serial"] == f"{certificate.serial_number:x}"
    assert "BEGIN" not in (desk.folder / "audit.log").read_text()


@pytest.mark.parametrize("room", ["controller-centre-1-rpc", "../../etc", "A12", "", "\ud800", "x" * 200])
def test_nothing_is_issued_for_who_is_no_room(desk: Desk, room: str) -> None:
    assert desk.issue(room)["code"] == "args-invalid"
    assert desk.ask("revoke", room=room)["code"] == "args-invalid"
    assert not (desk.authority.folder / "issued.jsonl").exists()


@pytest.mark.parametrize("days", [0, -1, 401, 1e300, float("nan"), float("inf"), 10**3000, 5 / 1441])
def test_a_time_out_of_bounds_is_refused(desk: Desk, days: float) -> None:
    assert desk.issue(days=days)["code"] == "issuer-bad-request"


def test_a_server_of_that_name_is_not_withdrawn(desk: Desk) -> None:
    desk.authority.broker(["localhost"])
    assert desk.ask("revoke", room="localhost") == {"ok": True, "revoked": 0}


def test_a_revocation_hands_the_new_list_over(desk: Desk) -> None:
    said = desk.issue()
    assert desk.ask("revoke", room=ROOM) == {"ok": True, "revoked": 1}
    crl = x509.load_pem_x509_crl(desk.crl_to.read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(int(said["serial"], 16)) is not None
    desk.crl_to.unlink()
    assert desk.ask("revoke", room=ROOM) == {"ok": True, "revoked": 0}
    assert not desk.crl_to.exists(), "nothing is new: the broker is left alone"


def test_a_list_that_was_not_handed_over_is_owed(desk: Desk) -> None:
    desk.issue()
    desk.crl_to.parent.rmdir()
    said = desk.ask("revoke", room=ROOM)
    assert (said["ok"], said["code"]) == (False, "issuer-failed")
    assert str(desk.crl_to) in said["message"]
    assert desk.ask("status")["owes_list"] is True
    desk.crl_to.parent.mkdir()
    assert desk.ask("revoke", room=ROOM) == {"ok": True, "revoked": 0}
    assert desk.crl_to.exists()
    assert desk.ask("status")["owes_list"] is False


def test_the_list_is_written_anew(desk: Desk) -> None:
    before = desk.authority.crl()
    assert desk.ask("crl")["ok"] is True
    after = x509.load_pem_x509_crl(desk.crl_to.read_bytes())
    assert before is not None
    assert after.last_update_utc > before.last_update_utc
    said = desk.ask("status")
    assert said["crl_age_s"] < 60
    assert datetime.fromisoformat(said["crl_ends_at"]) == after.next_update_utc


def test_so_many_a_minute_and_a_restart_gives_no_more(desk: Desk) -> None:
    for _ in range(120):
        assert desk.issue()["ok"] is True
    assert desk.issue()["code"] == "issuer-too-often"
    desk.issuer = desk.started()
    said = desk.issue()
    assert (said["ok"], said["code"]) == (False, "issuer-too-often")
    desk.now_s += 61
    assert desk.issue()["ok"] is True
    assert desk.ask("status")["left"]["issue"] == 119


def test_so_many_a_day(desk: Desk) -> None:
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    old = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    line = json.dumps({"at": at, "verb": "issue", "done": True})
    (desk.folder / "audit.1.log").write_text(f"{json.dumps({'at': old, 'verb': 'issue', 'done': True})}\n" * 8000)
    (desk.folder / "audit.log").write_text(f"{line}\nnonsense\n[]\n" * 7999)
    desk.issuer = desk.started()
    assert desk.issue()["ok"] is True
    assert desk.issue()["code"] == "issuer-too-often"
    desk.now_s += 23 * 3600 + 60
    assert desk.issue()["ok"] is True


@pytest.mark.parametrize(
    "line",
    [
        b"", b"x", b"[]", b'"crl"', b"{}", b'{"verb": 1}', b'{"verb": ["crl"]}', b'{"verb": "rm"}', b"\xff",
        b'{"verb": "crl", "now": "yes"}', b'{"verb": "revoke"}', b'{"verb": "revoke", "room": 1}', b"[" * 5000,
        b'{"verb": "issue", "csr": "x", "room": "0750001a-b12", "days": true}',
        b'{"verb": "issue", "csr": "x", "room": "0750001a-b12", "days": "1"}',
        b'{"verb": "issue", "csr": null, "room": "0750001a-b12", "days": 1}',
    ],
)  # fmt: skip
def test_nonsense_is_refused_and_told(desk: Desk, line: bytes) -> None:
    said = desk.issuer.answer(line, PEER)
    assert (said["ok"], said["code"]) == (False, "issuer-bad-request")
    assert desk.told[-1]["answer"] == said
    assert desk.told[-1]["peer"] == PEER


@pytest.mark.parametrize("csr", ["", "x", "\ud800", "\x00" * 100, "-----BEGIN CERTIFICATE REQUEST-----\n"])
def test_a_request_that_is_none_is_refused(desk: Desk, csr: str) -> None:
    assert desk.ask("issue", csr=csr, room=ROOM, days=1)["code"] == "csr-invalid"


def test_any_line_is_answered(desk: Desk) -> None:
    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def try_line(line: bytes) -> None:
        assert desk.issuer.answer(line, PEER)["ok"] is False

    try_line()


def test_what_cannot_be_told_is_not_done(desk: Desk) -> None:
    desk.issuer = Issuer(desk.authority, IssuerAudit(desk.folder / "missing" / "audit.log"))
    assert desk.issue()["code"] == "issuer-failed"
    assert not (desk.authority.folder / "issued.jsonl").exists()


def test_a_list_that_is_none_is_said(desk: Desk) -> None:
    desk.authority.crl_path.write_text("nonsense")
    assert desk.ask("status")["code"] == "issuer-failed"
    assert desk.ask("crl")["ok"] is True
    assert desk.ask("status")["ok"] is True


def test_a_revocation_that_failed_half_way_is_made_up_for(desk: Desk) -> None:
    """Withdrawn, and no list: who asks again is told of none, and the broker gets it all the same; so after a fall."""
    for fall in (False, True):
        said = desk.issue()
        in_the_way = desk.authority.folder / ".crl.pem.new"
        in_the_way.mkdir()
        assert desk.ask("revoke", room=ROOM)["code"] == "issuer-failed"
        assert desk.ask("status")["owes_list"] is True
        in_the_way.rmdir()
        if fall:
            desk.issuer = desk.started()
        assert desk.ask("revoke", room=ROOM) == {"ok": True, "revoked": 0}
        crl = x509.load_pem_x509_crl(desk.crl_to.read_bytes())
        assert crl.get_revoked_certificate_by_serial_number(int(said["serial"], 16)) is not None
        assert desk.ask("status")["owes_list"] is False


def test_nonsense_does_not_wash_the_audit_out(desk: Desk) -> None:
    serial = desk.issue()["serial"]
    for _ in range(500):
        desk.issuer.answer(b"nonsense", PEER)
        desk.ask("status")
        desk.ask("revoke", room="x" * 5000)
    told = desk.told
    assert len(told) == 2 + 60
    assert told[1]["result"]["serial"] == serial
    assert max(len(json.dumps(line)) for line in told) < 600
    desk.now_s += 61
    desk.issuer.answer(b"nonsense", PEER)
    assert desk.told[-1]["untold"] >= 1000 - 60
    assert desk.issue()["ok"] is True
    assert desk.told[-1]["done"] is True
