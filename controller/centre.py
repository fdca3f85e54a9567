"""Everything one running centre consists of, as the HTTP side sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from controller.accounts.oidc import OidcClient
from controller.accounts.second_step import SecondStep
from controller.accounts.sign_ins import SignIns
from controller.accounts.tokens import ApiTokens
from controller.audit import Audit
from controller.config import ControllerConfig
from controller.fleet import Fleet
from controller.hub import Hub
from controller.ice import IceServers
from controller.ingest import Ingest
from controller.keys import Keys
from controller.lessons import LessonBook
from controller.media_server import MediaServer
from controller.metrics import Metrics
from controller.screens import ScreenCodes
from controller.shares import Shares
from controller.signalling import Caller, Signalling
from controller.store.store import Store
from controller.throttle import FailureThrottle, RateThrottle
from controller.tickets import Tickets

SIGN_IN_CHECK_S = 30.0
"""A page of IT's that was opened before a new password, or that ran out, is told nothing more after this."""


def utc_now() -> datetime:
    return datetime.now(UTC)


ARRIVALS_AT_ONCE, ARRIVALS_EVERY_S = 150, 0.5
"""Three times the largest class behind one address at the same instant, and two a second after that."""


@dataclass(slots=True)
class Centre:
    """One centre's parts, wired. ``epoch`` names this run: an SSE cursor of another run is of no use."""

    config: ControllerConfig
    store: Store
    caller: Caller
    fleet: Fleet
    hub: Hub
    book: LessonBook
    tickets: Tickets
    screen_tickets: Tickets
    """Those of shared screens, which open nothing that a pupil's opens."""
    signalling: Signalling
    media_server: MediaServer
    ingest: Ingest
    shares: Shares
    screens: ScreenCodes
    sign_ins: SignIns
    second_step: SecondStep
    api_tokens: ApiTokens
    oidc: OidcClient | None
    """None where no provider is configured."""
    oidc_failures: FailureThrottle
    audit: Audit
    metrics: Metrics
    codes: FailureThrottle
    screen_guesses: FailureThrottle
    """Apart from pupils': who guesses at this door takes nothing from them."""
    offers: RateThrottle
    arrivals: RateThrottle
    """How often one address may come into one lesson: as a whole school does, and not as a program does."""
    epoch: str
    public_url: str
    sign_in_check_s: float = SIGN_IN_CHECK_S
    now: Callable[[], datetime] = field(default=utc_now)


def build(
    config: ControllerConfig,
    store: Store,
    caller: Caller,
    keys: Keys,
    *,
    public_url: str,
    sign_in_check_s: float = SIGN_IN_CHECK_S,
    mono: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = utc_now,
) -> Centre:
    """Wire a centre; nothing runs yet."""

    def seconds() -> float:
        return now().timestamp()

    hub = Hub()
    fleet = Fleet(mono, now, hub.room_changed)
    media_server = MediaServer(config.relay, keys)
    book = LessonBook(
        store,
        keys,
        fleet,
        public_url=public_url,
        now=now,
        mono=mono,
        on_change=hub.room_changed,
        on_removed=media_server.show_out,
    )
    ice = IceServers(config.ice, seconds)
    shares = Shares(config.state_dir / "shared", config.shares, public_url=public_url, now=now)
    screens = ScreenCodes(keys, book, public_url=public_url, mono=mono)
    ingest = Ingest(store, fleet, book, hub, ice, shares, screens, instance=config.instance, now=now, mono=mono)
    signalling = Signalling(caller, config.instance, fleet, book, keys, ice, media_server)
    second_step = SecondStep(store, keys, mono=mono, now=now, public_url=public_url)
    oidc = OidcClient(config.oidc, keys, public_url=public_url, mono=mono, now=now) if config.oidc else None
    return Centre(
        config=config,
        store=store,
        caller=caller,
        fleet=fleet,
        hub=hub,
        book=book,
        tickets=Tickets(keys, seconds),
        screen_tickets=Tickets(keys, seconds, kind="screen"),
        signalling=signalling,
        media_server=media_server,
        ingest=ingest,
        shares=shares,
        screens=screens,
        sign_ins=SignIns(store, second_step, mono=mono, now=now, on_sign_out=hub.signed_out),
        second_step=second_step,
        api_tokens=ApiTokens(store, now=now, on_revoke=hub.signed_out),
        oidc=oidc,
        oidc_failures=FailureThrottle(mono),
        audit=Audit(store, now=now),
        metrics=Metrics(fleet, hub, ingest, store),
        codes=FailureThrottle(mono),
        screen_guesses=FailureThrottle(mono),
        offers=RateThrottle(mono),
        arrivals=RateThrottle(mono, burst=ARRIVALS_AT_ONCE, every_s=ARRIVALS_EVERY_S),
        epoch=f"{int(seconds() * 1000):x}",
        public_url=public_url,
        sign_in_check_s=sign_in_check_s,
        now=now,
    )


async def parts(centre: Centre) -> dict[str, bool]:
    """Say of each part that the centre cannot be without whether it is there."""
    broker = centre.fleet.has_broker and centre.ingest.hears_events
    return {"broker": broker, "database": await centre.store.database.is_answering()}


async def load(centre: Centre) -> None:
    """Take up registered rooms and what they last said."""
    rooms = await centre.store.rooms.all()
    for room in rooms:
        centre.fleet.add(room.id, room.territory, room.name, room.school)
    for last in await centre.store.rooms.all_last():
        centre.fleet.restore(last.room, last.state, last.health, last.agent, last.heard_at)
    await centre.book.load(rooms)


async def reload_rooms(centre: Centre) -> None:
    """Take up rooms that were added or renamed in the database meanwhile."""
    for room in await centre.store.rooms.all():
        await centre.ingest.add_room(room)
