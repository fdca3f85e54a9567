"""The sending side of a room for one lesson: takes frames and sound, keeps viewers, and joins the two.

Everything here runs on the loop and returns at once; pixels and samples are worked on in the encoders' threads.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from agent.media import AudioBlock, Frame, FrameFilters
from agent.streams.clock import RoomClock
from agent.streams.encoders import EncodedFrame, SoundEncoder, VideoEncoder
from agent.streams.fanout import Fan, Subscription
from agent.streams.layers import PictureTrackName, StreamSettings, TrackName
from agent.streams.offers import read_offer
from agent.streams.picture_track import Encoding, PictureTrack, StandInReason
from agent.streams.preview import Preview
from agent.streams.programme import Programme
from agent.streams.roster import Roster
from agent.streams.standin import StandIns
from agent.streams.viewer import ViewerChange, ViewerConnection, ViewerView
from agent.streams.warmup import warm_up
from protocol import channel
from protocol.errors import SignallingError
from protocol.messages import IceServer, OnAir

__all__ = ["Publisher", "StreamSettings", "TrackHealth", "ViewerChange", "ViewerView", "warm_up"]

log = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_S = 10.0
"""For one answer: aioice gives up on a relay that does not answer after 5 s."""
MOST_OF_A_HOLDER = 3
"""Connections of one ticket: a page that comes back makes a new one beside the old, which ends by its silence."""
CLOSE_ALL_S = 0.9
"""For all goodbyes together."""
PICTURE_BACKLOG, SOUND_BACKLOG = 15, 25
"""Half a second of camera, half a second of sound: a viewer who is further behind is not helped by more."""


@dataclass(frozen=True, slots=True)
class TrackHealth:
    """How a track does, counted since the lesson began. ``stand_in`` says why not the device's own is sent."""

    track: TrackName
    stand_in: StandInReason | None
    is_device_away: bool
    viewers: int
    frames_in: int
    """Pictures or 20 ms blocks that the device gave."""
    frames_dropped: int
    """Of these, not encoded: more than the rate allows, or the encoder was slow; for sound, too late or not placed."""
    frames_encoded: int
    key_frames: int
    bytes_encoded: int
    encode_ms: float
    width_px: int = 0
    height_px: int = 0
    gaps: int = 0
    """Sound only: times a source stopped giving, so that silence was sent."""


class Publisher:
    """Sends one lesson. ``notice`` gives what viewers may know now; ``on_viewer`` hears who comes and goes.

    ``on_packet`` hears that a media packet left, as long as any sender of ours lives: also when this object has ended.

    Make it on a running loop. ``filters`` are applied to the device's pictures, never to stand-ins.
    """

    def __init__(
        self,
        settings: StreamSettings,
        *,
        notice: Callable[[], channel.Notice],
        on_viewer: Callable[[ViewerChange], None],
        on_packet: Callable[[], None] = lambda: None,
        filters: Mapping[str, FrameFilters] | None = None,
    ) -> None:
        self._settings = settings
        self._notice = notice
        self._on_viewer = on_viewer
        self._on_packet = on_packet
        self._on_air = OnAir()
        self._loop = asyncio.get_running_loop()
        self._fault: asyncio.Future[None] = self._loop.create_future()
        self._running = asyncio.Event()
        self._has_ended = False
        self._tasks: asyncio.TaskGroup | None = None
        self._viewers: dict[str, ViewerConnection] = {}
        self._subscriptions: dict[ViewerConnection, list[Subscription]] = {}
        self._held: dict[ViewerConnection, list[Fan]] = {}
        self._holders: dict[ViewerConnection, str] = {}
        self._roster = Roster()
        """Oldest first."""
        self.clock = RoomClock()
        self._fans: dict[TrackName, Fan] = {}
        self._levels: dict[TrackName, str] = {}
        stand_ins = StandIns()
        self._pictures: dict[PictureTrackName, PictureTrack] = {
            "camera": self._picture_track("camera", stand_ins, filters),
            "board": self._picture_track("board", stand_ins, filters),
        }
        self._sound_encoder = SoundEncoder(
            settings.sound_layers()[0], self._from_thread(self._encoded), self._from_thread(self._failed)
        )
        self._fans["sound"] = self._fan(
            make_key=lambda: None, on_use=self._use_sound, replay_frames=0, backlog_limit=SOUND_BACKLOG
        )
        self._sound_is_used = False
        self._programme = Programme(
            self.clock,
            settings.silence_after_s,
            on_block=self._sound_ready,
            call_at=self._call_at,
            now=time.monotonic,
        )
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="preview")
        self._previews = {
            track: Preview(
                partial(getattr, picture, "shown"),
                self._executor,
                max_width_px=getattr(settings, f"{track}_preview_max_width_px"),
                max_rate_hz=settings.preview_max_rate_hz,
                now=time.monotonic,
            )
            for track, picture in self._pictures.items()
        }

    # --- a lesson's life ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send until cancelled. On the way out viewers are told that the lesson ended and closed within a second."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for encoder in self._encoders():
                    encoder.start()
                for picture in self._pictures.values():
                    picture.start()
                self._programme.start()
                self._running.set()
                self._tasks.create_task(self._reap(), name="streams: reap viewers")
                try:
                    await self._fault
                finally:
                    self._has_ended = True
        finally:
            self._running.set()  # whoever waits to be let in hears that it is over
            await self._close_all()

    async def _close_all(self) -> None:
        viewers = list(self._viewers.values())
        for viewer in viewers:
            self._forget(viewer)
        ended = channel.Ended(reason="lesson-ended")
        try:
            async with asyncio.timeout(CLOSE_ALL_S):
                await asyncio.gather(*(viewer.close(ended) for viewer in viewers))
        except TimeoutError:
            log.warning("Viewers were not all closed in time", extra={"viewers": len(viewers)})
        self._programme.stop()
        for picture in self._pictures.values():
            picture.close()
        encoders = self._encoders()
        for encoder in encoders:
            encoder.stop()
        self._executor.shutdown(wait=False, cancel_futures=True)
        await asyncio.gather(*(asyncio.to_thread(encoder.join, 1.0) for encoder in encoders))
        for viewer in viewers:
            self._tell_left(viewer, "lesson ended")

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now_s = time.monotonic()
            for viewer in tuple(self._viewers.values()):
                silent_s = viewer.silent_s(now_s)
                if viewer.is_connected and silent_s > self._settings.viewer_silence_s:
                    self._gone(viewer, "silent")
                elif not viewer.is_connected and silent_s > self._settings.viewer_connect_s:
                    self._gone(viewer, "never connected")

    # --- what is sent ---------------------------------------------------------------------------------------------

    def push_frame(self, track: PictureTrackName, frame: Frame) -> None:
        """Take the newest picture of a device. Never blocks; of pictures that wait, the newest wins."""
        if not self._has_ended:
            self._pictures[track].push(frame)

    def push_sound(self, source: str, block: AudioBlock) -> None:
        """Take 20 ms of a named source. Never blocks."""
        if not self._has_ended:
            self._programme.push(source, block)

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
        self._on_air = on_air
        self._pictures["camera"].set_on_air(on_air.camera, paused)
        self._pictures["board"].set_on_air(on_air.board, paused)
        self._programme.set_on_air(on_air.sound, paused)

    def set_frozen(self, is_frozen: bool) -> None:
        """Keep the board's picture as it is, or show the board again."""
        if not self._has_ended:
            self._pictures["board"].set_frozen(is_frozen)

    # --- viewers --------------------------------------------------------------------------------------------------

    async def accept(self, viewer: str, sdp: str, ice_servers: Sequence[IceServer], holder: str | None = None) -> str:
        """Return the complete answer to a viewer's offer. Of one ``holder`` the newest three connections stay.

        Raises SignallingError: ``offer-invalid``, ``offer-too-large``, ``no-common-codec``, ``viewer-limit``,
        ``room-timeout`` (a relay that does not answer), ``lesson-ended``.
        """
        await self._running.wait()
        if self._has_ended:
            raise SignallingError("the lesson is over", code="lesson-ended")
        plan = read_offer(sdp, self._on_air)
        if viewer in self._viewers:
            await self.close_viewer(viewer, "replaced")
            if self._has_ended:
                raise SignallingError("the lesson ended meanwhile", code="lesson-ended")
        if holder is not None:
            self._make_place_of(holder)
        if len(self._viewers) >= self._settings.max_viewers:
            raise SignallingError(
                f"{self._settings.max_viewers} viewers are connected; this room takes no more",
                code="viewer-limit",
                retryable=True,
            )
        connection = self._viewers[viewer] = ViewerConnection(
            viewer,
            plan,
            self.clock,
            ice_servers,
            on_connected=self._connected,
            on_gone=self._gone,
            on_told=self._told,
            on_packet=self._on_packet,
            spawn=self._spawn,
        )
        if holder is not None:
            self._holders[connection] = holder
        self._held[connection] = [self._fans[track] for track in plan.tracks]
        for fan in self._held[connection]:
            fan.hold()
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await connection.answer(self._levels)
            if connection.ended:  # while the answer was made: nothing of ours is behind it any more
                raise SignallingError("the connection was closed meanwhile", code="viewer-not-found")
            return answer
        except BaseException as error:
            if self._viewers.get(viewer) is connection:
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
        await self._known(viewer).add_candidates(candidates, mid)

    async def close_viewer(self, viewer: str, reason: str) -> None:
        """Let a viewer go. Raises SignallingError ``viewer-not-found``."""
        connection = self._known(viewer)
        self._left(connection, reason)
        await connection.close(channel.Ended(reason="removed") if reason == "removed" else None)

    def tell_viewers(self) -> None:
        """Send the notice to everybody whose lesson channel is open."""
        notice = self._notice()
        for connection in self._viewers.values():
            connection.send(notice)

    @property
    def connected(self) -> int:
        """How many pupils are connected; `viewers` has those too who are on their way."""
        return sum(view.is_connected for view in self.viewers())

    def viewers(self) -> tuple[ViewerView, ...]:
        """Return everybody who is connected or connecting, once each, in the order in which they first came."""
        connections = self._viewers.values()
        return self._roster.lines((self._holders.get(one, one.id), one.view()) for one in connections)

    def _make_place_of(self, holder: str) -> None:
        mine = [connection for connection, of_holder in self._holders.items() if of_holder == holder]
        for connection in mine[: max(0, len(mine) + 1 - MOST_OF_A_HOLDER)]:
            self._gone(connection, "replaced")

    def _known(self, viewer: str) -> ViewerConnection:
        connection = self._viewers.get(viewer)
        if connection is None:
            raise SignallingError(f'no viewer "{viewer[:64]}" is connected', code="viewer-not-found")
        return connection

    def _connected(self, connection: ViewerConnection) -> None:
        subscriptions = self._subscriptions[connection] = []
        for track, sender in connection.senders.items():
            subscription = self._fans[track].add(sender)
            subscriptions.append(subscription)
            if track != "sound":
                sender.on_key, sender.on_drained = subscription.want_key, subscription.drained
        self._release(connection)
        self._roster.arrived(self._holders.get(connection, connection.id), connection.joined_mono_s)
        self._on_viewer(ViewerChange(connection.id, "joined"))

    def _told(self, connection: ViewerConnection, message: channel.Hello | channel.Reception) -> None:
        if isinstance(message, channel.Hello):
            connection.send(self._notice())
        self._on_viewer(ViewerChange(connection.id, "changed"))

    def _gone(self, connection: ViewerConnection, reason: str) -> None:
        if self._viewers.get(connection.id) is connection and not self._has_ended:
            self._left(connection, reason)
            self._spawn(connection.close(None), f"close viewer {connection.id}")

    def _left(self, connection: ViewerConnection, reason: str) -> None:
        self._forget(connection)
        self._tell_left(connection, reason)

    def _tell_left(self, connection: ViewerConnection, reason: str) -> None:
        stayed_s = time.monotonic() - connection.joined_mono_s
        log.info("Viewer left", extra={"viewer": connection.id, "reason": reason, "stayed_s": round(stayed_s, 1)})
        if connection.has_joined:
            self._on_viewer(ViewerChange(connection.id, "left", reason, stayed_s))
        else:
            self._on_viewer(ViewerChange(connection.id, "changed", reason))

    def _forget(self, connection: ViewerConnection) -> None:
        connection.ended = True
        del self._viewers[connection.id]
        self._holders.pop(connection, None)
        for subscription in self._subscriptions.pop(connection, ()):
            subscription.close()
        self._release(connection)

    def _release(self, connection: ViewerConnection) -> None:
        for fan in self._held.pop(connection, ()):
            fan.release()

    # --- what the panel looks at ----------------------------------------------------------------------------------

    def tracks(self) -> dict[str, TrackHealth]:
        """Return how each track does: ``sound``, ``board``, ``camera``."""
        programme, counts = self._programme, self._sound_encoder.counts
        sound = TrackHealth(
            "sound",
            programme.reason,
            programme.is_away,
            len(self._fans["sound"]),
            programme.blocks_in,
            programme.blocks_lost + counts.dropped,
            counts.encoded,
            counts.encoded,
            counts.bytes,
            counts.encode_ms,
            gaps=programme.gaps,
        )
        return {"sound": sound, **{track: self._picture_health(track) for track in ("board", "camera")}}

    def _picture_health(self, track: PictureTrackName) -> TrackHealth:
        picture = self._pictures[track]
        counts = picture.encodings[0].encoder.counts
        return TrackHealth(
            track,
            picture.reason,
            picture.is_away,
            len(self._fans[track]),
            picture.frames_in,
            picture.frames_dropped + counts.dropped,
            counts.encoded,
            counts.keys,
            counts.bytes,
            counts.encode_ms,
            counts.width_px or picture.size[0],
            counts.height_px or picture.size[1],
        )

    def preview(self, track: PictureTrackName) -> bytes | None:
        """Return a small JPEG of what is sent, at most some hundred ms old while asked for often; None at first."""
        return None if self._has_ended else self._previews[track].jpeg()

    def level(self) -> tuple[float, float]:
        """Return RMS and peak, in dBFS, of the last 100 ms of what is sent; silence is -120."""
        return self._programme.level()

    # --- joints ---------------------------------------------------------------------------------------------------

    def _picture_track(
        self, track: PictureTrackName, stand_ins: StandIns, filters: Mapping[str, FrameFilters] | None
    ) -> PictureTrack:
        settings, is_camera = self._settings, track == "camera"
        layers = settings.camera_layers() if is_camera else settings.board_layers()
        encodings = [
            Encoding(VideoEncoder(layer, self._from_thread(self._encoded), self._from_thread(self._failed)))
            for layer in layers
        ]
        picture = PictureTrack(
            track,
            encodings=encodings,
            filters=(filters or {}).get(track),
            stand_in=stand_ins.picture,
            first_size=(layers[0].max_width_px, layers[0].max_height_px),
            max_rate_hz=layers[0].max_rate_hz,
            repeat_s=settings.board_keep_alive_s,
            stand_in_after_s=settings.stand_in_after_s if is_camera else None,
            stand_in_interval_s=settings.stand_in_interval_s,
            on_scene=lambda scene: self._fans[track].begin_scene(scene),
            now=time.monotonic,
            call_later=self._loop.call_later,
        )
        first = encodings[0]
        self._levels[track] = layers[0].level
        self._fans[track] = self._fan(
            make_key=partial(picture.make_key, first),
            on_use=partial(setattr, first, "is_used"),
            replay_frames=layers[0].replay_frames,
            backlog_limit=PICTURE_BACKLOG,
        )
        return picture

    def _fan(
        self,
        *,
        make_key: Callable[[], None],
        on_use: Callable[[bool], None],
        replay_frames: int,
        backlog_limit: int,
    ) -> Fan:
        return Fan(
            make_key=make_key,
            on_use=on_use,
            replay_frames=replay_frames,
            backlog_limit=backlog_limit,
            now=time.monotonic,
            call_later=self._loop.call_later,
        )

    def _encoders(self) -> list[VideoEncoder | SoundEncoder]:
        pictures = [encoding.encoder for picture in self._pictures.values() for encoding in picture.encodings]
        return [*pictures, self._sound_encoder]

    def _encoded(self, frame: EncodedFrame) -> None:
        self._fans[frame.track].deliver(frame)

    def _sound_ready(self, block: AudioBlock) -> None:
        if self._sound_is_used:
            self._sound_encoder.submit(block)

    def _use_sound(self, is_used: bool) -> None:
        self._sound_is_used = is_used

    def _failed(self, error: BaseException) -> None:
        if not self._fault.done():
            self._fault.set_exception(error)

    def _from_thread(self, function: Callable[[T], None]) -> Callable[[T], None]:
        def post(given: T) -> None:
            self._loop.call_soon_threadsafe(function, given)

        return post

    def _call_at(self, mono_s: float, function: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_later(max(0.0, mono_s - time.monotonic()), function)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        if self._has_ended:
            work.close()
        else:
            assert self._tasks is not None, "viewers are accepted only while we run"
            self._tasks.create_task(work, name=name)
