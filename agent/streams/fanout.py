"""From one encoder to every feed of its layer: keeps what a newcomer needs, merges requests for key frames.

A newcomer is given the key frame at once: the pictures since the last one if they are few, else a new one is asked of
the encoder. What one viewer is given, `agent.streams.feed` decides, and for as long as it would say yes to each frame,
and the frame is no key frame and not too large for its line, it need not be asked: such viewers are *in step*, and a
frame leaves to all of them in one loop (`agent.streams.lanes`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from agent.streams.datagrams import BURST_PACKETS, Headers
from agent.streams.encoders import EncodedFrame
from agent.streams.lanes import SPREAD_S, Column, Lane

log = logging.getLogger(__name__)

REPLAY_BYTES = 200_000
"""More than two full rate buffers of 1.5 Mb/s are not replayed to a newcomer."""


def spread_bps(frame: EncodedFrame) -> float:
    """Return how fast a frame leaves to those in step, who are not to be given it faster than their line takes it."""
    before_last = (len(frame.payloads) - 1) // BURST_PACKETS * BURST_PACKETS
    return sum(map(len, frame.payloads[:before_last])) * 8 / SPREAD_S


class Taker(Protocol):
    """One viewer's one track, as a fan sees it."""

    def take(self, fan: Fan, frame: EncodedFrame, stamp_s: float) -> None:
        """Take a frame of ``fan``, or leave it out. Loop thread; never waits."""
        ...

    def lane(self, fan: Fan, frame: EncodedFrame) -> Lane | None:
        """Return by which frames like this one, that it took last, may go on to leave without `take`, or None."""
        ...

    def begin_scene(self) -> None:
        """Forget what has not left yet: something else is shown from now on."""
        ...

    def fell_out(self, frame: EncodedFrame) -> None:
        """Hear that from now on each frame is to be taken again; ``frame`` was the last one sent without."""
        ...


class Fan:
    """All feeds of one layer. Lives on the loop.

    ``make_key`` asks the encoder for a key frame now; ``on_use`` hears when the first feed comes (True) and the last
    one goes (False). A layer with ``replay_frames`` 0 has no key frames: each of its frames stands for itself.
    """

    def __init__(
        self,
        layer: str,
        *,
        make_key: Callable[[], None],
        on_use: Callable[[bool], None],
        replay_frames: int,
    ) -> None:
        self.layer = layer
        self.is_key_coming = False
        self.keys_asked = 0
        self._make_key = make_key
        self._on_use = on_use
        self._replay_frames = replay_frames
        self._takers: list[Taker] = []
        self._in_step: dict[Taker, Lane] = {}
        self._columns: dict[Headers, Column] = {}
        self._others: tuple[Taker, ...] | None = ()
        """Who is not in step; None: to be looked up anew."""
        self._newest: EncodedFrame | None = None
        """What left last to those in step."""
        self._since_key: list[EncodedFrame] = []
        self._since_key_bytes = 0
        self._holds = 0
        self._scene = 0

    @property
    def takers(self) -> tuple[Taker, ...]:
        """Everybody who is given this layer, or waits for its key frame."""
        return tuple(self._takers)

    @property
    def is_used(self) -> bool:
        """Somebody is there, or expected."""
        return bool(self._takers or self._holds)

    def hold(self) -> None:
        """Expect a viewer: encode from now on, so that its key frame is ready when its connection is."""
        was_used = self.is_used
        self._holds += 1
        if not was_used:
            self._on_use(True)
            self.want_key()

    def release(self) -> None:
        """Take one `hold` back: the viewer came in, or will not come."""
        self._holds -= 1
        self._maybe_rest()

    def add(self, taker: Taker) -> bool:
        """Let a feed in; say whether it was given the pictures since a key frame, so that it needs no new one."""
        was_used = self.is_used
        self._takers.append(taker)
        self._others = None
        if not was_used:
            self._on_use(True)
        if self._since_key:
            newest_s = self._since_key[-1].captured_mono_s
            for age, frame in zip(range(len(self._since_key) - 1, -1, -1), tuple(self._since_key), strict=True):
                taker.take(self, frame, newest_s - age * 0.001)
        return bool(self._since_key) or not self._replay_frames

    def want_key(self) -> None:
        """Have a key frame made, unless one is already on its way."""
        if self._replay_frames and not self.is_key_coming:
            self.is_key_coming = True
            self.keys_asked += 1
            self._make_key()

    def forget(self) -> None:
        """Keep nothing of what was shown until now: who comes next begins with a key frame that is yet to be made."""
        self._since_key.clear()

    def begin_scene(self, scene: int) -> None:
        """Something else is shown from now on, beginning with a key frame: nobody is given anything of before.

        What the teacher has switched off, or paused, is thus not replayed to a newcomer, and pictures that are being
        encoded at that instant do not leave.
        """
        self._scene = scene
        self._since_key.clear()
        for column in self._columns.values():
            column.drop()
        self.is_key_coming = self.is_used
        for taker in self.takers:
            self.fall_out(taker)
            taker.begin_scene()

    def deliver(self, frame: EncodedFrame) -> None:
        """Pass a frame of this layer to all its feeds. Loop thread."""
        if frame.scene != self._scene:
            return
        if self._replay_frames:
            if frame.key:
                self.is_key_coming = False
                self._since_key, self._since_key_bytes = [frame], frame.size
            elif self._since_key:
                self._since_key.append(frame)
                self._since_key_bytes += frame.size
                if len(self._since_key) > self._replay_frames or self._since_key_bytes > REPLAY_BYTES:
                    self._since_key.clear()
        is_key = frame.key and self._replay_frames > 0
        if self._in_step and (is_key or len(frame.payloads) > BURST_PACKETS):
            needed_bps = float("inf") if is_key else spread_bps(frame)
            for taker in [one for one, lane in self._in_step.items() if lane.pace_bps() < needed_bps]:
                self.fall_out(taker)
        if self._others is None:
            self._others = tuple(taker for taker in self._takers if taker not in self._in_step)
        others = self._others
        if self._in_step:
            self._newest = frame
            for column in self._columns.values():
                column.leave(frame, frame.captured_mono_s)
        for taker in others:
            try:
                taker.take(self, frame, frame.captured_mono_s)
                lane = taker.lane(self, frame)
            except Exception:  # of one viewer, whose page finds that nothing comes; the others are not to wait for it
                log.exception("A viewer cannot be given a layer")
                self.remove(taker)
                continue
            if lane is not None:
                self._keep_step(taker, lane)

    def _keep_step(self, taker: Taker, lane: Lane) -> None:
        """Send each frame by ``lane``, without asking, until a key frame, one too large, or something else is wanted.

        Pictures and sound of a layer leave in the order of their time, so there is nothing to ask.
        """
        self._in_step[taker] = lane
        self._others = None
        if lane.headers not in self._columns:
            self._columns[lane.headers] = Column(lane.track, lane.headers)
        lane.join(self._columns[lane.headers])

    def fall_out(self, taker: Taker, *, is_over: bool = False) -> None:
        """Ask ``taker`` again from the next frame on.

        A frame that is leaving leaves whole, unless it ``is_over``: then nothing of this layer leaves to it any more.
        """
        lane = self._in_step.pop(taker, None)
        if lane is None:
            return
        self._others = None
        lane.part(is_over=is_over)
        if self._columns[lane.headers].is_empty:
            del self._columns[lane.headers]
        if self._newest is not None:
            taker.fell_out(self._newest)

    def remove(self, taker: Taker) -> None:
        """Let a feed out."""
        if taker in self._takers:
            self.fall_out(taker, is_over=True)
            self._takers.remove(taker)
            self._others = None
            self._maybe_rest()

    def _maybe_rest(self) -> None:
        if not self.is_used:
            self._since_key.clear()
            self.is_key_coming = False
            self._on_use(False)
