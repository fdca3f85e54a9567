"""WHEP and WHIP on one side, commands to the room on the other: offers, candidates, leaving.

No memory of viewers is needed here: a viewer's id tells whose it is (`controller.keys.Keys.viewer`), so another
controller, or this one after a restart, can serve the rest of the connection.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ValidationError

from controller import sdp
from controller.fleet import Fleet
from controller.ice import IceServers
from controller.keys import Keys
from controller.lessons import LessonBook
from controller.media_server import MediaServer, Played, Stream, is_played
from protocol.errors import AccessError, BrokerError, EstradeError, LessonError, SignallingError
from protocol.messages import Args, IceServer, RtcAnswer, RtcCandidate, RtcClose, RtcOffer, RtcPublish, RtcRelay
from protocol.topics import RoomTopics, controller_reply

OFFER_TIMEOUT_S = 10.0
"""A dead TURN server costs the room 5.0 s of gathering (measured); the very first peer about 1 s."""
UNSEEN_TIMEOUT_S = 3.0
"""For a room that has not spoken since our own line is back: it may be gone, and the page asks again anyway."""
SHORT_TIMEOUT_S = 5.0
"""Candidates and leaving: the room only hands them on."""
STARTING_RETRY_S = 1.0
_MOST_FRAGMENTS = 20_000


class Caller(Protocol):
    """The part of `mqttlink.Link` that signalling needs."""

    async def call(self, topic: str, args: BaseModel, *, reply_topic: str, timeout_s: float) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Holder:
    """Who asks: the holder of a ticket, or of a standing link, which a class shares (then ``jti`` is the link's).

    ``sends`` is what such a ticket may send, if the room takes it.
    """

    room: str
    lesson: str
    jti: str
    has_ticket: bool = True
    sends: Literal["voice", "shared"] = "voice"


@dataclass(frozen=True, slots=True)
class Answered:
    """A viewer that the room has taken."""

    viewer: str
    sdp: str
    ice_servers: tuple[IceServer, ...]


class Signalling:
    """WHEP ↔ MQTT for every room of this centre."""

    def __init__(
        self,
        caller: Caller,
        instance: str,
        fleet: Fleet,
        book: LessonBook,
        keys: Keys,
        ice: IceServers,
        media_server: MediaServer,
    ) -> None:
        self._caller = caller
        self._instance = instance
        self._fleet = fleet
        self._book = book
        self._keys = keys
        self._ice = ice
        self._media_server = media_server
        self._fragments: OrderedDict[str, str] = OrderedDict()

    async def offer(self, holder: Holder, body: bytes) -> Answered:
        """Have the room answer an offer.

        Raises SignallingError for the offer, LessonError ``lesson-not-started`` or ``lesson-ended``, EstradeError
        ``room-offline`` at once when it is known to be away, and the room's own codes.
        """
        return await self._exchange(holder, body, self._offered)

    async def publish(self, holder: Holder, body: bytes) -> Answered:
        """Have the room answer an offer to send to it. Raises as `offer`; whether it may is for the room to say."""
        return await self._exchange(holder, body, self._published)

    def _offered(self, holder: Holder, viewer: str, text: str) -> tuple[str, Args]:
        marked = self._keys.holder(holder.room, holder.jti) if holder.has_ticket else None
        return "rtc.offer", RtcOffer(viewer=viewer, sdp=text, ice_servers=self._room_servers(holder), holder=marked)

    def _published(self, holder: Holder, viewer: str, text: str) -> tuple[str, Args]:
        marked = self._keys.holder(holder.room, holder.jti)
        servers = self._room_servers(holder)
        return "rtc.publish", RtcPublish(viewer=viewer, sdp=text, ice_servers=servers, holder=marked, what=holder.sends)

    def _room_servers(self, holder: Holder) -> tuple[IceServer, ...]:
        # coturn counts relays by subject: under one name, a room's 13th pupil would get none
        return self._ice.for_subject(f"{holder.room}.{secrets.token_hex(4)}")

    async def _exchange(
        self, holder: Holder, body: bytes, command: Callable[[Holder, str, str], tuple[str, Args]]
    ) -> Answered:
        text = sdp.check_offer(body)
        self._check_lesson(holder)
        viewer = self._keys.viewer(holder.room, holder.jti)
        name, args = command(holder, viewer, text)
        timeout_s = OFFER_TIMEOUT_S if self._fleet.is_online(holder.room) else UNSEEN_TIMEOUT_S
        result = await self._call(holder.room, name, args, timeout_s)
        try:
            answer = RtcAnswer.model_validate(result)
        except ValidationError as error:
            raise SignallingError("the room's answer is not one; its log says more", code="command-failed") from error
        fragment = sdp.username_fragment(text)
        if fragment is not None:
            self._fragments[viewer] = fragment
            while len(self._fragments) > _MOST_FRAGMENTS:
                self._fragments.popitem(last=False)
        return Answered(viewer, answer.sdp, self._ice.for_subject(holder.jti))

    async def play(self, holder: Holder, stream: Stream, body: bytes) -> Played:
        """Have the media server answer an offer for one stream of the lesson, if the room says that the pupil may.

        Raises as `offer` does; ``relay-off`` when the room publishes nothing, and what `MediaServer.offer` raises.
        """
        text = sdp.check_offer(body)
        self._check_lesson(holder)
        if not holder.has_ticket:
            raise AccessError("a player that knows a link alone is sent to by the room", code="viewer-not-found")
        args = RtcRelay(holder=self._keys.holder(holder.room, holder.jti))
        await self._call(holder.room, "rtc.relay", args, SHORT_TIMEOUT_S)
        return await self._media_server.offer(holder.room, holder.jti, stream, text)

    async def candidates(self, holder: Holder, viewer: str, body: bytes, if_match: str | None = None) -> None:
        """Hand a pupil's candidates to the room; ``ice-restart-unsupported`` for those of another ICE session."""
        if is_played(viewer):
            sdp.read_fragment(body)
            await self._media_server.candidates(holder.room, holder.jti, viewer, body.decode(), if_match)
            return
        self._check_viewer(holder, viewer)
        fragment, parts = sdp.read_fragment(body)
        known = self._fragments.get(viewer)
        if fragment is not None and known is not None and fragment != known:
            raise SignallingError(
                "an ICE restart is not possible; make a new connection", code="ice-restart-unsupported"
            )
        for part in parts:
            args = RtcCandidate(viewer=viewer, candidates=part.candidates, mid=part.mid, is_last=part.is_last)
            await self._call(holder.room, "rtc.candidate", args, SHORT_TIMEOUT_S)

    async def close(self, holder: Holder, viewer: str) -> None:
        """Have the room let a viewer go. One that is gone already is no error: the wish is fulfilled."""
        if is_played(viewer):
            await self._media_server.end(holder.room, holder.jti, viewer)
            return
        self._check_viewer(holder, viewer)
        self._fragments.pop(viewer, None)
        try:
            await self._call(holder.room, "rtc.close", RtcClose(viewer=viewer), SHORT_TIMEOUT_S)
        except EstradeError as error:
            if error.code not in ("viewer-not-found", "room-offline", "lesson-not-started", "lesson-ended"):
                raise

    def ice_servers(self, subject: str, until: float) -> tuple[IceServer, ...]:
        """Return the servers for a ticket; they hold as long as it does, through all of its lesson."""
        return self._ice.for_subject(subject, until=until)

    def _check_lesson(self, holder: Holder) -> None:
        view = self._book.view(holder.lesson, holder.room)
        if view.phase == "ended":
            raise LessonError("the lesson of this ticket is over", code="lesson-ended")
        if not self._fleet.has_broker:
            raise BrokerError("the centre cannot reach its broker at the moment; try again", retry_after_s=2.0)
        if not self._fleet.is_reachable(holder.room):
            raise LessonError("the room is switched off or cannot be reached", code="room-offline", retryable=True)
        if view.phase == "waiting":
            raise LessonError(
                "the lesson has not begun; connect when it does", code="lesson-not-started", retryable=True
            )

    def _check_viewer(self, holder: Holder, viewer: str) -> None:
        if not self._keys.is_viewer_of(viewer, holder.room, holder.jti):
            raise AccessError("this ticket has no such connection", code="viewer-not-found")

    async def _call(self, room: str, name: str, args: BaseModel, timeout_s: float) -> dict[str, Any]:
        topic = RoomTopics(self._fleet.territory(room), room).cmd(name)
        try:
            result = await self._caller.call(
                topic, args, reply_topic=controller_reply(self._instance, room), timeout_s=timeout_s
            )
        except EstradeError as error:
            if error.code == "starting" and error.retry_after_s is None:
                error.retry_after_s = STARTING_RETRY_S
            raise
        self._fleet.hear(room)
        return result
