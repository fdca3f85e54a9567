"""The direct path: a viewer's packets from one shared image, protected in place, straight to the kernel.

aiortc goes on with everything but the packets themselves: SDP, ICE, DTLS, sender reports, and what RTCP brings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from agent.streams.clock import RoomClock
from agent.streams.datagrams import Burst, headers
from agent.streams.encoders import EncodedFrame
from agent.streams.history import RepairBudget
from agent.streams.lanes import Lane, Track
from agent.streams.pacing import LATE_S, Pacer, pace_bps
from agent.streams.senders import AiortcSender
from agent.streams.wire import Report, TakenSender
from agent.streams.wire_path import DirectPath, Numbers


class DirectSender(AiortcSender):
    """A `ViewerSender` of one track of one viewer, by the direct path whenever that is a socket of ours.

    Until then, through TURN above all, frames go through aiortc's sender as its parent lets them. Once this object has
    numbered packets itself it goes on doing so: aiortc's sender cannot be told where to go on, so after a change *to*
    TURN our packets are handed to aioice, one by one.
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
        self._clock, self._pacer, self._now = clock, pacer, now
        self._path: DirectPath | None = None
        self._numbers: Numbers | None = None
        self._track = Track(clock, rate_hz, now, on_packet, pacer.call_at)
        self._lane: Lane | None = None
        """None as long as aiortc numbers the packets."""
        self._repairs = RepairBudget()
        self._requests = RepairBudget(burst=200, rate_hz=300.0)
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

    @property
    def packets(self) -> int:
        return super().packets + (self._lane.packets if self._lane else 0)

    @property
    def payload_bytes(self) -> int:
        return super().payload_bytes + (self._lane.payload_bytes if self._lane else 0)

    @property
    def lane(self) -> Lane | None:
        return None if self._bursts else self._lane

    @property
    def newest(self) -> tuple[int, float] | None:
        return self._lane.newest if self._lane else None

    def on_report(self, report: Report | None, estimate_bps: int | None) -> None:
        super().on_report(report, estimate_bps)
        if self._lane:
            self._lane.forget()

    def send(self, frame: EncodedFrame, stamp_mono_s: float) -> None:
        lane = self._lane or self._begin()
        if lane is None:
            super().send(frame, stamp_mono_s)
            return
        assert self._path is not None
        if self._path.is_direct is None:
            return  # being closed: ICE or DTLS has ended, and aiortc's sender too would send nothing more
        bursts = frame.bursts(lane.headers.shape)
        if not self._bursts and len(bursts) == 1:
            lane.send(frame, bursts[0], stamp_mono_s)
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
        if self._lane:
            self._lane.rest()

    def repeat(self, packets_ago: int) -> None:
        """Send the packet again that left so many before the last one, the same to the bit: who has it drops it."""
        if self._lane and self._lane.packets > packets_ago:
            self.send_again((self._lane.sequence - 1 - packets_ago) & 0xFFFF)

    def send_again(self, sequence: int) -> bool:
        lane, numbers, path = self._lane, self._numbers, self._path
        if lane is None or numbers is None or path is None:
            return False
        now_s = self._now()
        if path.is_direct is None or not self._requests.take(now_s):
            return True
        found = lane.find(sequence, now_s)
        if found is None or not self._repairs.take(now_s):
            return True
        (_, _, _, frame, frame_rtp, sent_mono_s), index = found
        payloads = frame.payloads
        payload_type, ssrc, payload = numbers.payload_type, numbers.ssrc, payloads[index]
        if numbers.rtx_payload_type is not None:
            assert self.taken is not None
            payload_type, ssrc = numbers.rtx_payload_type, numbers.rtx_ssrc
            payload = sequence.to_bytes(2, "big") + payload
            sequence = self.taken.next_rtx_sequence()
        # Without RTX it must be the same packet to the bit: another one of its number would be sealed with its nonce.
        header = lane.headers.single(
            payload_type,
            ssrc,
            marker=index == len(payloads) - 1,
            sequence=sequence,
            rtp=lane.rtp(frame_rtp),
            send_time=self._clock.send_time(sent_mono_s if numbers.rtx_payload_type is None else now_s),
        )
        path.send_packet(header + payload)
        self.on_sent_again()
        return True

    def _begin(self) -> Lane | None:
        """Number packets from now on, if they can take the direct path."""
        path, taken = self._path, self.taken
        if path is None or taken is None or self._frames or not taken.is_started or not path.is_direct:
            return None
        numbers = self._numbers = taken.numbers()
        agreed = numbers.extensions
        same = headers(numbers.payload_type, agreed.block, agreed.time_at, path.tag_bytes)
        self._lane = Lane(self._track, path, numbers, same, lambda: pace_bps(self.estimate_bps))
        return self._lane

    def _leave_in_time(self) -> None:
        """Let bursts go that may, and come back for the next."""
        self._comes_back = False
        now_s, path, lane = self._now(), self._path, self._lane
        if not self._bursts or lane is None or path is None or path.is_direct is None:
            self._bursts.clear()
            self._frames_waiting = 0
            return
        while self._bursts and self._free_mono_s <= now_s:
            frame, stamp_s, burst, is_last = self._bursts.popleft()
            lane.send(frame, burst, stamp_s)
            self._frames_waiting -= is_last
            pause_s = burst.layout.payload_bytes * 8 / pace_bps(self.estimate_bps)
            self._free_mono_s = pause_s + (now_s if now_s - self._free_mono_s > LATE_S else self._free_mono_s)
        if self._bursts:
            self._comes_back = True
            self._pacer.call_at(self._free_mono_s, self._leave_in_time)
        else:
            self.on_drained()
