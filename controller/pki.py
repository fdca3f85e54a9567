"""The small CA of one centre: certificates of rooms, controller connections, broker and web server; revocation.

Everything lies in one folder that only the centre's administrator can read::

    ca.pem ca.key            the root; the key is needed only to issue and to revoke
    crl.pem                  the revocation list mosquitto reads (an overdue one locks everybody out)
    issued.jsonl             one line for each certificate ever issued
    revoked.jsonl            one line for each that was withdrawn
    broker.pem broker.key    mosquitto's own
    web.pem web.key          the web server's own, when no other authority gives one
    rooms/{room}.pem .key    CN = room id
    controllers/controller-{instance}-{purpose}.pem .key

All keys are EC P-256 and mode 0600. A certificate's CN is the MQTT user name, so a stolen key speaks for one room only.
The folder is the issuer's (`controller.issuer`); what root makes in it, by hand, is given to the folder's owner.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocol.errors import ConfigError
from protocol.topics import check_id

LEAF_DAYS = 400
TAKE_OVER_DAYS = 5 / 1440
"""Five minutes: for the one connection with which a revoked room is thrown out (`controller.evictions`)."""
WEB_DAYS = 397
"""Browsers refuse longer ones even from an authority that a person installed (Apple: 398 days)."""
CA_DAYS = 3650
CRL_DAYS = 30
_BACKDATED = timedelta(days=1)
"""A mini-PC whose clock is some hours behind must still accept a new certificate."""

PURPOSES = ("rpc", "events")
"""A controller's connections to the broker; each has its own certificate and user (`controller_name`)."""

Usage = Literal["client", "server"]


def controller_name(instance: str, purpose: str) -> str:
    """Return CN and MQTT user of one controller connection."""
    return f"controller-{check_id(instance)}-{purpose}"


@dataclass(frozen=True, slots=True)
class CertificatePaths:
    """Where a certificate and its key lie."""

    cert: Path
    key: Path


class CertificateIssuer(Protocol):
    """Whoever gives rooms their certificates: this small CA, the issuer that guards it, or another authority.

    Blocking: for the command line and executors.
    """

    def issue_from_csr(self, csr_pem: bytes, common_name: str, *, days: float = LEAF_DAYS) -> bytes:
        """Return a client certificate (PEM); what else a request wished in its subject is not heard."""
        ...

    def revoke(self, common_name: str) -> int:
        """Withdraw every certificate of ``common_name`` that is still valid; return how many there were."""
        ...


class CertificateAuthority:
    """The centre's own `CertificateIssuer`, kept in one folder. Blocking: for the command line and executors."""

    def __init__(self, folder: Path) -> None:
        """Open the authority in ``folder``; raise ConfigError ``pki-missing`` when `create` was not called yet."""
        self.folder = folder
        try:
            self._certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
            key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
        except FileNotFoundError as error:
            msg = f"{folder} holds no certificate authority; make one with: estrade-controller pki --dir {folder} init"
            raise ConfigError(msg, code="pki-missing") from error
        except (OSError, ValueError) as error:
            msg = f"the certificate authority in {folder} cannot be read ({error}); check its files and their owner"
            raise ConfigError(msg, code="pki-unusable") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            msg = f"{folder / 'ca.key'} is not an EC key; this authority was not made by Estrade"
            raise ConfigError(msg, code="pki-unusable")
        self._key = key

    @classmethod
    def create(cls, folder: Path, *, name: str = "Estrade CA") -> CertificateAuthority:
        """Make a new authority, or open the one that is there: an existing root is never replaced."""
        if not (folder / "ca.pem").exists():
            _make_folder(folder)
            key = ec.generate_private_key(ec.SECP256R1())
            now = datetime.now(UTC)
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
            certificate = (
                _builder(subject, subject, key.public_key(), now, CA_DAYS)
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(_key_usage(signs_certificates=True), critical=True)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
                .sign(key, hashes.SHA256())
            )
            _write_key(folder / "ca.key", key)
            _write(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM))
        authority = cls(folder)
        if not authority.crl_path.exists():
            authority.write_crl()
        return authority

    @property
    def ca_path(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def crl_path(self) -> Path:
        return self.folder / "crl.pem"

    def issue(
        self,
        public_key: ec.EllipticCurvePublicKey,
        common_name: str,
        *,
        usage: Usage,
        hosts: Sequence[str] = (),
        days: float = LEAF_DAYS,
    ) -> x509.Certificate:
        """Sign a leaf certificate and note it in ``issued.jsonl``."""
        now = datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if usage == "client" else ExtendedKeyUsageOID.SERVER_AUTH
        builder = (
            _builder(subject, self._certificate.subject, public_key, now, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(_names(hosts)), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        line = {
            "serial": f"{certificate.serial_number:x}",
            "name": common_name,
            "usage": usage,
            "expires_at": certificate.not_valid_after_utc.isoformat(),
        }
        with self._alone():
            _append(self.folder / "issued.jsonl", [line])
        return certificate

    def issue_from_csr(self, csr_pem: bytes, common_name: str, *, days: float = LEAF_DAYS) -> bytes:
        """Return a client certificate (PEM) for the key of a request; the request's own subject is ignored.

        Raises ConfigError ``csr-invalid`` unless it is a well signed request with an EC P-256 key.
        """
        try:
            request = x509.load_pem_x509_csr(csr_pem)
            key = request.public_key()
            is_good = request.is_signature_valid
        except (ValueError, InvalidSignature) as error:
            raise ConfigError("this is not a certificate request in PEM form", code="csr-invalid") from error
        if not is_good or not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
            raise ConfigError("the request must hold an EC P-256 key and be signed by it", code="csr-invalid")
        return self.issue(key, common_name, usage="client", days=days).public_bytes(serialization.Encoding.PEM)

    def room(self, room: str) -> CertificatePaths:
        """Issue key and certificate of a room, CN = its id. An id that could be a controller's user is refused."""
        name = legal_room(room)
        return self._issue_files(self.folder / "rooms", name, name, usage="client")

    def controller(self, instance: str) -> dict[str, CertificatePaths]:
        """Issue key and certificate of each connection of a controller, by purpose."""
        names = {purpose: controller_name(_legal_id(instance), purpose) for purpose in PURPOSES}
        return {
            purpose: self._issue_files(self.folder / "controllers", name, name, usage="client")
            for purpose, name in names.items()
        }

    def broker(self, hosts: Sequence[str]) -> CertificatePaths:
        """Issue mosquitto's own certificate for these host names and addresses."""
        return self._issue_files(self.folder, "broker", _first(hosts), usage="server", hosts=hosts)

    def web(self, hosts: Sequence[str]) -> CertificatePaths:
        """Issue the web server's certificate for these host names and addresses."""
        return self._issue_files(self.folder, "web", _first(hosts), usage="server", hosts=hosts, days=WEB_DAYS)

    def controller_users(self) -> tuple[str, ...]:
        """Return the MQTT users of every controller connection this authority has issued for."""
        return tuple(sorted({line["name"] for line in self._issued() if line["name"].startswith("controller-")}))

    def revoke(self, common_name: str, *, usage: Usage | None = None) -> int:
        """Withdraw every certificate of this name (and usage) and write the revocation list; return how many.

        mosquitto reads the list at SIGHUP; a connection that lives is not cut by it (`controller.evictions`).
        """
        with self._alone():
            known = {
                line["serial"]
                for line in self._issued()
                if line["name"] == common_name and usage in (None, line["usage"])
            }
            fresh = known - self._revoked().keys()
            if fresh:
                now = datetime.now(UTC).isoformat()
                _append(self.folder / "revoked.jsonl", [{"serial": serial, "at": now} for serial in sorted(fresh)])
            if fresh or self._has_unlisted():  # noted once, and the list could not be written then
                self._write_crl()
        return len(fresh)

    def write_crl(self) -> Path:
        """Write the revocation list anew. Do it daily: mosquitto lets nobody in once the list is overdue (30 days)."""
        with self._alone():
            return self._write_crl()

    def crl(self) -> x509.CertificateRevocationList | None:
        """Return the present revocation list; None when there is none that can be read."""
        try:
            return x509.load_pem_x509_crl(self.crl_path.read_bytes())
        except (OSError, ValueError):
            return None

    def hand_over_crl(self, to: Path) -> None:
        """Put the present revocation list where the broker's side takes it from; raise OSError."""
        with self._alone():
            _write(to, self.crl_path.read_bytes())

    def _write_crl(self) -> Path:
        now = datetime.now(UTC).replace(microsecond=0)
        updated_at, number = now - _BACKDATED, int(now.timestamp())
        if (last := self.crl()) is not None:
            # Of two lists, OpenSSL takes the one that was updated later, in whole seconds (x509_vfy.c, get_crl_sk):
            # a broker that still holds the last one would pass over a second list of the same second.
            updated_at = max(updated_at, last.last_update_utc + timedelta(seconds=1))
            number = max(number, _number(last) + 1)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(updated_at)
            .next_update(now + timedelta(days=CRL_DAYS))
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for serial, at in self._revoked().items():
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(int(serial, 16)).revocation_date(at).build()
            )
        _write(self.crl_path, builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return self.crl_path

    def _has_unlisted(self) -> bool:
        listed = {entry.serial_number for entry in self.crl() or ()}
        return any(int(serial, 16) not in listed for serial in self._revoked())

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold both registers and the list: the issuer, the timer and root write them, each in its process."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _issue_files(
        self, folder: Path, stem: str, name: str, *, usage: Usage, hosts: Sequence[str] = (), days: int = LEAF_DAYS
    ) -> CertificatePaths:
        _make_folder(folder)
        paths = CertificatePaths(folder / f"{stem}.pem", folder / f"{stem}.key")
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.issue(key.public_key(), name, usage=usage, hosts=hosts, days=days)
        _write_key(paths.key, key)
        _write(paths.cert, certificate.public_bytes(serialization.Encoding.PEM))
        return paths

    def _issued(self) -> list[dict[str, str]]:
        return _lines(self.folder / "issued.jsonl")

    def _revoked(self) -> dict[str, datetime]:
        return {line["serial"]: datetime.fromisoformat(line["at"]) for line in _lines(self.folder / "revoked.jsonl")}


def _number(crl: x509.CertificateRevocationList) -> int:
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return 0


def _append(path: Path, lines: Iterable[Mapping[str, str]]) -> None:
    """Add lines that are on the disk on return. The piece of one that a full disk or a power cut left is cut off."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "r+b") as register:
        there = register.read()
        whole = there.rfind(b"\n") + 1
        new = "".join(json.dumps(line) + "\n" for line in lines).encode()
        if _is_line(there[whole:]):
            whole, new = len(there), b"\n" + new
        register.seek(whole)
        register.truncate()
        register.write(new)
        register.flush()
        os.fsync(descriptor)
    _give_to_owner(path)


def _lines(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    there = path.read_bytes()
    whole = there.rfind(b"\n") + 1
    tail = there[whole:]
    return [json.loads(line) for line in [*there[:whole].splitlines(), *([tail] if _is_line(tail) else [])] if line]


def _is_line(tail: bytes) -> bool:
    """Say whether what stands behind the last line's end is a line, of an editor's, and no piece of one."""
    try:
        json.loads(tail)
    except ValueError:
        return False
    return True


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime, days: float
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _names(hosts: Iterable[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            try:
                names.append(x509.DNSName(host))
            except ValueError as error:
                msg = f'"{host}" is neither an address nor a host name in ASCII'
                raise ConfigError(msg, code="args-invalid") from error
    return names


def _first(hosts: Sequence[str]) -> str:
    if not hosts:
        raise ConfigError("name at least one host that the certificate is for", code="args-invalid")
    return hosts[0][:64]  # X.520 ub-common-name; the names that count are in subjectAltName


def legal_room(room: str) -> str:
    """Return a room's id; raise ConfigError ``args-invalid`` for what is none, or could be a controller's user."""
    if room.startswith("controller-"):
        raise ConfigError('a room\'s id may not begin with "controller-"', code="args-invalid")
    return _legal_id(room)


def _legal_id(value: str) -> str:
    try:
        return check_id(value)
    except ValueError as error:
        raise ConfigError(str(error), code="args-invalid") from error


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o755)
        _give_to_owner(folder)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(path, pem, mode=0o600)


def _write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace a file at once, never half written; a key is never readable by others, not even for an instant."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        _give_to_owner(new)
    new.replace(path)


def _give_to_owner(path: Path) -> None:
    """Give a file to whom its folder belongs: what root makes by hand, the issuer has to read and go on with."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)
