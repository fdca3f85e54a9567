"""A revoked room against a real broker: gone within seconds, and not back, whatever it tries."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from controller.evictions import MOST_AT_ONCE, Evictions
from controller.pki import LEAF_DAYS, CertificateAuthority
from mqttlink import Link, LinkSettings, Message, Presence, take_over
from protocol.errors import BrokerError, IssuerError
from protocol.messages import DeathReason, RoomStatus
from protocol.topics import RoomTopics
from tests.broker import Broker
from tests.waiting import until

ROOM = "0750001a-b12"
TOPICS = RoomTopics("075", ROOM)


def room_link(broker: Broker, settings: LinkSettings | None = None) -> Link:
    """A room's link as the agent has it: a kept session, and a will that waits."""
    settings = replace(settings or broker.room(ROOM), clean_start=False, session_expiry_s=300)

    def birth(sid: str) -> RoomStatus:
        return RoomStatus(online=True, sid=sid, at=datetime.now(UTC))

    def death(sid: str, reason: DeathReason) -> RoomStatus:
        return RoomStatus(online=False, sid=sid, reason=reason, at=datetime.now(UTC))

    link = Link(settings, Presence(TOPICS.status, birth, death, will_delay_s=10))

    async def nothing(message: Message) -> None:
        """A command that nobody carries out."""

    link.on_message(TOPICS.cmd("#"), nothing)
    return link


class Guard:
    """The guard with its ear at the broker, as a centre wires it."""

    def __init__(self, broker: Broker, issuer: CertificateAuthority) -> None:
        self.evicted: list[str] = []
        settings = broker.controller("centre-1")
        self.link = Link(settings)
        self.evictions = Evictions(
            issuer, replace(settings, client_id="", cert_file=None, key_file=None), on_evicted=self.evicted.append
        )
        self.link.on_message("estrade/v1/+/+/status", self._heard)

    async def _heard(self, message: Message) -> None:
        if not message.retain and RoomStatus.model_validate_json(message.payload).online:
            self.evictions.heard(message.topic.split("/")[3])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Guard]:
        async with self.link.running():
            guard = asyncio.create_task(self.evictions.run())
            try:
                await until(lambda: self.link.is_connected, "the guard hears the broker")
                yield self
            finally:
                guard.cancel()


def revoke(broker: Broker, room: str = ROOM) -> None:
    """Withdraw a room's certificates and have the broker read the list."""
    assert broker.authority is not None
    assert broker.authority.revoke(room) >= 1
    broker.reload_rights()


async def test_a_revoked_room_is_gone_within_ten_seconds_and_stays_away(broker: Broker) -> None:
    assert broker.authority is not None
    loop = asyncio.get_running_loop()
    room = room_link(broker)
    async with Guard(broker, broker.authority).running() as guard, room.running():
        await until(lambda: room.is_connected, "the room is there")
        began_s = loop.time()
        revoke(broker)
        guard.evictions.revoked(ROOM)
        await until(lambda: not room.is_connected, "the room is out")
        assert loop.time() - began_s < 10
        await until(lambda: guard.evicted == [ROOM], "the centre is told")
        await until(lambda: guard.evictions.evicted >= 2, "the second take-over")
        assert not room.is_connected
        assert room.last_error is not None
        assert room.last_error.code == "broker-certificate"


async def test_a_room_that_is_back_before_the_list_is_thrown_out_when_it_is_heard(broker: Broker) -> None:
    """The list is late, so every return succeeds: each ends two seconds after it was heard at the latest."""
    assert broker.authority is not None
    loop = asyncio.get_running_loop()
    room = room_link(broker)
    async with Guard(broker, broker.authority).running() as guard, room.running():
        await until(lambda: room.is_connected, "the room is there")
        guard.evictions.watch(ROOM)
        guard.evictions.heard(ROOM)
        gone_s: list[float] = []
        for _ in range(3):
            await until(lambda: not room.is_connected, "the room is out")
            gone_s.append(loop.time())
            await until(lambda: room.is_connected, "the room is back")
        times_s = [later - sooner for sooner, later in pairwise(gone_s)]
        assert min(times_s) > 1.9, "one in 2 s"
        assert max(times_s) < 4
        revoke(broker)
        await until(lambda: room.last_error and room.last_error.code == "broker-certificate", "it is refused")


async def test_nobody_else_is_touched_and_a_reinstated_room_is_left_alone(broker: Broker) -> None:
    assert broker.authority is not None
    other = Link(broker.room("0750001a-b13"))
    async with Guard(broker, broker.authority).running() as guard, other.running():
        await until(lambda: other.is_connected, "the other room is there")
        since = other.since
        revoke_first = broker.room(ROOM)
        revoke(broker)
        guard.evictions.revoked(ROOM)
        assert ROOM in guard.evictions
        await until(lambda: guard.evictions.evicted, "the first take-over")
        guard.evictions.reinstated(ROOM)
        assert ROOM not in guard.evictions
        again = room_link(broker, broker.room(ROOM))
        assert again.settings.cert_file == revoke_first.cert_file, "a new certificate at the same place"
        async with again.running():
            await until(lambda: again.is_connected, "the new certificate is taken")
            born_at = again.since
            guard.evictions.heard(ROOM)
            await asyncio.sleep(5)  # past the second take-over that the revocation had planned
            assert (again.is_connected, again.since) == (True, born_at)
        assert (other.is_connected, other.since) == (True, since)
        assert guard.evictions.evicted == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_ticket_of_before_opens_nothing(broker: Broker, version: ssl.TLSVersion) -> None:
    """It did until the list was read: with a ticket the broker asks for no certificate."""
    settings = broker.room(ROOM)
    assert settings.ca_file is not None
    assert settings.cert_file is not None
    context = ssl.create_default_context(cafile=settings.ca_file)
    context.load_cert_chain(settings.cert_file, settings.key_file)
    context.minimum_version = context.maximum_version = version

    def dial(ticket: ssl.SSLSession | None) -> tuple[bool, ssl.SSLSession | None]:
        with (
            socket.create_connection((broker.host, broker.port), 5) as plain,
            context.wrap_socket(plain, server_hostname=broker.host, session=ticket) as line,
        ):
            line.sendall(b"\x10\x10\x00\x04MQTT\x05\x02" + struct.pack("!H", 20) + b"\x00\x00\x03xyz")
            assert line.recv(100)[:1] == b"\x20"
            return bool(line.session_reused), line.session

    _, ticket = await asyncio.to_thread(dial, None)
    is_resumed, ticket = await asyncio.to_thread(dial, ticket)
    assert is_resumed, "without this there is nothing to be tried"
    reloads = broker.log_text.count("Reloading config")
    revoke(broker)
    await until(lambda: broker.log_text.count("Reloading config") > reloads, "the broker reads the list")
    with pytest.raises(
        OSError, match=r"certificate revoked|EOF|reset"
    ):  # a line is closed before its alert comes through
        await asyncio.to_thread(dial, ticket)
    await take_over(broker.room("0750001a-b13"))  # and the broker is there, for those who may


class _AwayOnce:
    """An issuer that does not run when it is asked first."""

    def __init__(self, authority: CertificateAuthority) -> None:
        self._authority = authority
        self.asked = 0

    def issue_from_csr(self, csr_pem: bytes, common_name: str, *, days: float = LEAF_DAYS) -> bytes:
        self.asked += 1
        if self.asked == 1:
            raise IssuerError("the issuer is not there", code="issuer-not-there")
        return self._authority.issue_from_csr(csr_pem, common_name, days=days)

    def revoke(self, common_name: str) -> int:
        return self._authority.revoke(common_name)


async def test_an_issuer_that_is_away_is_asked_again(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    assert broker.authority is not None
    issuer = _AwayOnce(broker.authority)
    evictions = Evictions(issuer, broker.controller("centre-1"))
    evictions.watch(ROOM)
    evictions.heard(ROOM)
    guard = asyncio.create_task(evictions.run())
    try:
        await until(lambda: evictions.evicted == 1, "the second try goes through")
    finally:
        guard.cancel()
    assert issuer.asked == 2
    assert [record.levelname for record in caplog.records if "could not be thrown out" in record.message] == ["WARNING"]


class _Counting:
    """An issuer that counts what it makes, and waits with it until it may."""

    def __init__(self, authority: CertificateAuthority) -> None:
        self._authority = authority
        self.asked: list[str] = []
        self.may = threading.Event()
        self.may.set()

    def issue_from_csr(self, csr_pem: bytes, common_name: str, *, days: float = LEAF_DAYS) -> bytes:
        self.asked.append(common_name)
        self.may.wait()
        return self._authority.issue_from_csr(csr_pem, common_name, days=days)

    def revoke(self, common_name: str) -> int:
        return self._authority.revoke(common_name)


@asynccontextmanager
async def at_nobody(tmp_path: Path) -> AsyncIterator[tuple[Evictions, _Counting]]:
    """The guard in front of a port where no broker is."""
    authority = CertificateAuthority.create(tmp_path / "pki")
    issuer = _Counting(authority)
    evictions = Evictions(issuer, LinkSettings("127.0.0.1", 1, "", ca_file=authority.ca_path))
    guard = asyncio.create_task(evictions.run())
    try:
        yield evictions, issuer
    finally:
        issuer.may.set()
        guard.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await guard


async def test_a_broker_that_is_away_costs_no_certificate_a_try(tmp_path: Path) -> None:
    """The issuer makes so many a day for all, those that enrol among them."""
    async with at_nobody(tmp_path) as (evictions, issuer):
        evictions.watch(ROOM)
        evictions.heard(ROOM)
        await until(lambda: evictions._revoked[ROOM].failures == 2, "the second try")
    assert issuer.asked == [ROOM]


async def test_a_full_disk_ends_no_guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    async with at_nobody(tmp_path) as (evictions, _):
        evictions.watch(ROOM)
        evictions.heard(ROOM)
        await until(lambda: evictions._revoked[ROOM].failures == 2, "the second try")


async def test_a_room_that_is_reinstated_while_it_waits_is_left_alone(tmp_path: Path) -> None:
    async with at_nobody(tmp_path) as (evictions, issuer):
        issuer.may.clear()
        first = [f"0750001a-b{number}" for number in range(20, 20 + MOST_AT_ONCE)]
        for room in (*first, ROOM):
            evictions.watch(room)
            evictions.heard(room)
        await until(lambda: len(issuer.asked) == MOST_AT_ONCE, "the first ones are at work")
        evictions.reinstated(ROOM)
        issuer.may.set()
        await until(lambda: all(evictions._revoked[room].failures for room in first), "their tries are over")
        await until(lambda: evictions._free._value == MOST_AT_ONCE, "nobody waits")
    assert ROOM not in issuer.asked


async def test_two_revocations_within_a_second_both_take(broker: Broker) -> None:
    """Whatever the broker does with a list of the same second as the last."""
    first, second = broker.room("0750001a-b21"), broker.room("0750001a-b22")
    revoke(broker, "0750001a-b21")
    revoke(broker, "0750001a-b22")
    for settings in (first, second):
        error = await until(partial(_refused, settings), "it is refused")
        assert error.code == "broker-certificate"


async def _refused(settings: LinkSettings) -> BrokerError | None:
    try:
        await take_over(settings)
    except BrokerError as error:
        return error
    return None


async def test_a_take_over_without_a_broker_is_told(tmp_path: Path) -> None:
    settings = LinkSettings("127.0.0.1", 1, "0750001a-b12")
    with pytest.raises(BrokerError) as caught:
        await take_over(settings, timeout_s=1)
    assert caught.value.code == "broker-unavailable"
