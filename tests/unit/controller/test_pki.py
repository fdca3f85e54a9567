"""The small CA: what it issues verifies, names one holder, and can be withdrawn."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from controller.pki import LEAF_DAYS, CertificateAuthority, CertificateIssuer
from protocol.errors import ConfigError


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path / "pki")


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def test_a_room_gets_a_client_certificate_of_400_days_in_its_own_name(authority: CertificateAuthority) -> None:
    paths = authority.room("0750001a-b12")
    certificate = _certificate(paths.cert)
    assert _common_name(certificate) == "0750001a-b12"
    certificate.verify_directly_issued_by(_certificate(authority.ca_path))
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=LEAF_DAYS - 1) < left <= timedelta(days=LEAF_DAYS)


def test_keys_are_readable_by_their_owner_only(authority: CertificateAuthority) -> None:
    paths = authority.room("0750001a-b12")
    for key in (paths.key, authority.folder / "ca.key"):
        assert key.stat().st_mode & 0o777 == 0o600


def test_an_existing_authority_is_never_replaced(authority: CertificateAuthority) -> None:
    before = authority.ca_path.read_bytes()
    again = CertificateAuthority.create(authority.folder)
    assert again.ca_path.read_bytes() == before
    _certificate(again.room("0750001a-b12").cert).verify_directly_issued_by(_certificate(authority.ca_path))


def test_the_broker_certificate_holds_every_host_and_address(authority: CertificateAuthority) -> None:
    names = (
        _certificate(authority.broker(["mqtt.example.org", "127.0.0.1", "::1"]).cert)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    assert names.get_values_for_type(x509.DNSName) == ["mqtt.example.org"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_each_connection_of_a_controller_has_its_own_user(authority: CertificateAuthority) -> None:
    paths = authority.controller("centre-1")
    assert {purpose: _common_name(_certificate(p.cert)) for purpose, p in paths.items()} == {
        "rpc": "controller-centre-1-rpc",
        "events": "controller-centre-1-events",
    }
    authority.controller("centre-2")
    assert authority.controller_users() == (
        "controller-centre-1-events",
        "controller-centre-1-rpc",
        "controller-centre-2-events",
        "controller-centre-2-rpc",
    )


def test_revoking_lists_every_certificate_of_the_name_and_no_other(authority: CertificateAuthority) -> None:
    gone = [_certificate(authority.room("0750001a-b12").cert) for _ in range(2)]
    kept = _certificate(authority.room("0750001a-b13").cert)
    assert authority.revoke("0750001a-b12") == 2
    assert authority.revoke("0750001a-b12") == 0
    crl = x509.load_pem_x509_crl(authority.crl_path.read_bytes())
    assert all(crl.get_revoked_certificate_by_serial_number(one.serial_number) for one in gone)
    assert crl.get_revoked_certificate_by_serial_number(kept.serial_number) is None
    public_key = _certificate(authority.ca_path).public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(public_key)
    assert crl.next_update_utc is not None
    assert crl.next_update_utc - datetime.now(UTC) > timedelta(days=29)


def test_each_list_is_later_than_the_last_by_a_second_at_least(authority: CertificateAuthority) -> None:
    """OpenSSL passes over a second list of the same second while the broker still holds the first."""
    lists = [x509.load_pem_x509_crl(authority.crl_path.read_bytes())]
    for number in range(5):
        authority.room(f"0750001a-b{number:02}")
        authority.revoke(f"0750001a-b{number:02}")
        lists.append(x509.load_pem_x509_crl(authority.crl_path.read_bytes()))
    for sooner, later in pairwise(lists):
        assert later.last_update_utc - sooner.last_update_utc >= timedelta(seconds=1)
        assert _crl_number(later) > _crl_number(sooner)
    assert lists[-1].last_update_utc < datetime.now(UTC), "one of tomorrow would lock everybody out"


def _crl_number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_two_who_revoke_at_once_lose_neither(authority: CertificateAuthority) -> None:
    """The issuer, and root at the command line."""
    rooms = [f"0750001a-b{number}" for number in range(10, 30)]
    certificates = [_certificate(authority.room(room).cert) for room in rooms]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(CertificateAuthority(authority.folder).revoke, rooms)) == [1] * len(rooms)
    crl = x509.load_pem_x509_crl(authority.crl_path.read_bytes())
    assert all(crl.get_revoked_certificate_by_serial_number(one.serial_number) for one in certificates)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away takes root")
def test_what_root_makes_belongs_to_the_folders_owner(authority: CertificateAuthority) -> None:
    os.chown(authority.folder, 12345, 12345)
    authority.room("0750001a-b12")
    authority.revoke("0750001a-b12")
    made = [authority.folder / name for name in ("issued.jsonl", "revoked.jsonl", "crl.pem", "rooms")]
    made += [authority.folder / "rooms/0750001a-b12.pem", authority.folder / "rooms/0750001a-b12.key"]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(12345, 12345)}


def _request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "controller-centre-1-rpc")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_the_subject_of_a_request_is_not_heard(authority: CertificateAuthority) -> None:
    issuer: CertificateIssuer = authority
    key = ec.generate_private_key(ec.SECP256R1())
    pem = authority.issue_from_csr(_request(key), "0750001a-b12")
    assert _common_name(x509.load_pem_x509_certificate(pem)) == "0750001a-b12"
    assert issuer.revoke("controller-centre-1-rpc") == 0


def test_a_request_that_is_none_or_has_another_kind_of_key_is_refused(authority: CertificateAuthority) -> None:
    for pem in (b"nonsense", _request(rsa.generate_private_key(public_exponent=65537, key_size=2048))):
        with pytest.raises(ConfigError) as caught:
            authority.issue_from_csr(pem, "0750001a-b12")
        assert caught.value.code == "csr-invalid"


@pytest.mark.parametrize("room", ["A12", "a", "../../etc", "-abc", "controller+", "controller-centre-1-rpc"])
def test_an_id_that_is_none_makes_no_file(authority: CertificateAuthority, room: str) -> None:
    with pytest.raises(ConfigError) as caught:
        authority.room(room)
    assert caught.value.code == "args-invalid"
    assert not (authority.folder / "rooms").exists()


def test_a_folder_without_authority_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pki --dir .* init") as caught:
        CertificateAuthority(tmp_path)
    assert caught.value.code == "pki-missing"


def test_a_revocation_whose_list_could_not_be_written_is_listed_when_asked_again(
    authority: CertificateAuthority,
) -> None:
    serial = _certificate(authority.room("0750001a-b12").cert).serial_number
    in_the_way = authority.folder / ".crl.pem.new"
    in_the_way.mkdir()  # as a full disk would be
    with pytest.raises(OSError, match=r"crl\.pem"):
        authority.revoke("0750001a-b12")
    in_the_way.rmdir()
    assert authority.revoke("0750001a-b12") == 0
    crl = authority.crl()
    assert crl is not None
    assert crl.get_revoked_certificate_by_serial_number(serial) is not None


@pytest.mark.parametrize("register", ["issued.jsonl", "revoked.jsonl"])
def test_the_piece_of_a_line_that_a_full_disk_left_stops_nothing(
    authority: CertificateAuthority, register: str
) -> None:
    serials = [_certificate(authority.room(f"0750001a-b1{number}").cert).serial_number for number in range(2)]
    assert authority.revoke("0750001a-b10") == 1
    path = authority.folder / register
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 3].splitlines()[0])
    authority.write_crl()
    serials.append(_certificate(authority.room("0750001a-b12").cert).serial_number)
    assert [authority.revoke(f"0750001a-b1{number}") for number in range(3)] == [0, 1, 1]
    crl = authority.crl()
    assert crl is not None
    assert {entry.serial_number for entry in crl} == set(serials)


def test_a_line_that_an_editor_left_without_its_end_is_kept(authority: CertificateAuthority) -> None:
    first = _certificate(authority.room("0750001a-b12").cert).serial_number
    path = authority.folder / "issued.jsonl"
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    second = _certificate(authority.room("0750001a-b12").cert).serial_number
    assert authority.revoke("0750001a-b12") == 2
    assert {entry.serial_number for entry in authority.crl() or ()} == {first, second}
