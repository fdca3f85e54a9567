"""The sending side of a room for one lesson: takes frames and sound, keeps viewers, and joins the two.

Everything here runs on the loop and returns at once; pixels and samples are worked on in the encoders' threads.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from agent.media import AudioBlock, Frame, FrameFilters
from agent.streams.clock import RoomClock
from agent.streams.encoders import Picture
from agent.streams.ladder import Choice, Layers
from agent.streams.layers import PictureTrackName, StreamSettings, TrackName
from agent.streams.load import Limits
from agent.streams.mixer import Mixed
from agent.streams.offers import read_offer
from agent.streams.pacing import Pacer
from agent.streams.preview import Previews
from agent.streams.programme import Programme
from agent.streams.recorder import RecordedTrack
from agent.streams.recorder_feeds import Recorders
from agent.streams.roster import Roster
from agent.streams.routes import Routes, ways
from agent.streams.track_health import TrackHealth, track_health
from agent.streams.tracks import RoomTracks
from agent.streams.viewer import ViewerChange, ViewerConnection, ViewerView
from agent.streams.viewer_feeds import ViewerFeeds
from agent.streams.warmup import warm_up
from protocol import channel
from protocol.errors import SignallingError
from protocol.messages import IceServer, OnAir

if TYPE_CHECKING:
    from agent.streams.relay import Relay

__all__ = ["Publisher", "StreamSettings", "TrackHealth", "ViewerChange", "ViewerView", "warm_up"]

log = logging.getLogger(__name__)

ANSWER_S = 10.0
"""For one answer: aioice gives up on a relay that does not answer after 5 s."""
MOST_OF_A_HOLDER = 3
"""Connections of one ticket: a page that comes back makes a new one beside the old, which ends by its silence."""
LOOK_S = 0.5
"""Between two looks at the viewers' lines: a browser says a few times a second what it could receive."""
Farewell = Literal["lesson-ended", "room-closing"]
CLOSE_ALL_S = 0.9
"""For all goodbyes together."""


class Publisher:
    """Sends one lesson. ``notice`` gives what viewers may know now; ``on_viewer`` hears who comes and goes.

    ``on_packet`` hears that a media packet left, as long as any sender of ours lives: also when this object has ended.
    ``on_message`` hears every message of a pupil's lesson channel, with the viewer's id; `send` answers.
    ``admits`` is told of each viewer that stands, with its holder, and says whether it gets media now; else it has its
    lesson channel alone until `admit`.
    ``on_programme`` hears every 20 ms of sound that leave, and whether the teacher lets them out.
    ``farewell`` says what viewers are told when it ends: a room that only falls has them come back.

    Make it on a running loop. ``filters`` are applied to the device's pictures, never to stand-ins. ``hardware`` is an
    encoder that `agent.streams.hardware` found to work here.
    """

    def __init__(
        self,
        settings: StreamSettings,
        *,
        notice: Callable[[], channel.Notice],
        on_viewer: Callable[[ViewerChange], None],
        on_packet: Callable[[], None] = lambda: None,
        on_message: Callable[[str, channel.FromPupil], None] = lambda viewer, message: None,
        admits: Callable[[str, str | None], bool] = lambda viewer, holder: True,
        on_programme: Callable[[Mixed, bool], None] = lambda block, is_open: None,
        farewell: Callable[[], Farewell] = lambda: "lesson-ended",
        filters: Mapping[str, FrameFilters] | None = None,
        hardware: str | None = None,
    ) -> None:
        self._settings = settings
        self._notice = notice
        self._on_viewer = on_viewer
        self._on_packet = on_packet
        self._on_message = on_message
        self._admits = admits
        self._on_programme = on_programme
        self._farewell = farewell
        self._told_all: channel.Notice | None = None
        """What `tell_viewers` said last, at no time."""
        self._on_air = OnAir()
        self._is_paused = self._is_frozen = False
        self._loop = asyncio.get_running_loop()
        self._fault: asyncio.Future[None] = self._loop.create_future()
        self._running = asyncio.Event()
        self._has_ended = False
        self._group: asyncio.TaskGroup | None = None
        self._feeds: dict[ViewerConnection, ViewerFeeds] = {}
        self._limits = Limits()
        self._roster = Roster()
        self.clock = RoomClock()
        self._pacer = Pacer(time.monotonic, self._loop.call_later)
        self._tracks = RoomTracks(settings, filters=filters, loop=self._loop, on_fault=self._failed, hardware=hardware)
        self._pictures = self._tracks.pictures
        self._recorders = Recorders(self._tracks, settings, self._loop.call_later)
        self._speaker: str | None = None
        """The holder who speaks."""
        self._programme = Programme(
            self.clock,
            settings.silence_after_s,
            on_block=self._sound_ready,
            call_at=self._call_at,
            now=time.monotonic,
        )
        self._routes = Routes(settings)
        self.relay = self._routes.relay = self._make_relay()
        self._previews = Previews(settings, self._pictures)

    # --- a lesson's life ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send until cancelled. On the way out viewers are told why and closed within a second."""
        try:
            async with asyncio.TaskGroup() as self._group:
                self._tracks.start()
                self._programme.start()
                self._running.set()
                self._group.create_task(self._reap(), name="streams: reap viewers")
                if self.relay is not None:
                    self._group.create_task(self.relay.run(), name="streams: relay")
                self._group.create_task(self._adapt(), name="streams: adapt to lines")
                try:
                    await self._fault
                finally:
                    self._has_ended = True
        finally:
            self._running.set()  # whoever waits to be let in hears that it is over
            await self._close_all()

    async def _close_all(self) -> None:
        viewers = list(self._roster)
        for viewer in viewers:
            self._forget(viewer)
        ended = channel.Ended(reason=self._farewell())
        try:
            async with asyncio.timeout(CLOSE_ALL_S):
                await asyncio.gather(*(viewer.close(ended) for viewer in viewers))
        except TimeoutError:
            log.warning("Viewers were not all closed in time", extra={"viewers": len(viewers)})
        self._programme.stop()
        self._tracks.stop()
        self._previews.close()
        await self._tracks.join(1.0)
        for viewer in viewers:
            self._tell_left(viewer, "lesson ended")

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now_s = time.monotonic()
            for viewer in tuple(self._roster):
                silent_s = viewer.silent_s(now_s)
                if viewer.is_admitted and silent_s > self._settings.viewer_silence_s:
                    self._gone(viewer, "silent")
                elif not viewer.is_connected and silent_s > self._settings.viewer_connect_s:
                    self._gone(viewer, "never connected")
            self._routes.look(ways(self._roster.one_of_each()))  # three connections of a pupil are no three pupils

    async def _adapt(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            share_bps = self._routes.share_bps()
            for connection, feeds in tuple(self._feeds.items()):
                try:
                    feeds.share(share_bps)
                    feeds.look()
                except Exception:  # of one viewer: the others' lesson goes on
                    log.exception("A viewer cannot be served", extra={"viewer": connection.id})
                    self._gone(connection, "failed")

    def encoding_load(self) -> tuple[float, float]:
        """Return the share of its time that the slowest encoder takes, and of pictures dropped since the last call."""
        return self._tracks.encoding_load()

    def limit(self, limits: Limits) -> None:
        """Say what the machine cannot afford now."""
        if limits != self._limits:
            self._limits = limits
            self._tracks.set_rate_share(limits.rate_share)
            for feeds in self._feeds.values():
                feeds.limit(limits.cameras, limits.boards)
            self._recorders.limit(limits.cameras, limits.boards)

    # --- what is sent ---------------------------------------------------------------------------------------------

    def push_frame(self, track: PictureTrackName, frame: Frame) -> None:
        """Take the newest picture of a device. Never blocks; of pictures that wait, the newest wins."""
        if not self._has_ended:
            self._pictures[track].push(frame)

    def push_shared(self, frame: Frame) -> None:
        """Take a picture that is shown in the board's place, without what is done to the board's own."""
        if not self._has_ended:
            self._pictures["board"].push(frame, is_shared=True)

    def push_sound(self, source: str, block: AudioBlock) -> None:
        """Take 20 ms of a named source: a microphone, `mixer.BOARD_SOUND` or `mixer.PUPIL`. Never blocks."""
        if not self._has_ended:
            self._programme.push(source, block)

    def hear(self, microphone: str) -> None:
        """Of several microphones that are pushed, send this one from now on; the one before fades into it."""
        if not self._has_ended:
            self._programme.hear(microphone)

    def set_away(self, track: PictureTrackName, is_away: bool) -> None:
        """Say that a picture device is lost: its stand-in is shown until it gives a picture again.

        A camera's silence is noticed without this; a board gives changed pictures only, so for it this is the only way.
        """
        if not self._has_ended:
            self._pictures[track].set_away(is_away)

    def set_on_air(self, on_air: OnAir, paused: bool) -> None:
        """Say what the teacher lets out; what is not let out is a stand-in or silence from now on."""
        if self._has_ended:
            return
        self._on_air, self._is_paused = on_air, paused
        self._programme.set_on_air(on_air.sound, paused)
        self._let_board_sound_out()
        self._pictures["camera"].set_on_air(on_air.camera, paused)
        self._pictures["board"].set_on_air(on_air.board, paused)

    def set_frozen(self, is_frozen: bool) -> None:
        """Keep the board's picture as it is, without its sound, or show the board again."""
        if not self._has_ended:
            self._is_frozen = is_frozen
            self._pictures["board"].set_frozen(is_frozen)
            self._let_board_sound_out()

    def _let_board_sound_out(self) -> None:
        """Let the board be heard while it is seen: what is prepared behind a frozen picture is not for pupils yet."""
        self._programme.set_board(self._on_air.board and not self._is_paused and not self._is_frozen)

    # --- recording ------------------------------------------------------------------------------------------------

    def record(self, tracks: Mapping[TrackName, RecordedTrack]) -> Callable[[], None]:
        """Give a recorder what pupils are sent, also while nobody watches; return the function that ends it."""
        return self._recorders.join(tracks)

    def board_shown(self) -> Picture | None:
        """Return the board's own picture as it is sent now; None while a stand-in is. Any thread."""
        board = self._pictures["board"]
        return board.shown if board.reason is None else None

    def set_speaker(self, holder: str | None) -> None:
        """Let what is pushed as `mixer.PUPIL` be heard by all but the pupil of this ticket; None: nobody speaks."""
        if self._has_ended or holder == self._speaker:
            return
        self._speaker = holder
        self._programme.set_pupil(holder is not None)
        for connection in self._feeds:
            self._look_who_speaks(connection)

    def _look_who_speaks(self, connection: ViewerConnection) -> None:
        is_speaking = self._speaker is not None and self._roster.holder(connection) == self._speaker
        self._feeds[connection].set_speaking(is_speaking)
        self._routes.set_speaking(connection, is_speaking)

    # --- viewers --------------------------------------------------------------------------------------------------

    async def accept(self, viewer: str, sdp: str, ice_servers: Sequence[IceServer], holder: str | None = None) -> str:
        """Return the complete answer to a viewer's offer. Of one ``holder`` the newest three connections stay.

        Raises SignallingError: ``offer-invalid``, ``offer-too-large``, ``no-common-codec``, ``viewer-limit``,
        ``room-timeout`` (a relay that does not answer), ``lesson-ended``, ``uplink-full``; ``viewer-not-found`` when it
        was closed meanwhile.
        """
        await self._running.wait()
        if self._has_ended:
            raise SignallingError("the lesson is over", code="lesson-ended")
        plan = read_offer(sdp, self._on_air)
        if viewer in self._roster.connections:
            await self.close_viewer(viewer, "replaced")
            if self._has_ended:
                raise SignallingError("the lesson ended meanwhile", code="lesson-ended")
        if holder is not None:
            self._make_place_of(holder)
        if len(self._roster.connections) >= self._settings.max_viewers:
            raise SignallingError(
                f"{self._settings.max_viewers} viewers are connected; this room takes no more",
                code="viewer-limit",
                retryable=True,
            )
        is_back = holder is not None and bool(self._roster.of(holder))
        self._routes.check(has_channel=plan.has_channel, is_back=is_back)
        connection = ViewerConnection(
            viewer,
            plan,
            self.clock,
            self._pacer,
            ice_servers,
            on_connected=self._connected,
            on_gone=self._gone,
            on_told=self._told,
            on_packet=self._on_packet,
            spawn=self._spawn,
        )
        self._roster.add(connection, holder)
        feeds = self._feeds[connection] = ViewerFeeds(
            self._tracks,
            Layers.of(self._settings, plan.tracks, plan.codec),
            call_later=self._loop.call_later,
            on_change=partial(self._sends_otherwise, connection),
            tile_line=connection.tiles if plan.has_channel else None,
            try_line=connection.try_line,
        )
        feeds.limit(self._limits.cameras, self._limits.boards)
        feeds.expect()
        try:
            try:
                async with asyncio.timeout(ANSWER_S):
                    answer = await connection.answer(self._tracks.levels())
            except SignallingError:  # also when it was closed meanwhile, and that is the reason to be told
                _check_still(connection)
                raise
            _check_still(connection)
            return answer
        except BaseException as error:
            if self._roster.has(connection):
                self._forget(connection)
            await connection.close(None)
            if self._has_ended and isinstance(error, SignallingError):
                raise SignallingError("the lesson ended meanwhile", code="lesson-ended") from error
            if isinstance(error, TimeoutError):
                raise SignallingError(
                    "the room found no way to the network in time", code="room-timeout", retryable=True
                ) from error
            raise

    async def add_candidates(self, viewer: str, candidates: Sequence[str], mid: str | None, is_last: bool) -> None:
        """Give ICE more addresses of a viewer. Raises SignallingError: ``viewer-not-found``, ``candidate-invalid``.

        ``is_last`` changes nothing: the viewer's own checks may still come from an address that is in no list.
        """
        await self._roster.known(viewer).add_candidates(candidates, mid)

    async def close_viewer(self, viewer: str, reason: str) -> None:
        """Let a viewer go. Raises SignallingError ``viewer-not-found``."""
        connection = self._roster.known(viewer)
        self._left(connection, reason)
        await connection.close(_last_word(reason))

    def show_out(self, viewer: str, reason: str) -> None:
        """Let a viewer go as `close_viewer` does, in a task. Raises SignallingError ``viewer-not-found``."""
        self._gone(self._roster.known(viewer), reason)

    def admit(self, viewer: str) -> None:
        """Give media to a viewer that knocked. Raises SignallingError ``viewer-not-found``."""
        connection = self._roster.known(viewer)
        if connection.is_connected and not connection.is_admitted:
            self._let_in(connection)

    def check_relay(self, holder: str) -> None:
        """Say whether a pupil may play from the media server. Raises SignallingError.

        ``relay-off``; ``viewer-not-found`` for a ticket without a connection here that was let in: who is not in class,
        or was shown out, gets nothing there either.
        """
        if self._routes.source != "media-server":
            raise SignallingError("nothing is published to a media server now", code="relay-off", retryable=True)
        if not any(one.is_admitted for one in self._roster.of(holder)):
            raise SignallingError("this ticket has no connection to the room", code="viewer-not-found")

    def tell_viewers(self) -> None:
        """Send the notice to everybody whose lesson channel is open, if it says more than that time passes."""
        notice = self._notice()
        told, self._told_all = self._told_all, notice.model_copy(update={"elapsed_s": 0.0})
        if told == self._told_all:
            return
        for connection in self._roster:
            connection.send(notice)

    def said_mono_s(self, viewer: str, rtp: int) -> float | None:
        """Return when was captured what a viewer plays of the sound at an RTP time; None when that cannot be known."""
        connection = self._roster.connections.get(viewer)
        if connection is None or self._feeds[connection].is_resting:  # a media server counts RTP time in its own way
            return None
        return connection.said_mono_s(rtp)

    def send(self, viewer: str, message: channel.FromRoom) -> None:
        """Say something to one viewer; nothing happens when it has left, or its lesson channel is not open."""
        connection = self._roster.connections.get(viewer)
        if connection is not None:
            connection.send(message)

    def force(self, viewer: str, choice: Choice | None) -> None:
        """Send a viewer this whatever its line does, for trials and measurements; None: what its adaptation chooses.

        Raises SignallingError ``viewer-not-found``.
        """
        self._feeds[self._roster.known(viewer)].force(choice)

    @property
    def connected(self) -> int:
        """How many pupils are in class; `viewers` has those too who are on their way or knock."""
        return len({self._roster.who(one) for one in self._roster if one.is_connected and one.is_admitted})

    def viewers(self) -> tuple[ViewerView, ...]:
        """Return everybody who is connected or connecting, once each, in the order in which they first came."""
        return self._roster.lines(
            (self._roster.who(one), replace(one.view(), sending=self._feeds[one].sending)) for one in self._roster
        )

    def viewers_of(self, holder: str) -> tuple[ViewerView, ...]:
        """Return every connection of one ticket, oldest first."""
        return tuple(one.view() for one in self._roster.of(holder))

    def _make_place_of(self, holder: str) -> None:
        mine = self._roster.of(holder)
        for connection in mine[: max(0, len(mine) + 1 - MOST_OF_A_HOLDER)]:
            self._gone(connection, "replaced")

    def _connected(self, connection: ViewerConnection) -> None:
        if self._admits(connection.id, self._roster.holder(connection)):
            self._let_in(connection)
            return
        self._feeds[connection].release()
        self._on_viewer(ViewerChange(connection.id, "changed"))

    def _let_in(self, connection: ViewerConnection) -> None:
        connection.is_admitted = True
        connection.admitted_mono_s = time.monotonic()
        feeds = self._feeds[connection]
        self._look_who_speaks(connection)
        self._routes.begin(connection, feeds)
        feeds.begin(connection.senders, connection.thin_bps)
        self._tell_sending(connection)
        self._roster.arrived(self._roster.who(connection), connection.joined_mono_s)
        self._on_viewer(ViewerChange(connection.id, "joined"))

    def _told(self, connection: ViewerConnection, message: channel.FromPupil) -> None:
        if isinstance(message, channel.Hello):
            connection.send(self._notice())
            self._tell_sending(connection)
        self._feeds[connection].told(message)
        self._routes.told(connection, message)
        self._on_message(connection.id, message)
        if isinstance(message, channel.Hello):
            self._on_viewer(ViewerChange(connection.id, "changed"))

    def _gone(self, connection: ViewerConnection, reason: str) -> None:
        if self._roster.has(connection) and not self._has_ended:
            self._left(connection, reason)
            self._spawn(connection.close(_last_word(reason)), f"close viewer {connection.id}")

    def _left(self, connection: ViewerConnection, reason: str) -> None:
        self._forget(connection)
        self._tell_left(connection, reason)

    def _tell_left(self, connection: ViewerConnection, reason: str) -> None:
        stayed_s = time.monotonic() - connection.joined_mono_s
        log.info("Viewer left", extra={"viewer": connection.id, "reason": reason, "stayed_s": round(stayed_s, 1)})
        if connection.is_admitted:
            self._on_viewer(ViewerChange(connection.id, "left", reason, stayed_s))
        else:
            self._on_viewer(ViewerChange(connection.id, "changed", reason))

    def _forget(self, connection: ViewerConnection) -> None:
        connection.ended = True
        self._roster.remove(connection)
        self._routes.end(connection)
        self._feeds.pop(connection).close()

    def _sends_otherwise(self, connection: ViewerConnection) -> None:
        self._tell_sending(connection)
        self._on_viewer(ViewerChange(connection.id, "changed"))

    def _tell_sending(self, connection: ViewerConnection) -> None:
        sent = self._feeds[connection].sent
        if sent is not None:
            connection.send(channel.Sending(sound=sent.sound, board=sent.board, camera=sent.camera, why=sent.why))

    # --- what the panel looks at ----------------------------------------------------------------------------------

    def tracks(self) -> dict[str, TrackHealth]:
        """Return how each track does: ``sound``, ``board``, ``camera``."""
        return track_health(self._tracks, self._programme)

    def preview(self, track: PictureTrackName) -> bytes | None:
        """Return a small JPEG of what is sent, at most some hundred ms old while asked for often; None at first."""
        return None if self._has_ended else self._previews.jpeg(track)

    def newest_frame(self, track: PictureTrackName) -> Frame | None:
        """Return the device's last picture, not filtered, while it gives any; for eyes in the room alone."""
        picture = self._pictures[track]
        return None if self._has_ended or picture.is_away else picture.newest

    def level(self) -> tuple[float, float]:
        """Return RMS and peak, in dBFS, of the last 100 ms of what the room says; silence is -120."""
        return self._programme.level()

    # --- joints ---------------------------------------------------------------------------------------------------

    def _make_relay(self) -> Relay | None:
        settings = self._settings.relay
        if settings is None:
            return None
        from agent.streams.relay import Relay  # with an HTTP client that no other room needs

        return Relay(
            settings,
            self._tracks.best,
            self.clock,
            on_packet=self._on_packet,
            on_change=self._relay_changed,
        )

    def _relay_changed(self) -> None:
        if not self._has_ended:  # at the end nobody is sent anything any more
            self._routes.relay_changed()

    def _sound_ready(self, block: Mixed, is_open: bool) -> None:
        self._on_programme(block, is_open)
        self._tracks.push_sound(block)

    def _failed(self, error: BaseException) -> None:
        if not self._fault.done():
            self._fault.set_exception(error)

    def _call_at(self, mono_s: float, function: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_later(max(0.0, mono_s - time.monotonic()), function)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        if self._has_ended:
            work.close()
        else:
            assert self._group is not None, "viewers are accepted only while we run"
            self._group.create_task(work, name=name)


def _check_still(connection: ViewerConnection) -> None:
    """Raise SignallingError ``viewer-not-found`` for one that was closed: nothing of ours is behind it any more."""
    if connection.ended:
        raise SignallingError("the connection was closed meanwhile", code="viewer-not-found")


def _last_word(reason: str) -> channel.Ended | None:
    """Return what a page is told before its connection closes; None: it goes by itself, or comes back."""
    match reason:
        case "removed" | "refused" | "misused":
            return channel.Ended(reason=reason)
        case _:
            return None
