"""The issuer as a process, at its socket: asked by the controller's side, and by who has no business there."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from controller.issuer.client import IssuerClient
from controller.pki import CertificateAuthority, CertificateIssuer
from protocol.errors import IssuerError
from tests.peers import need

ROOM = "0750001a-b12"
START_S = 15.0


def program() -> str:
    found = shutil.which("estrade-controller", path=str(Path(sys.executable).parent))
    assert found is not None
    return found


class Process:
    """The issuer with its folder; ``socket`` is where it listens."""

    def __init__(self, folder: Path, *, by_systemd: bool = False, user: str = "", listen: Path | None = None) -> None:
        self.folder = folder
        self.socket = listen or folder / "issuer.socket"
        self.authority = CertificateAuthority.create(folder / "pki")
        self.crl_to = folder / "crl.pem"
        command = [
            program(), "issuer", "--dir", str(self.authority.folder), "--audit", str(folder / "audit.log"),
            "--crl-to", str(self.crl_to), "--user", user or getpass.getuser(),
        ]  # fmt: skip
        if by_systemd:
            activate = need("systemd-socket-activate", "systemd")
            command = [activate, f"--listen={self.socket}", *command]
        else:
            command += ["--socket", str(self.socket)]
        self._log = (folder / "issuer.log").open("w+")
        self.process = subprocess.Popen(command, stderr=self._log)
        deadline_s = time.monotonic() + START_S
        while not self._listens():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline_s, "the issuer does not listen"
            time.sleep(0.01)

    def _listens(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self.socket))
        except OSError:
            return False
        return True

    @property
    def log(self) -> str:
        return (self.folder / "issuer.log").read_text()

    @property
    def told(self) -> list[dict[str, object]]:
        audit = self.folder / "audit.log"
        return [json.loads(line) for line in audit.read_text().splitlines()] if audit.exists() else []

    def end(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
            self._log.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One issuer for the tests that leave it as it was: it takes a second to start."""
    process = Process(tmp_path_factory.mktemp("issuer"))
    try:
        yield process
    finally:
        process.end()


@pytest.fixture
def issuer(running: Process) -> Iterator[Process]:
    yield running
    assert "Traceback" not in running.log


def request() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def raw(issuer: Process, data: bytes, *, end: bool = False) -> bytes:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(10)
        line.connect(str(issuer.socket))
        try:
            line.sendall(data)
            if end:
                line.shutdown(socket.SHUT_WR)
            return line.makefile("rb").readline()
        except (BrokenPipeError, ConnectionResetError):
            return b""


def test_the_controller_asks_and_is_given(issuer: Process) -> None:
    client: CertificateIssuer = IssuerClient(issuer.socket)
    before = len(issuer.told)
    certificate = x509.load_pem_x509_certificate(client.issue_from_csr(request(), ROOM))
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(issuer.authority.ca_path.read_bytes()))
    assert client.revoke(ROOM) == 1
    crl = x509.load_pem_x509_crl(issuer.crl_to.read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
    assert client.revoke(ROOM) == 0
    told = issuer.told[before:]
    assert [line["verb"] for line in told if line.get("done")] == ["issue", "revoke", "revoke"]
    assert {line["peer"]["uid"] for line in told} == {os.getuid()}  # type: ignore[index]


def test_status_and_renewal(issuer: Process) -> None:
    client = IssuerClient(issuer.socket)
    before = client.status()
    assert set(before.left) == {"issue", "revoke", "crl", "status"}
    client.renew_crl()
    after = client.status()
    assert after.left["crl"] == before.left["crl"] - 1
    assert after.crl_age_s < 60
    assert (after.owes_list, after.crl_ends_at >= before.crl_ends_at) == (False, True)


def test_a_refusal_keeps_its_code(issuer: Process) -> None:
    client = IssuerClient(issuer.socket)
    acts: list[tuple[Callable[[], object], str]] = [
        (lambda: client.issue_from_csr(b"nonsense", ROOM), "csr-invalid"),
        (lambda: client.issue_from_csr("é".encode(), ROOM), "csr-invalid"),
        (lambda: client.issue_from_csr(request(), "controller-centre-1-rpc"), "args-invalid"),
        (lambda: client.issue_from_csr(request(), ROOM, days=500), "issuer-bad-request"),
        (lambda: client.issue_from_csr(b"x" * 9000, ROOM), "issuer-bad-request"),
    ]
    for act, code in acts:
        with pytest.raises(IssuerError) as caught:
            act()
        assert caught.value.code == code
        assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"\xff\x00" * 200 + b"\n", "line of JSON"), (b"x" * 100_000, "at most 8192 bytes"), (b"{", "ended before")],
)
def test_garbage_is_one_answer_and_no_traceback(issuer: Process, data: bytes, words: str) -> None:
    answer = raw(issuer, data, end=True)
    if answer:  # who sends more than is read may be cut off before the answer is through
        assert json.loads(answer)["code"] == "issuer-bad-request"
    assert words in str(issuer.told[-1]["answer"])
    assert IssuerClient(issuer.socket).status().owes_list is False


def test_those_who_hang_keep_nobody_waiting(issuer: Process) -> None:
    """Half a line, no line, and more of them than it takes at once."""
    with contextlib.ExitStack() as hanging:
        for number in range(40):
            line = hanging.enter_context(socket.socket(socket.AF_UNIX))
            line.connect(str(issuer.socket))
            if number % 2:
                with contextlib.suppress(OSError):  # one too many, and cut off already
                    line.sendall(b'{"verb": ')
        deadline_s = time.monotonic() + 10
        while True:
            try:
                IssuerClient(issuer.socket).status()
                break
            except IssuerError:
                assert time.monotonic() < deadline_s
                time.sleep(0.1)


def test_many_at_once_are_all_answered(issuer: Process) -> None:
    results: list[bool] = []

    def ask() -> None:
        results.append(IssuerClient(issuer.socket).issue_from_csr(request(), ROOM).startswith(b"-----BEGIN"))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 12
    assert IssuerClient(issuer.socket).revoke(ROOM) == 12


@pytest.mark.skipif(os.geteuid() != 0, reason="to be somebody else, this test has to be root")
def test_only_the_controller_may_ask(tmp_path: Path) -> None:
    """A third user with a right to the socket is refused, by what the kernel says of it."""
    code = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
    code += 's.sendall(b\'{"verb": "status"}\\n\'); print(s.makefile().readline())'
    with tempfile.TemporaryDirectory(dir="/tmp") as open_to_all:  # pytest's own folders let nobody else through
        Path(open_to_all).chmod(0o755)
        issuer = Process(tmp_path, user="daemon", listen=Path(open_to_all) / "s")
        try:
            issuer.socket.chmod(0o666)
            for user, said_code in (("nobody", "issuer-refused"), ("daemon", None)):
                command = ["/usr/bin/python3", "-c", code, str(issuer.socket)]
                done = subprocess.run(
                    command, capture_output=True, text=True, user=user, group="nogroup", extra_groups=[], check=False
                )
                assert json.loads(done.stdout).get("code") == said_code, done.stderr
            refused = [line for line in issuer.told if line["peer"]["uid"] != 0 and "answer" in line]  # type: ignore[index]
            assert [line["answer"] for line in refused] == [{
                "ok": False, "code": "issuer-refused", "message": "only the controller may ask the issuer"
            }]  # fmt: skip
        finally:
            issuer.end()


def test_systemd_gives_it_the_socket(tmp_path: Path) -> None:
    issuer = Process(tmp_path, by_systemd=True)
    try:
        assert IssuerClient(issuer.socket).status().left["issue"] == 120
    finally:
        issuer.end()


def test_it_ends_when_it_is_told(tmp_path: Path) -> None:
    issuer = Process(tmp_path)
    IssuerClient(issuer.socket).status()
    assert issuer.end() == 0
    assert "Traceback" not in issuer.log
    again = Process(tmp_path)  # the socket that it left is no hindrance
    IssuerClient(again.socket).status()
    again.end()


@pytest.mark.parametrize("answer", [b"", b"nonsense\n", b"[]\n", b'{"ok": 1}\n', b'{"ok": true}\n'])
def test_an_answer_of_no_use_is_an_error(tmp_path: Path, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()

        def serve() -> None:
            line, _ = listening.accept()
            with line:
                line.makefile("rb").readline()
                line.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(IssuerError) as caught:
            IssuerClient(tmp_path / "s").revoke(ROOM)
        thread.join()
    assert caught.value.code == "issuer-failed"


def test_an_issuer_that_is_not_there_or_does_not_answer_is_told(tmp_path: Path) -> None:
    with pytest.raises(IssuerError) as caught:
        IssuerClient(tmp_path / "none").revoke(ROOM)
    assert caught.value.code == "issuer-not-there"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        with pytest.raises(IssuerError, match=r"within 0\.2 s") as caught:
            IssuerClient(tmp_path / "s", answer_s=0.2).revoke(ROOM)
    assert caught.value.code == "issuer-failed"


def test_without_a_socket_or_an_authority_it_is_one_sentence(tmp_path: Path) -> None:
    base = [program(), "issuer", "--audit", str(tmp_path / "a"), "--dir"]
    CertificateAuthority.create(tmp_path / "pki")
    for command, words in (
        ([*base, str(tmp_path / "pki")], "[args-invalid]"),
        ([*base, str(tmp_path / "none"), "--socket", str(tmp_path / "s")], "[pki-missing]"),
        ([*base, str(tmp_path / "pki"), "--socket", str(tmp_path / "none" / "s")], "[args-invalid]"),
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert words in done.stderr
