"""Fixtures that several folders need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.pki import CertificateAuthority
from tests.broker import Broker
from tests.oidc_provider import OidcProvider
from tests.postgres import Postgres


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """A certificate authority for the whole run; its certificates may be issued as often as a test likes."""
    return CertificateAuthority.create(tmp_path_factory.mktemp("pki") / "pki")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL for the whole run."""
    server = Postgres()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def oidc_provider() -> Iterator[OidcProvider]:
    """An OpenID provider for the whole run; it is there in a third of a second."""
    provider = OidcProvider()
    provider.start()
    yield provider
    provider.stop()


@pytest.fixture
def broker(tmp_path: Path, authority: CertificateAuthority) -> Iterator[Broker]:
    """A mosquitto with TLS, certificates and rights as in production."""
    yield from _running(Broker(tmp_path / "broker", authority))


@pytest.fixture
def plain_broker(tmp_path: Path) -> Iterator[Broker]:
    """A mosquitto that takes anybody over plain TCP."""
    yield from _running(Broker(tmp_path / "broker"))


def _running(broker: Broker) -> Iterator[Broker]:
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
