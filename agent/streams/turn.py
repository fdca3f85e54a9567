"""Which ICE servers this room reaches: tried before a pupil depends on them, and one TURN address chosen for an answer.

aiortc asks one STUN and one TURN server and waits 5 s for one that does not answer, so a network that drops UDP would
cost every pupil these 5 s and then the relay. The pupil's browser gets all addresses and tries them by itself.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from aioice import stun, turn
from aiortc.rtcicetransport import parse_stun_turn_uri

from protocol.messages import Check, CheckStatus, IceServer, Text

log = logging.getLogger(__name__)

Way = Literal["stun", "udp", "tcp", "tls"]

TRY_S = 5.0
"""As long as aioice would wait for it in an answer."""
FIRST_MOST_S = 1.0
"""An offer waits so long for the first try of servers that nothing is known of; a reachable one answers sooner."""
BETTER_MOST_S = 0.2
"""A better way than one that gave a relay is waited for no longer: UDP takes fewer round trips than TCP and TLS."""
GIVE_BACK_S = 1.0
"""For giving a relay back; one that is not given back ends by itself after `LIFETIME_S`."""
LIFETIME_S = 60

TURN_WAYS: tuple[Way, ...] = ("udp", "tcp", "tls")
"""Best first: media over TCP stop for every lost packet, and TLS adds a handshake."""


@dataclass(frozen=True, slots=True)
class Address:
    """One URL of an ICE server with what it takes to use it."""

    way: Way
    url: str
    host: str
    port: int
    username: str | None = None
    credential: str | None = None


def addresses(servers: Sequence[IceServer]) -> tuple[Address, ...]:
    """Return those addresses that aiortc could use, in the order given."""
    found = []
    for server in servers:
        for url in server.urls:
            try:
                read = parse_stun_turn_uri(url)
            except ValueError:
                continue
            way = _WAYS.get((read["scheme"], read.get("transport")))
            if way is not None:
                found.append(Address(way, url, read["host"], read["port"], server.username, server.credential))
    return tuple(found)


_WAYS: Mapping[tuple[str, str | None], Way] = {
    ("stun", None): "stun",
    ("turn", "udp"): "udp",
    ("turn", "tcp"): "tcp",
    ("turns", "tcp"): "tls",
}


# --- trying one -------------------------------------------------------------------------------------------------------


async def try_address(address: Address) -> None:
    """Get a relay from a TURN server and give it back; from a STUN server, our address as it sees it.

    Raises OSError or aioice's TransactionError, and waits for a silent one until it is cancelled.
    """
    if address.way == "stun":
        await _bind(address)
        return
    transport, relay = await turn.create_turn_endpoint(
        _Relay,
        server_addr=(address.host, address.port),
        username=address.username,
        password=address.credential,
        lifetime=LIFETIME_S,
        ssl=address.way == "tls",
        transport="udp" if address.way == "udp" else "tcp",
    )
    transport.close()
    await asyncio.wait({relay.lost}, timeout=GIVE_BACK_S)


class _Relay(asyncio.DatagramProtocol):
    """Nothing is relayed to it."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)


class _Answer(asyncio.DatagramProtocol):
    """The answer to a binding request."""

    def __init__(self) -> None:
        self.came: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        with suppress(ValueError):
            stun.parse_message(data)
            if not self.came.done():
                self.came.set_result(None)

    def error_received(self, exc: Exception) -> None:
        if not self.came.done():
            self.came.set_exception(exc)


async def _bind(address: Address) -> None:
    loop = asyncio.get_running_loop()
    transport, answer = await loop.create_datagram_endpoint(_Answer, remote_addr=(address.host, address.port))
    request = bytes(stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST))
    try:
        while not answer.came.done():  # RFC 8489 §6.2.1; the caller ends it
            transport.sendto(request)
            await asyncio.wait({answer.came}, timeout=0.5)
        answer.came.result()
    finally:
        transport.close()


def why(error: BaseException) -> str:
    """Return in a word what is wrong with a server: one of `_REASONS`."""
    if isinstance(error, stun.TransactionFailed):
        return "refused" if error.response.error_code in (401, 403, 441) else "busy"
    if isinstance(error, stun.TransactionError | TimeoutError):
        return "silent"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate"
    if isinstance(error, ssl.SSLError):
        return "closed"
    return "closed" if isinstance(error, ConnectionError) else "unreachable"


# --- what is known ----------------------------------------------------------------------------------------------------


class Reach:
    """What this room knows of its ICE servers, by URL.

    ``on_news`` hears of servers that were never tried, or that failed an answer: the owner then calls `look`.
    """

    def __init__(
        self,
        *,
        on_news: Callable[[], None] = lambda: None,
        attempt: Callable[[Address], Awaitable[None]] = try_address,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.on_news = on_news
        self.given: tuple[IceServer, ...] | None = None
        """Servers that came with an offer and differ from those that were tried; the next look takes these."""
        self._attempt = attempt
        self._now = now
        self._known: tuple[Address, ...] | None = None
        self._outcomes: dict[str, str] = {}
        """What came of the last try: nothing for one that succeeded, else a word of `_REASONS`."""
        self._trying: set[str] = set()
        self._changed = asyncio.Event()
        self._checks: tuple[Check, ...] = ()
        self._judge()

    @property
    def has_no_relay(self) -> bool:
        """Whether there are TURN servers and none of them gave a relay."""
        relays = [a for a in self._known or () if a.way != "stun"]
        return bool(relays) and not any(self._outcomes.get(a.url) == "" for a in relays)

    async def look(self, servers: Sequence[IceServer]) -> None:
        """Try all servers beside each other, each for `TRY_S` at most; what is known of them stands meanwhile."""
        self.given = None
        self._known = addresses(servers)
        urls = {address.url for address in self._known}
        self._outcomes = {url: outcome for url, outcome in self._outcomes.items() if url in urls}
        async with asyncio.TaskGroup() as tasks:
            for address in self._known:
                tasks.create_task(self._try(address), name=f"try {address.way}")
        self._judge()

    async def usable(self, servers: Sequence[IceServer]) -> tuple[IceServer, ...]:
        """Return what an answer shall use of ``servers``: STUN that answers, and the best one TURN address.

        One that nothing is known of yet is waited for, `FIRST_MOST_S` at most, and then believed in.
        """
        offered = addresses(servers)
        if {a.url for a in offered} != {a.url for a in self._known or ()}:
            self.given = tuple(servers)
            self.on_news()
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_MOST_S) as limit:
                while not self._is_decided(offered):
                    if self._is_any_relay(offered):
                        end_s = asyncio.get_running_loop().time() + BETTER_MOST_S
                        limit.reschedule(min(end_s, limit.when() or end_s))
                    self._changed.clear()
                    await self._changed.wait()
        chosen = [a for a in offered if a.way == "stun" and self._believes(a)][:1]
        relay = self._relay(offered)
        if relay is not None:
            chosen.append(relay)
        return tuple(IceServer(urls=(a.url,), username=a.username, credential=a.credential) for a in chosen)

    def answered(self, servers: Sequence[IceServer], sdp: str) -> None:
        """Hear how an answer came out: without the relay that it should have, the servers are to be tried again."""
        if any(a.way != "stun" for a in addresses(servers)) and " typ relay" not in sdp:
            log.warning("A TURN server that answered before gives no relay now")
            self.on_news()

    def checks(self) -> tuple[Check, ...]:
        """Return ``turn``, all ways together, then ``turn-udp``, ``turn-tcp``, ``turn-tls`` as far as there are any."""
        return self._checks

    def _is_decided(self, offered: Sequence[Address]) -> bool:
        """Whether waiting would change nothing: the best way answered, or all were tried, or a worse one and time."""
        relays = [a for a in offered if a.way != "stun"]
        best = next((way for way in TURN_WAYS if any(a.way == way for a in relays)), None)
        return all(a.url in self._outcomes for a in offered) or (
            all(a.url in self._outcomes for a in offered if a.way == "stun")
            and any(self._outcomes.get(a.url) == "" for a in relays if a.way == best)
        )

    def _is_any_relay(self, offered: Sequence[Address]) -> bool:
        return any(self._outcomes.get(a.url) == "" for a in offered if a.way != "stun")

    def _believes(self, address: Address) -> bool:
        """Whether it answered, or was never asked; one that keeps silent just now would hold up the answer for 5 s."""
        return self._outcomes.get(address.url, "") == "" and (
            address.url in self._outcomes or address.url not in self._trying
        )

    def _relay(self, offered: Sequence[Address]) -> Address | None:
        relays = sorted((a for a in offered if a.way != "stun"), key=lambda a: TURN_WAYS.index(a.way))
        reached = [a for a in relays if self._outcomes.get(a.url) == ""]
        untried = [a for a in relays if a.url not in self._outcomes]
        return next(iter(reached or untried), None)

    async def _try(self, address: Address) -> None:
        outcome = ""
        self._trying.add(address.url)
        try:
            async with asyncio.timeout(TRY_S):
                await self._attempt(address)
        except (OSError, ValueError, OverflowError, stun.TransactionError) as error:  # no name (IDNA), no port
            outcome = why(error)
        finally:
            self._trying.discard(address.url)
        if self._outcomes.get(address.url) != outcome:
            level = logging.WARNING if outcome else logging.INFO
            log.log(level, "An ICE server was tried", extra={"way": address.way, "outcome": outcome or "ok"})
        self._outcomes[address.url] = outcome
        self._changed.set()

    # --- what it says of itself ---------------------------------------------------------------------------------------

    def _judge(self) -> None:
        found: list[_Verdict]
        if self._known is None:
            found = [("turn", CheckStatus.UNKNOWN, _UNTRIED, None)]
        else:
            outcomes = {
                way: sorted(self._outcomes[a.url] for a in self._known if a.way == way)[0]  # "": one of them is open
                for way in TURN_WAYS
                if any(a.way == way for a in self._known)
            }
            found = _verdicts(outcomes)
        before = {check.id: check for check in self._checks}
        now = self._now()
        self._checks = tuple(
            Check(
                id=id_,
                status=status,
                since=before[id_].since if id_ in before and before[id_].status is status else now,
                message=message,
                remedy=remedy,
            )
            for id_, status, message, remedy in found
        )


_Verdict = tuple[str, CheckStatus, Text | None, Text | None]

_NAMES: Mapping[str, str] = {"udp": "UDP", "tcp": "TCP", "tls": "TLS"}
_UNTRIED = Text(
    fr="Le serveur TURN n’a pas encore été essayé ; le centre n’a pas encore dit lequel c’est.",
    en="The TURN server was not tried yet; the centre has not said which one it is.",
)
_REASONS: Mapping[str, tuple[str, str]] = {
    "silent": ("ne répond pas", "does not answer"),
    "closed": ("refuse la connexion", "refuses the connection"),
    "unreachable": ("est introuvable depuis ce réseau", "cannot be found from this network"),
    "certificate": ("montre un certificat refusé", "shows a certificate that is not trusted"),
    "refused": ("refuse les identifiants de la salle", "refuses the room's credentials"),
    "busy": ("ne donne pas de relais", "gives no relay"),
}
_PORT = Text(
    fr="Ouvrez ce chemin dans le pare-feu de l’école, ou vérifiez que coturn est en marche.",
    en="Open this way in the school's firewall, or see that coturn runs.",
)
_REMEDIES: Mapping[str, Text] = {
    "certificate": Text(
        fr="Renouvelez le certificat de coturn ; un pare-feu qui ouvre le TLS doit excepter ce serveur.",
        en="Renew coturn's certificate; a firewall that opens TLS has to except this server.",
    ),
    "refused": Text(
        fr="Comparez le secret et l’horloge du centre avec ceux de coturn.",
        en="Compare the centre's secret and clock with coturn's.",
    ),
    "busy": Text(
        fr="Regardez dans le journal de coturn quelle limite est atteinte.",
        en="See in coturn's log which limit is reached.",
    ),
}


def _verdicts(outcomes: Mapping[Way, str]) -> list[_Verdict]:
    """Judge all ways by what came of each. A closed one is grave only where none is open: many schools drop UDP."""
    if not outcomes:
        return []
    open_ways = [_NAMES[way] for way, outcome in outcomes.items() if not outcome]
    closed = CheckStatus.WARNING if open_ways else CheckStatus.CRITICAL
    found: list[_Verdict] = []
    if len(open_ways) == len(outcomes):
        found.append(("turn", CheckStatus.OK, None, None))
    elif open_ways:
        fr, en = " et ".join(open_ways), " and ".join(open_ways)
        message = Text(
            fr=f"Le relais ne répond que par {fr} ; la classe passe par là.",
            en=f"The relay answers over {en} alone; the class goes that way.",
        )
        found.append(("turn", closed, message, _PORT))
    else:
        message = Text(
            fr="Aucun relais n’est joignable : des élèves hors de l’école peuvent rester dehors.",
            en="No relay can be reached: pupils outside the school may stay outside.",
        )
        found.append(("turn", closed, message, _PORT))
    return found + [_verdict(way, outcome, closed) for way, outcome in outcomes.items()]


def _verdict(way: Way, outcome: str, closed: CheckStatus) -> _Verdict:
    if not outcome:
        return (f"turn-{way}", CheckStatus.OK, None, None)
    fr, en = _REASONS[outcome]
    message = Text(fr=f"Le serveur TURN {fr} par {_NAMES[way]}.", en=f"The TURN server {en} over {_NAMES[way]}.")
    return (f"turn-{way}", closed, message, _REMEDIES.get(outcome, _PORT))
