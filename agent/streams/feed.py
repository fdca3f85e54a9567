"""One viewer's one track: which layer it is given, and the change from one layer to another without a hole.

The layer in hand goes on until the wanted one can take its place, a picture's at its key frame, sound where one packet
ends and the next begins; the sender sees one line of frames whose time never goes back. For the slow it drops to the
next key frame, and it waits for nobody.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.streams.encoders import EncodedFrame
from agent.streams.fanout import Fan
from agent.streams.lanes import Lane
from agent.streams.layers import ROBUST, TrackName
from agent.streams.senders import AskingSender, ViewerSender

CallLater = Callable[[float, Callable[[], None]], asyncio.TimerHandle]

PICTURE_BACKLOG, SOUND_BACKLOG = 15, 25
"""Half a second of camera, half a second of sound: a viewer who is further behind is not helped by more."""
SAME_S = 0.005
"""Sound packets whose ends and beginnings are this near follow each other."""
REPEATED_AFTER = 2
"""Each packet of robust sound leaves once more, 40 ms later: bursts of loss are shorter. Opus mends a packet that was
lost alone, and with that alone a twelfth of the sound was missed at 20 % loss in bursts of two."""
STALLED_S = 0.2
"""A sound layer that has given nothing for so long is no longer waited for at a change."""


@dataclass(slots=True)
class KeyBudget:
    """How often one viewer may have a key frame made for it: a bucket of ``burst``, refilled each ``refill_s``."""

    burst: int = 3
    refill_s: float = 3.0
    answered_s: float = 0.15
    """A request this soon after a key frame left is about the time before it: half a long round trip."""
    _tokens: float = field(init=False)
    _filled_mono_s: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._tokens = float(self.burst)

    def wait_s(self, now_s: float) -> float:
        """Take a key frame from the budget and return 0.0, or return how long to wait before asking again."""
        if self._filled_mono_s is not None:
            self._tokens = min(float(self.burst), self._tokens + (now_s - self._filled_mono_s) / self.refill_s)
        self._filled_mono_s = now_s
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) * self.refill_s


class Feed(ABC):
    """What a viewer is given of one track. ``current`` is the layer in hand, ``wanted`` the one that shall replace it.

    Both None: the track rests for this viewer. Lives on the loop.
    """

    def __init__(self, sender: ViewerSender, backlog_limit: int) -> None:
        self.current: Fan | None = None
        self.wanted: Fan | None = None
        self.skipped = 0
        """Frames this viewer was not given: before its first key frame, or because it was slow."""
        self.falls_behind = 0
        """How often the viewer was too slow and was left out for a while."""
        self.changes = 0
        """How often another layer took the place of the one in hand."""
        self._sender = sender
        self._limit = backlog_limit

    @property
    def layer(self) -> str | None:
        """The layer in hand."""
        return None if self.current is None else self.current.layer

    def want(self, fan: Fan | None) -> None:
        """Give this layer as soon as it can take the place of the one in hand; None: nothing, from now on."""
        if self.current is not None and fan is not self.current:
            self.current.fall_out(self, is_over=fan is None)
        if self.wanted is not None and fan is not self.wanted:
            leaving, self.wanted = self.wanted, None
            leaving.remove(self)
        if fan is None:
            self._rest()
        elif fan is not self.current and fan is not self.wanted:
            self.wanted = fan
            if not fan.add(self):
                self.want_key()

    def want_key(self) -> None:
        """The viewer cannot decode on. Nothing for a track whose every frame stands for itself."""
        return

    def drained(self) -> None:
        """The sender has sent everything. Likewise."""
        return

    @abstractmethod
    def take(self, fan: Fan, frame: EncodedFrame, stamp_s: float) -> None:
        """Pass a frame of the layer in hand, or of the wanted one, to the sender, or leave it out."""

    def begin_scene(self) -> None:
        """Forget what has not left yet."""
        while self._sender.backlog:
            self._sender.drop_oldest()

    @abstractmethod
    def lane(self, fan: Fan, frame: EncodedFrame) -> Lane | None:
        """By which frames like this one, that `take` took last, may go on to leave without it."""

    @abstractmethod
    def fell_out(self, frame: EncodedFrame) -> None:
        """Hear what was sent last without `take`."""

    def close(self) -> None:
        """Leave the layers."""
        self.want(None)

    def _change(self) -> None:
        """Let the wanted layer take the place of the one in hand."""
        leaving, self.current, self.wanted = self.current, self.wanted, None
        self.changes += leaving is not None
        if leaving is not None:
            leaving.remove(self)

    def _rest(self) -> None:
        if self.current is not None:
            leaving, self.current = self.current, None
            leaving.remove(self)
            Feed.begin_scene(self)
            self._sender.rest()


class PictureFeed(Feed):
    """Camera or board. A change costs the viewer's budget one key frame, unless a recent one can be replayed."""

    def __init__(
        self,
        sender: ViewerSender,
        *,
        now: Callable[[], float],
        call_later: CallLater,
        backlog_limit: int = PICTURE_BACKLOG,
        budget: KeyBudget | None = None,
    ) -> None:
        super().__init__(sender, backlog_limit)
        self._now = now
        self._call_later = call_later
        self._budget = budget or KeyBudget()
        self._needs_key = False
        self._key_sent_s = float("-inf")
        self._last_stamp_s = float("-inf")
        self._later: asyncio.TimerHandle | None = None

    def take(self, fan: Fan, frame: EncodedFrame, stamp_s: float) -> None:
        if fan is self.wanted:
            if not frame.key:
                self.skipped += self.current is None
                return
            self._change()
            if self._sender.backlog >= self._limit:  # of the layer before: what the viewer could not take
                super().begin_scene()
        elif fan is not self.current:
            return
        elif self._needs_key and not frame.key:
            self.skipped += 1
            return
        elif self._sender.backlog >= self._limit:
            self.skipped += 1
            self.falls_behind += not self._needs_key
            self._needs_key = True
            return
        if frame.key:
            self._needs_key = False
            self._key_sent_s = self._now()
        self._last_stamp_s = max(stamp_s, self._last_stamp_s + 0.001)
        self._sender.send(frame, self._last_stamp_s)

    def lane(self, fan: Fan, frame: EncodedFrame) -> Lane | None:
        """By which frames like this one, that `take` took last, may go on to leave without it."""
        was_sent = fan is self.current and self._last_stamp_s == frame.captured_mono_s
        return self._sender.lane if was_sent else None

    def fell_out(self, frame: EncodedFrame) -> None:
        """Hear what was sent last without `take`."""
        self._last_stamp_s = max(self._last_stamp_s, frame.captured_mono_s)

    def want_key(self) -> None:
        """The viewer says it cannot decode on: get it a key frame, merged with the others' and within its budget.

        Of the wanted layer when a change is on its way: that one ends the waiting, and is paid for once.
        """
        fan = self.current if self.wanted is None else self.wanted
        if fan is None or fan.is_key_coming or self._later is not None:
            return
        now_s = self._now()
        if self.wanted is None and now_s - self._key_sent_s < self._budget.answered_s:
            return
        wait_s = self._budget.wait_s(now_s)
        if wait_s == 0.0:
            fan.want_key()
        else:
            self._later = self._call_later(wait_s, self._ask_again)

    def drained(self) -> None:
        """The sender has sent everything: if it had fallen behind, it may have a key frame again."""
        if self._needs_key:
            self.want_key()

    def begin_scene(self) -> None:
        """Forget what has not left yet, and wait for the new scene's key frame."""
        self._needs_key = True
        super().begin_scene()

    def _ask_again(self) -> None:
        self._later = None
        self.want_key()

    def _rest(self) -> None:
        super()._rest()
        if self._later is not None:
            self._later.cancel()
            self._later = None


class SoundFeed(Feed):
    """Sound. Layers cut it into packets of different length: a change waits until no moment is sent twice or missed."""

    def __init__(self, sender: ViewerSender, *, backlog_limit: int = SOUND_BACKLOG) -> None:
        super().__init__(sender, backlog_limit)
        self._end_s = float("-inf")
        """Capture time of the end of what was sent."""
        self._stop_s = float("inf")
        """Where the layer in hand ends, and the wanted one begins."""

    def take(self, fan: Fan, frame: EncodedFrame, stamp_s: float) -> None:
        end_s = stamp_s + frame.duration_s
        if fan is self.wanted:
            if not self._may_begin(stamp_s):
                if self._stop_s == float("inf") and end_s >= self._end_s - SAME_S > stamp_s:
                    self._stop_s = end_s
                return
            self._change()
            self._stop_s = float("inf")
        elif fan is not self.current or stamp_s >= self._stop_s - SAME_S or stamp_s < self._end_s - SAME_S:
            return
        if self._sender.backlog >= self._limit:
            self.skipped += 1
            self.falls_behind += 1
            self._sender.drop_oldest()
        self._end_s = end_s
        self._sender.send(frame, stamp_s)
        if fan.layer == ROBUST:
            self._sender.repeat(REPEATED_AFTER)

    def lane(self, fan: Fan, frame: EncodedFrame) -> Lane | None:
        """By which packets like this one, that `take` took last, may go on to leave without it."""
        was_sent = fan is self.current and self._end_s == frame.captured_mono_s + frame.duration_s
        return self._sender.lane if was_sent and self.wanted is None and fan.layer != ROBUST else None

    def fell_out(self, frame: EncodedFrame) -> None:
        """Hear what was sent last without `take`."""
        self._end_s = max(self._end_s, frame.captured_mono_s + frame.duration_s)

    def want(self, fan: Fan | None) -> None:
        """Give this layer as soon as it can take the place of the one in hand; None: nothing, from now on."""
        if fan is not self.wanted:
            self._stop_s = float("inf")
        super().want(fan)

    def _may_begin(self, stamp_s: float) -> bool:
        """Say whether the wanted layer's packet follows what was sent; nothing lies between, or nothing will come."""
        after_s = stamp_s - self._end_s
        if self.current is None or self._stop_s < float("inf"):
            return after_s >= -SAME_S
        return abs(after_s) <= SAME_S or after_s > STALLED_S


def feed_for(
    track: TrackName,
    sender: AskingSender,
    *,
    now: Callable[[], float],
    call_later: CallLater,
    budget: KeyBudget | None = None,
) -> Feed:
    """Return a track's feed, which the sender asks from now on; ``budget`` of a picture's key frames."""
    if track == "sound":
        return SoundFeed(sender)
    feed = PictureFeed(sender, now=now, call_later=call_later, budget=budget)
    sender.on_key, sender.on_drained = feed.want_key, feed.drained
    return feed
