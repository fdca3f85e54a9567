"""Which ICE servers an answer uses, and what the room says of them."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime

import pytest

from agent.streams import turn
from agent.streams.turn import Address, Reach
from protocol.messages import CheckStatus, IceServer

STUN = IceServer(urls=("stun:turn.example.org:3478",))
TURN = IceServer(
    urls=(
        "turns:turn.example.org:443?transport=tcp",
        "turn:turn.example.org:3478?transport=tcp",
        "turn:turn.example.org:3478",
    ),
    username="u",
    credential="c",
)
OK, WARNING, CRITICAL, UNKNOWN = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.CRITICAL, CheckStatus.UNKNOWN


class Network:
    """Servers that answer, refuse, or keep silent."""

    def __init__(self, **ways: BaseException | None) -> None:
        self.ways: dict[str, BaseException | None] = {"stun": None, "udp": None, "tcp": None, "tls": None, **ways}
        self.silent: set[str] = set()
        self.tried: list[str] = []

    async def attempt(self, address: Address) -> None:
        self.tried.append(address.way)
        if address.way in self.silent:
            await asyncio.Event().wait()
        error = self.ways[address.way]
        if error is not None:
            raise error


def _reach(network: Network) -> Reach:
    return Reach(attempt=network.attempt, now=lambda: datetime(2026, 11, 25, tzinfo=UTC))


async def _urls(reach: Reach, *servers: IceServer) -> list[str]:
    return [url for server in await reach.usable(servers) for url in server.urls]


def _statuses(reach: Reach) -> dict[str, CheckStatus]:
    return {check.id: check.status for check in reach.checks()}


NO = ConnectionRefusedError()


@pytest.mark.parametrize(
    ("closed", "url"),
    [
        ((), "turn:turn.example.org:3478"),
        (("udp",), "turn:turn.example.org:3478?transport=tcp"),
        (("udp", "tcp"), "turns:turn.example.org:443?transport=tcp"),
    ],
)
async def test_an_answer_uses_the_best_way_that_is_open(closed: tuple[str, ...], url: str) -> None:
    reach = _reach(Network(**dict.fromkeys(closed, NO)))
    await reach.look((STUN, TURN))
    assert await _urls(reach, STUN, TURN) == ["stun:turn.example.org:3478", url]
    (_, relay) = await reach.usable((STUN, TURN))
    assert (relay.username, relay.credential) == ("u", "c"), "the credentials are those of the offer"


async def test_servers_that_nobody_reaches_are_left_out() -> None:
    reach = _reach(Network(stun=TimeoutError(), udp=TimeoutError(), tcp=NO, tls=NO))
    await reach.look((STUN, TURN))
    assert await _urls(reach, STUN, TURN) == []
    assert reach.has_no_relay
    assert _statuses(reach) == {"turn": CRITICAL, "turn-udp": CRITICAL, "turn-tcp": CRITICAL, "turn-tls": CRITICAL}


async def test_each_way_is_told_and_the_worst_is_the_rooms() -> None:
    reach = _reach(Network(udp=TimeoutError(), tls=ssl.SSLCertVerificationError()))
    assert _statuses(reach) == {"turn": UNKNOWN}
    await reach.look((STUN, TURN))
    assert _statuses(reach) == {"turn": WARNING, "turn-udp": WARNING, "turn-tcp": OK, "turn-tls": WARNING}
    said = {check.id: check for check in reach.checks()}
    assert (said["turn"].message or turn._PORT).en == "The relay answers over TCP alone; the class goes that way."
    assert (said["turn-tls"].message or turn._PORT).fr == "Le serveur TURN montre un certificat refusé par TLS."
    assert all(said[id_].remedy for id_ in ("turn", "turn-udp", "turn-tls"))
    assert not reach.has_no_relay


async def test_an_address_with_a_port_that_there_is_none_of_is_told_like_others() -> None:
    """Sockets raise OverflowError for it, which would fell the agent at each start."""
    reach = Reach()
    await reach.look([IceServer(urls=("turn:127.0.0.1:347800",), username="u", credential="c")])
    assert _statuses(reach)["turn-udp"] is CRITICAL


async def test_a_school_without_turn_has_no_check_of_it() -> None:
    reach = _reach(Network())
    await reach.look((STUN,))
    assert reach.checks() == ()
    assert await _urls(reach, STUN) == ["stun:turn.example.org:3478"]


async def test_since_is_when_it_became_so() -> None:
    network = Network()
    hours = iter(range(24))
    reach = Reach(attempt=network.attempt, now=lambda: datetime(2026, 11, 25, next(hours), tzinfo=UTC))
    for error in (None, None, NO, NO):
        network.ways["tls"] = error
        await reach.look((TURN,))
    since = {check.id: check.since.hour for check in reach.checks()}
    assert since == {"turn": 3, "turn-udp": 1, "turn-tcp": 1, "turn-tls": 3}


async def test_an_offer_with_other_servers_asks_for_a_look_and_is_answered_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turn, "FIRST_MOST_S", 0.05)
    network, asked = Network(), asyncio.Event()
    network.silent = {"stun", "udp", "tls"}
    reach = _reach(network)
    reach.on_news = asked.set
    assert await _urls(reach, STUN, TURN) == ["stun:turn.example.org:3478", "turn:turn.example.org:3478"]
    assert asked.is_set()
    assert reach.given == (STUN, TURN)
    looking = asyncio.create_task(reach.look(reach.given))
    assert await _urls(reach, STUN, TURN) == ["turn:turn.example.org:3478?transport=tcp"], "what keeps silent costs 5 s"
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking


async def test_an_answer_without_its_relay_asks_for_a_look() -> None:
    reach, asked = _reach(Network()), asyncio.Event()
    await reach.look((TURN,))
    reach.on_news = asked.set
    servers = await reach.usable((TURN,))
    reach.answered(servers, "a=candidate:1 1 udp 1 203.0.113.11 50000 typ relay raddr 0.0.0.0 rport 9")
    reach.answered((STUN,), "a=candidate:1 1 udp 1 203.0.113.11 50000 typ host")
    assert not asked.is_set()
    reach.answered(servers, "a=candidate:1 1 udp 1 203.0.113.11 50000 typ host")
    assert asked.is_set()


def test_addresses_that_aiortc_cannot_use_are_no_way() -> None:
    odd = IceServer(urls=("stuns:a:1", "turns:a:1?transport=udp", "nonsense", "turn:a:1"))
    assert [address.url for address in turn.addresses((odd,))] == ["turn:a:1"]
