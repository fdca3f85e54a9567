"""A viewer's way out for one track: takes encoded frames, never waits, says how much still waits."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from agent.streams.encoders import EncodedFrame
from agent.streams.wire import Outgoing, Report

if TYPE_CHECKING:
    from agent.streams.lanes import Lane


class ViewerSender(Protocol):
    """Sends one track to one viewer."""

    @property
    def backlog(self) -> int:
        """Frames taken and not yet sent."""
        ...

    @property
    def lane(self) -> Lane | None:
        """What may join others of its layer, so that frames leave without `send`. None: not now, or never."""
        ...

    def send(self, frame: EncodedFrame, stamp_mono_s: float) -> None:
        """Take a frame, to be sent as captured at ``stamp_mono_s``. Never blocks."""
        ...

    def drop_oldest(self) -> None:
        """Forget the oldest frame that waits."""
        ...

    def rest(self) -> None:
        """The track rests for this viewer: send nothing again of what was sent."""
        ...

    def repeat(self, packets_ago: int) -> None:
        """Send the packet again that left so many before the last one: a line that loses may have lost it."""
        ...


class AskingSender(ViewerSender, Protocol):
    """One that calls ``on_key`` when its viewer cannot decode on, ``on_drained`` when it has sent everything."""

    on_key: Callable[[], None]
    on_drained: Callable[[], None]


class AiortcSender:
    """Gives frames to aiortc's own sender, which asks for them: a `ViewerSender` and a `wire.Source`."""

    def __init__(self, on_packet: Callable[[], None] = lambda: None) -> None:
        self.on_key: Callable[[], None] = lambda: None
        self.on_drained: Callable[[], None] = lambda: None
        self._on_packet = on_packet
        self.reported_mono_s: float | None = None
        self.report: Report | None = None
        self.report_came_mono_s = float("-inf")
        """`reported_mono_s` is of whatever was said last."""
        self.estimate_bps: int | None = None
        self.estimated_mono_s = float("-inf")
        self._packets = self._payload_bytes = 0
        self._frames: deque[tuple[EncodedFrame, float]] = deque()
        self._filled = asyncio.Event()

    @property
    def packets(self) -> int:
        return self._packets

    @property
    def payload_bytes(self) -> int:
        return self._payload_bytes

    @property
    def newest(self) -> tuple[int, float] | None:
        return None

    @property
    def lane(self) -> Lane | None:
        return None

    @property
    def backlog(self) -> int:
        return len(self._frames)

    def send(self, frame: EncodedFrame, stamp_mono_s: float) -> None:
        self._frames.append((frame, stamp_mono_s))
        self._filled.set()

    def drop_oldest(self) -> None:
        self._frames.popleft()

    def rest(self) -> None:
        """Nothing: aiortc keeps what it sent."""

    def repeat(self, packets_ago: int) -> None:
        """Nothing: what aiortc sends goes over TURN, mostly by TCP, which loses nothing."""

    async def next_outgoing(self) -> Outgoing:
        while not self._frames:
            self._filled.clear()
            self.on_drained()
            if not self._frames:
                await self._filled.wait()
        frame, stamp_s = self._frames.popleft()
        self._payload_bytes += sum(map(len, frame.payloads))
        return Outgoing(frame.payloads, stamp_s)

    def on_key_wanted(self) -> None:
        self.on_key()

    def on_report(self, report: Report | None, estimate_bps: int | None) -> None:
        self.reported_mono_s = time.monotonic()
        if report is not None:
            self.report, self.report_came_mono_s = report, self.reported_mono_s
        if estimate_bps is not None:
            self.estimate_bps, self.estimated_mono_s = estimate_bps, self.reported_mono_s

    def on_sent(self) -> None:
        self._packets += 1
        self._on_packet()

    def on_sent_again(self) -> None:
        self._on_packet()

    def send_again(self, sequence: int) -> bool:
        return False
