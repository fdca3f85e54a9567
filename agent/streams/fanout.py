"""From one encoder to every viewer of a layer: starts at a key frame, drops for the slow, waits for nobody.

A newcomer is given the key frame at once: the pictures since the last one if they are few, else a new one is asked of
the encoder. Requests for key frames (PLI) are merged and bounded, so that one pupil on a bad line costs the others
little.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.streams.encoders import EncodedFrame
from agent.streams.senders import ViewerSender

REPLAY_BYTES = 200_000
"""More than two full rate buffers of 1.5 Mb/s are not replayed to a newcomer."""


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


class Subscription:
    """One viewer on one layer."""

    def __init__(self, fan: Fan, sender: ViewerSender, limit: int, budget: KeyBudget) -> None:
        self.skipped = 0
        """Frames this viewer was not given: before its first key frame, or because it was slow."""
        self.falls_behind = 0
        """How often the viewer was too slow and left out until a key frame."""
        self._fan = fan
        self._sender = sender
        self._limit = limit
        self._budget = budget
        self._needs_key = True
        self._key_sent_s = float("-inf")
        self._last_stamp_s = float("-inf")
        self._later: asyncio.TimerHandle | None = None

    def give(self, frame: EncodedFrame, stamp_s: float) -> None:
        """Pass a frame to the sender, or leave it out. Loop thread; never waits."""
        if self._needs_key and not frame.key:
            self.skipped += 1
            return
        if self._sender.backlog >= self._limit:
            self.skipped += 1
            if frame.track == "sound":
                self._sender.drop_oldest()
            else:
                self.falls_behind += not self._needs_key
                self._needs_key = True
                return
        if frame.key:
            self._needs_key = False
            self._key_sent_s = self._fan.now()
        self._last_stamp_s = max(stamp_s, self._last_stamp_s + 0.001) if frame.track != "sound" else stamp_s
        self._sender.send(frame, self._last_stamp_s)

    def want_key(self) -> None:
        """The viewer says it cannot decode on: get it a key frame, merged with the others' and within its budget."""
        now_s = self._fan.now()
        if now_s - self._key_sent_s < self._budget.answered_s or self._later is not None or self._fan.is_key_coming:
            return
        wait_s = self._budget.wait_s(now_s)
        if wait_s == 0.0:
            self._fan.want_key()
        else:
            self._later = self._fan.call_later(wait_s, self._ask_again)

    def drained(self) -> None:
        """The sender has sent everything: if it had fallen behind, it may have a key frame again."""
        if self._needs_key:
            self.want_key()

    def _ask_again(self) -> None:
        self._later = None
        self.want_key()

    def begin_scene(self) -> None:
        """Forget what has not left yet, and wait for the new scene's key frame."""
        self._needs_key = True
        while self._sender.backlog:
            self._sender.drop_oldest()

    def close(self) -> None:
        """Leave the layer."""
        if self._later is not None:
            self._later.cancel()
        self._fan.remove(self)


class Fan:
    """All viewers of one layer. Lives on the loop.

    ``make_key`` asks the encoder for a key frame now; ``on_use`` hears when the first viewer comes (True) and the last
    one goes (False).
    """

    def __init__(
        self,
        *,
        make_key: Callable[[], None],
        on_use: Callable[[bool], None],
        replay_frames: int,
        backlog_limit: int,
        now: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle],
    ) -> None:
        self.now = now
        self.call_later = call_later
        self.is_key_coming = False
        self.keys_asked = 0
        self._make_key = make_key
        self._on_use = on_use
        self._replay_frames = replay_frames
        self._backlog_limit = backlog_limit
        self._subscriptions: list[Subscription] = []
        self._since_key: list[EncodedFrame] = []
        self._holds = 0
        self._scene = 0

    def __len__(self) -> int:
        return len(self._subscriptions)

    def hold(self) -> None:
        """Expect a viewer: encode from now on, so that its key frame is ready when its connection is."""
        self._holds += 1
        if self._holds + len(self._subscriptions) == 1:
            self._on_use(True)
            if self._replay_frames:
                self.want_key()

    def release(self) -> None:
        """Take one `hold` back: the viewer came in, or will not come."""
        self._holds -= 1
        self._maybe_rest()

    def add(self, sender: ViewerSender, budget: KeyBudget | None = None) -> Subscription:
        """Let a viewer in; it has a key frame on its way when this returns."""
        subscription = Subscription(self, sender, self._backlog_limit, budget or KeyBudget())
        self._subscriptions.append(subscription)
        if self._holds + len(self._subscriptions) == 1:
            self._on_use(True)
        if self._since_key:
            newest_s = self._since_key[-1].captured_mono_s
            for age, frame in zip(range(len(self._since_key) - 1, -1, -1), self._since_key, strict=True):
                subscription.give(frame, newest_s - age * 0.001)
        elif self._replay_frames:
            self.want_key()
        return subscription

    def want_key(self) -> None:
        """Have a key frame made, unless one is already on its way."""
        if not self.is_key_coming:
            self.is_key_coming = True
            self.keys_asked += 1
            self._make_key()

    def begin_scene(self, scene: int) -> None:
        """Something else is shown from now on, beginning with a key frame: nobody is given anything of before.

        What the teacher has switched off, or paused, is thus not replayed to a newcomer, and pictures that are being
        encoded at that instant do not leave.
        """
        self._scene = scene
        self._since_key.clear()
        self.is_key_coming = bool(self._holds or self._subscriptions)
        for subscription in self._subscriptions:
            subscription.begin_scene()

    def deliver(self, frame: EncodedFrame) -> None:
        """Pass a frame of this layer to all its viewers. Loop thread."""
        if frame.scene != self._scene:
            return
        if self._replay_frames:
            if frame.key:
                self.is_key_coming = False
                self._since_key = [frame]
            elif self._since_key:
                self._since_key.append(frame)
                if len(self._since_key) > self._replay_frames or sum(f.size for f in self._since_key) > REPLAY_BYTES:
                    self._since_key.clear()
        for subscription in tuple(self._subscriptions):
            subscription.give(frame, frame.captured_mono_s)

    def remove(self, subscription: Subscription) -> None:
        """Let a viewer out."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            self._maybe_rest()

    def _maybe_rest(self) -> None:
        if not self._subscriptions and not self._holds:
            self._since_key.clear()
            self.is_key_coming = False
            self._on_use(False)
