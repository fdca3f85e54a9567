"""What one picture track shows right now, and when its encoders and the preview get it: live, or a stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from agent.media import Frame, FrameFilters
from agent.streams.encoders import Picture, VideoEncoder
from agent.streams.layers import PictureTrackName

StandInReason = Literal["away", "off", "paused", "covered"]
"""The device gives nothing; the teacher has switched the track off; the lesson is paused; a frame filter shows it in
the camera's place (`agent.camera_views`), which no track knows of."""

SETTLE_S = (0.15, 0.35)
"""A changed board is encoded again after these: the first picture may have been coarse."""
LAG_SMOOTHING = 0.1
BURST = 0.8
"""How much of an interval a picture may come early."""
SLACK = 0.95
"""A camera of 30 pictures a second gives 30.1 at times: without this the bucket would fill and delay every picture."""


@dataclass(slots=True)
class Encoding:
    """An encoder, whether anybody watches its layer, and how many of the track's pictures it takes.

    ``interval_s`` 0: each of them. ``stays_open``: its codec is kept ready while nobody watches.
    """

    encoder: VideoEncoder
    is_used: bool = False
    interval_s: float = 0.0
    stays_open: bool = True
    _due_s: float = float("-inf")

    def use(self, is_used: bool) -> None:
        """Say whether somebody watches."""
        self.is_used = is_used
        if is_used:
            self.encoder.start()
        elif not self.stays_open:
            self.encoder.rest()

    def takes(self, now_s: float, *, is_wanted: bool) -> bool:
        """Say whether a picture is encoded here: one that ``is_wanted`` always, others as the layer's rate allows."""
        if not self.is_used or (not is_wanted and now_s < self._due_s - BURST * self.interval_s):
            return False
        self._due_s = max(now_s, self._due_s) + self.interval_s if not is_wanted else now_s + self.interval_s
        return True


class PictureTrack:
    """Chooses between the device's pictures and stand-ins, bounds their rate, and repeats what does not change.

    Lives on the loop; all work on pixels happens in the encoders' threads. ``stand_in`` makes the picture for a reason
    at a size. ``stand_in_after_s`` None means that silence of the device is no sign of its loss (a board gives changed
    pictures only), so `set_away` must say so. ``on_scene`` hears of each change between the device's picture and a
    stand-in, with the number that what is submitted from then on carries; the first picture of a scene is a key frame.
    ``on_submit`` hears of each picture that encoders are given, with the instant for which it stands.
    """

    def __init__(
        self,
        track: PictureTrackName,
        *,
        encodings: Sequence[Encoding],
        filters: FrameFilters | None,
        stand_in: Callable[[PictureTrackName, StandInReason, int, int], Frame],
        first_size: tuple[int, int],
        max_rate_hz: float,
        repeat_s: float,
        stand_in_after_s: float | None,
        stand_in_interval_s: float,
        on_scene: Callable[[int], None],
        on_submit: Callable[[Picture, float], None] = lambda picture, stamp_mono_s: None,
        now: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle],
    ) -> None:
        self.track = track
        self.encodings = encodings
        self.frames_in = 0
        self.frames_dropped = 0
        self.last_frame_mono_s: float | None = None
        self._filters = filters or FrameFilters()
        self._stand_in = stand_in
        self._size = (0, 0)
        self._expect(*first_size)
        self._interval_s = 0.0
        self.set_rate(max_rate_hz)
        self._repeat_s = repeat_s
        self._stand_in_after_s = stand_in_after_s
        self._stand_in_interval_s = stand_in_interval_s
        self._on_scene = on_scene
        self._on_submit = on_submit
        self._scene = 0
        self._begins_scene = False
        self._now = now
        self._call_later = call_later
        self._is_away, self._is_on_air, self._is_paused = True, True, False
        self._is_frozen = False
        self._prepared: tuple[Frame, FrameFilters] | None = None
        """The newest picture while frozen, and what it goes through; it waits to be shown."""
        self._live: Picture | None = None
        self.newest: Frame | None = None
        """The device's last picture as it came, before every filter: never to be sent."""
        self._lag_s = 0.0
        self._due_s = float("-inf")
        self._repeats = 0
        self._pending: asyncio.TimerHandle | None = None
        self._repeat: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._is_running = False
        self._shown = self._chosen()

    def start(self) -> None:
        """Begin to submit pictures, and repeat them, until `close`."""
        self._is_running = True
        self._show_soon(at_once=True)

    @property
    def reason(self) -> StandInReason | None:
        """Why a stand-in is shown; None while the device's own picture is."""
        if self._is_paused:
            return "paused"
        if not self._is_on_air:
            return "off"
        if self._is_frozen:  # a device that is lost meanwhile takes nothing from the picture that stays
            return "off" if self._live is None else None
        return "away" if self._is_away or self._live is None else None

    @property
    def is_away(self) -> bool:
        """The device gives nothing, whatever is shown."""
        return self._is_away

    @property
    def shown(self) -> Picture:
        """The picture that a viewer who comes now sees first."""
        return self._shown

    def current(self) -> tuple[Picture, float]:
        """Return the picture that is shown now, and the instant for which it stands if it is submitted once more."""
        return self._shown, self._stamp(self._shown, is_repeat=True)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what the device gives, or is expected to."""
        return self._size

    def push(self, frame: Frame, *, is_shared: bool = False) -> None:
        """Take a new picture: the device's, or, ``is_shared``, one in its place that no filter of the device is for."""
        now_s = self._now()
        filters = FrameFilters() if is_shared else self._filters
        self.newest = None if is_shared else frame
        self.frames_in += 1
        self.last_frame_mono_s = now_s
        self._lag_s += (max(0.0, now_s - frame.captured_mono_s) - self._lag_s) * (
            LAG_SMOOTHING if self.frames_in > 1 else 1.0
        )
        before = self.reason
        self._is_away = False
        if self._is_frozen:
            self._prepared = frame, filters
        else:
            self._take(frame, filters)
        if self._stand_in_after_s is not None and self._watch is None and self._is_running:
            self._watch = self._call_later(self._stand_in_after_s, self._look)
        if self.reason is None and before is not None:
            self._choose()
        elif self.reason is None and not self._is_frozen:
            assert self._live is not None
            self._shown = self._live
            self._repeats = 0
            self._show_soon(at_once=False)

    def set_away(self, is_away: bool) -> None:
        """Say that the device is lost, or is back; a picture pushed says the latter by itself."""
        if is_away != self._is_away:
            self._is_away = is_away
            self._choose()

    def set_on_air(self, is_on_air: bool, is_paused: bool) -> None:
        """Say whether the teacher lets this track out."""
        if (is_on_air, is_paused) != (self._is_on_air, self._is_paused):
            self._is_on_air, self._is_paused = is_on_air, is_paused
            self._choose()

    def set_frozen(self, is_frozen: bool) -> None:
        """Keep what the device showed last, whatever it shows from now on; or show the device again.

        Where there is no picture to keep, the stand-in of a hidden track is shown.
        """
        if is_frozen == self._is_frozen:
            return
        before = self.reason
        self._is_frozen = is_frozen
        if not is_frozen and self._prepared is not None:
            self._take(*self._prepared)
            self._prepared = None
            self._choose()
        elif self.reason != before:
            self._choose()

    def set_rate(self, max_rate_hz: float) -> None:
        """Take at most so many of the device's pictures a second."""
        self._interval_s = SLACK / max_rate_hz

    def make_key(self, encoding: Encoding) -> None:
        """Have a layer's encoder make a key frame now, of the picture shown, even if that has not changed."""
        encoding.encoder.want_key()
        if not encoding.encoder.has_waiting:
            encoding.encoder.submit(self._shown, self._stamp(self._shown, is_repeat=True), scene=self._scene)

    def close(self) -> None:
        """Submit nothing more and stop all timers."""
        self._is_running = False
        for timer in (self._pending, self._repeat, self._watch):
            if timer is not None:
                timer.cancel()

    def _take(self, frame: Frame, filters: FrameFilters) -> None:
        self._expect(frame.width_px, frame.height_px)
        self._live = Picture(frame.captured_mono_s, partial(filters.apply, frame))

    def _expect(self, width_px: int, height_px: int) -> None:
        if (width_px, height_px) != self._size:
            self._size = (width_px, height_px)
            for encoding in self.encodings:
                encoding.encoder.prepare(width_px, height_px)

    def _look(self) -> None:
        assert self._stand_in_after_s is not None
        assert self.last_frame_mono_s is not None
        left_s = self.last_frame_mono_s + self._stand_in_after_s - self._now()
        self._watch = None
        if left_s > 0:
            self._watch = self._call_later(left_s, self._look)
        else:
            self.set_away(True)

    def _choose(self) -> None:
        """Show what is right after a change of reason, at once: a new scene."""
        self._shown = self._chosen()
        self._scene += 1
        self._begins_scene = True
        self._on_scene(self._scene)
        self._repeats = 0
        self._show_soon(at_once=True)

    def _chosen(self) -> Picture:
        if self.reason is None:
            assert self._live is not None
            return self._live
        return Picture(self._now(), partial(self._stand_in, self.track, self.reason, *self._size))

    def _show_soon(self, *, at_once: bool) -> None:
        """Submit the shown picture now, or as soon as the rate allows; a later one takes its place until then.

        The rate is a leaky bucket one picture deep: a camera's jitter passes, its surplus does not.
        """
        now_s = self._now()
        wait_s = self._due_s - BURST * self._interval_s - now_s
        if at_once:
            self._due_s = now_s + self._interval_s
            self._submit(is_repeat=False)
        elif wait_s <= 0:
            self._held_back()
        elif self._pending is None:
            self._pending = self._call_later(wait_s, self._held_back)
        else:
            self.frames_dropped += 1

    def _held_back(self) -> None:
        self._due_s = max(self._due_s, self._now()) + self._interval_s
        self._submit(is_repeat=False)

    def _submit(self, *, is_repeat: bool) -> None:
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        if not self._is_running:
            return
        stamp_s = self._stamp(self._shown, is_repeat=is_repeat)
        key, self._begins_scene = self._begins_scene, False
        now_s = self._now()
        for encoding in self.encodings:
            if encoding.takes(now_s, is_wanted=key or is_repeat):
                encoding.encoder.submit(self._shown, stamp_s, scene=self._scene, key=key)
        self._on_submit(self._shown, stamp_s)
        self._plan_repeat()

    def _plan_repeat(self) -> None:
        if self._repeat is not None:
            self._repeat.cancel()
        if self.reason is not None:
            wait_s = self._stand_in_interval_s
        elif self._repeats < len(SETTLE_S):
            wait_s = SETTLE_S[self._repeats]
        else:
            wait_s = self._repeat_s
        self._repeat = self._call_later(wait_s, self._again)

    def _again(self) -> None:
        self._repeats += 1
        self._submit(is_repeat=True)

    def _stamp(self, picture: Picture, *, is_repeat: bool) -> float:
        """The instant a picture stands for: its capture, or for one shown again, what a new one would carry now."""
        return self._now() - self._lag_s if is_repeat or picture is not self._live else picture.captured_mono_s
