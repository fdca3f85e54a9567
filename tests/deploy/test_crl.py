"""A new revocation list on its way to the broker, as the unit takes it: root without any right of root's."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from controller.pki import CertificateAuthority
from tests.peers import need

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the unit runs as root")
ISSUER = 12_345
"""A uid that nobody has here."""


@pytest.fixture
def tray(tmp_path: Path) -> Path:
    """The tray with the owner, group and rights that tmpfiles.d gives it, beside the broker's folder."""
    (tmp_path / "mosquitto").mkdir(mode=0o750)
    folder = tmp_path / "tray"
    folder.mkdir()
    os.chown(folder, 0, ISSUER)
    folder.chmod(0o770)
    return folder


def install(deploy: Path, tray: Path) -> list[int]:
    """Carry out what the unit does with files, until a command fails; return the statuses."""
    done: list[int] = []
    for line in (deploy / "systemd/estrade-crl-install.service").read_text().splitlines():
        if line.startswith("ExecStart=") and not line.startswith("ExecStart=+") and not any(done):
            moved = line.removeprefix("ExecStart=").replace("/run/estrade-crl", str(tray))
            moved = moved.replace("/etc/estrade/mosquitto", str(tray.parent / "mosquitto"))
            as_unit = [need("setpriv", "util-linux"), "--bounding-set=-all", "--inh-caps=-all", *shlex.split(moved)]
            done.append(subprocess.run(as_unit, capture_output=True, check=False, umask=0o022).returncode)
    assert len(done) > 0
    return done


def put(tray: Path, content: bytes) -> None:
    new = tray / "crl.pem"
    new.write_bytes(content)
    os.chown(new, ISSUER, ISSUER)
    new.chmod(0o644)


def test_the_list_comes_from_the_tray_to_the_broker(deploy: Path, tray: Path, authority: CertificateAuthority) -> None:
    for _ in range(2):  # and again, over the last one
        authority.write_crl()
        put(tray, authority.crl_path.read_bytes())
        assert install(deploy, tray) == [0, 0, 0]
        assert not (tray / "crl.pem").exists(), "or the path would start the unit for ever"
        there = tray.parent / "mosquitto/crl.pem"
        assert there.read_bytes() == authority.crl_path.read_bytes()
        assert there.stat().st_mode & 0o777 == 0o644


def test_what_is_no_list_goes_no_further(deploy: Path, tray: Path, authority: CertificateAuthority) -> None:
    """Nor does a link to what only root may read."""
    authority.write_crl()
    put(tray, authority.crl_path.read_bytes())
    install(deploy, tray)
    put(tray, b"nonsense")
    assert any(install(deploy, tray))
    secret = tray.parent / "secret"
    secret.write_text("of root's")
    (tray / "crl.pem").symlink_to(secret)
    assert any(install(deploy, tray))
    there = tray.parent / "mosquitto"
    assert (there / "crl.pem").read_bytes() == authority.crl_path.read_bytes()
    assert not (tray / "crl.pem").is_symlink()
    assert all(b"of root" not in file.read_bytes() for file in there.iterdir())


@pytest.mark.parametrize("name", ["taken.pem", "crl.pem"])
def test_a_link_to_a_folder_leads_nowhere(deploy: Path, tray: Path, authority: CertificateAuthority, name: str) -> None:
    authority.write_crl()
    put(tray, authority.crl_path.read_bytes())
    install(deploy, tray)
    there = tray.parent / "mosquitto"
    put(tray, b"nonsense")
    (tray / name).unlink()
    (tray / name).symlink_to(there)
    assert any(install(deploy, tray))
    assert [file.name for file in there.iterdir()] == ["crl.pem"]
    assert (there / "crl.pem").read_bytes() == authority.crl_path.read_bytes()


def test_issuer_timer_and_path_mean_the_same_tray(deploy: Path) -> None:
    units = deploy / "systemd"
    assert "--crl-to /run/estrade-crl/crl.pem" in (units / "estrade-issuer.service").read_text()
    assert "--to /run/estrade-crl/crl.pem" in (units / "estrade-crl.service").read_text()
    assert "PathExists=/run/estrade-crl/crl.pem" in (units / "estrade-crl.path").read_text()
