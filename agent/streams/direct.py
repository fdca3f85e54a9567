"""The direct path: a viewer's packets from one shared image, protected in place, straight to the kernel.

aiortc goes on with everything but the packets themselves: SDP, ICE, DTLS, sender reports, and what RTCP brings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from agent.streams.clock import RoomClock
from agent.streams.datagrams import WORKBENCH, Burst, Headers, Shape
from agent.streams.encoders import EncodedFrame
from agent.streams.history import History, RepairBudget
from agent.streams.pacing import Pacer, pace_bps
from agent.streams.senders import AiortcSender
from agent.streams.wire import DirectPath, Numbers, TakenSender

LATE_S = 0.005
"""A timer that comes at most so late is made up for."""


class DirectSender(AiortcSender):
    """A `ViewerSender` of one track of one viewer, by the direct path whenever that is a socket of ours.

    Until then, through TURN above all, frames go through aiortc's sender as its parent lets them. The pair that ICE has
    nominated is looked at for each frame. Once this object has numbered packets itself it goes on doing so: aiortc's
    sender cannot be told where to go on, so after a change *to* TURN our packets are handed to aioice, one by one.
    """

    def __init__(
        self,
        clock: RoomClock,
        rate_hz: int,
        pacer: Pacer,
        now: Callable[[], float],
        on_packet: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(on_packet)
        self.taken: TakenSender | None = None
        """aiortc's sender, once it is taken over: its reports tell of our packets."""
        self._clock, self._rate_hz, self._pacer, self._now = clock, rate_hz, pacer, now
        self._path: DirectPath | None = None
        self._numbers: Numbers | None = None
        self._history = History()
        self._keep = self._history.add
        self._repairs = RepairBudget()
        self._bursts: deque[tuple[EncodedFrame, float, Burst, bool]] = deque()
        """What waits for its time: of which frame, captured when, and whether the frame ends with it."""
        self._frames_waiting = 0
        self._free_mono_s = float("-inf")
        """When the line has taken what left, at the pace of this viewer."""
        self._comes_back = False
        """The pacer will call."""

    def open(self, path: DirectPath) -> None:
        """Take the direct path from now on; for as long as it is one."""
        self._path = path

    @property
    def backlog(self) -> int:
        return len(self._frames) + self._frames_waiting

    def send(self, frame: EncodedFrame, stamp_mono_s: float) -> None:
        if self._numbers is None and not self._can_begin():
            super().send(frame, stamp_mono_s)
            return
        path = self._path
        assert path is not None
        if path.is_direct() is None:
            return  # being closed: ICE or DTLS has ended, and aiortc's sender too would send nothing more
        bursts = frame.images.get(self._shape) or frame.bursts(self._shape)
        if not self._bursts and len(bursts) == 1:
            self._leave(path, frame, stamp_mono_s, bursts[0])
            return
        self._bursts.extend((frame, stamp_mono_s, burst, burst is bursts[-1]) for burst in bursts)
        self._frames_waiting += 1
        if not self._comes_back:
            self._leave_in_time()

    def drop_oldest(self) -> None:
        if self._frames:
            super().drop_oldest()
            return
        while not self._bursts.popleft()[3]:
            pass
        self._frames_waiting -= 1

    def rest(self) -> None:
        """Send nothing again of what was sent: on a line that it flooded, the repairs would go on with that."""
        self._history.clear()

    def repeat(self, packets_ago: int) -> None:
        """Send the packet again that left so many before the last one, the same to the bit: who has it drops it."""
        if self._numbers is not None and self.packets > packets_ago:
            self.send_again((self._sequence - 1 - packets_ago) & 0xFFFF)

    def send_again(self, sequence: int) -> bool:
        if self._numbers is None:
            return False
        now_s = self._now()
        path, found = self._path, self._history.find(sequence, now_s)
        if path is None or path.is_direct() is None or found is None or not self._repairs.take(now_s):
            return True
        numbers, (sent, index) = self._numbers, found
        _, _, _, frame, rtp, sent_mono_s = sent
        payloads = frame.payloads
        payload_type, ssrc, payload = numbers.payload_type, numbers.ssrc, payloads[index]
        if numbers.rtx_payload_type is not None:
            assert self.taken is not None
            payload_type, ssrc = numbers.rtx_payload_type, numbers.rtx_ssrc
            payload = sequence.to_bytes(2, "big") + payload
            sequence = self.taken.next_rtx_sequence()
        # Without RTX it must be the same packet to the bit: another one of its number would be sealed with its nonce.
        header = self._headers.single(
            payload_type,
            ssrc,
            marker=index == len(payloads) - 1,
            sequence=sequence,
            rtp=rtp,
            send_time=self._clock.send_time(sent_mono_s if numbers.rtx_payload_type is None else now_s),
        )
        path.send_packet(header + payload)
        self.on_sent_again()
        return True

    def _can_begin(self) -> bool:
        path, taken = self._path, self.taken
        if path is None or taken is None or self._frames or not taken.is_started or not path.is_direct():
            return False
        numbers = self._numbers = taken.numbers()
        self._sequence, self._origin_rtp = numbers.first_sequence, numbers.origin_rtp
        self._headers = Headers(numbers.payload_type, numbers.ssrc, numbers.extensions)
        self._shape = Shape(self._headers.size, path.tag_bytes)
        return True

    def _leave(self, path: DirectPath, frame: EncodedFrame, stamp_mono_s: float, burst: Burst) -> None:
        now_s, sequence = self._now(), self._sequence
        rtp = (self._origin_rtp + self._clock.rtp(stamp_mono_s, self._rate_hz)) & 0xFFFFFFFF
        self._headers.write(burst, sequence, rtp, self._clock.send_time(now_s))
        self._sequence = (sequence + burst.packets) & 0xFFFF
        path.send_burst(WORKBENCH, burst)
        packets = burst.packets
        self._keep((sequence, packets, burst.first, frame, rtp, now_s))
        self.packets += packets
        self.payload_bytes += burst.payload_bytes
        taken = self.taken
        assert taken is not None
        taken.sent_rtp, taken.sent_mono_s = rtp, stamp_mono_s
        self._on_packet()

    def _leave_in_time(self) -> None:
        """Let bursts go that may, and come back for the next."""
        self._comes_back = False
        now_s, path = self._now(), self._path
        if not self._bursts or path is None or path.is_direct() is None:
            self._bursts.clear()
            self._frames_waiting = 0
            return
        while self._bursts and self._free_mono_s <= now_s:
            frame, stamp_s, burst, is_last = self._bursts.popleft()
            self._leave(path, frame, stamp_s, burst)
            self._frames_waiting -= is_last
            pause_s = burst.payload_bytes * 8 / pace_bps(self.estimate_bps)
            self._free_mono_s = pause_s + (now_s if now_s - self._free_mono_s > LATE_S else self._free_mono_s)
        if self._bursts:
            self._comes_back = True
            self._pacer.call_at(self._free_mono_s, self._leave_in_time)
        else:
            self.on_drained()
