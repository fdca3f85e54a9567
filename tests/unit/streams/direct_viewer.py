"""What of aiortc and aioice the direct path touches, on a socket whose other end keeps what comes, or on a relay."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

from aiortc.rtcdtlstransport import State
from aiortc.rtp import HeaderExtensionsMap, RtpPacket
from pylibsrtp import Policy, Session

from agent.streams import wire_path
from agent.streams.clock import VIDEO_RATE_HZ, RoomClock
from agent.streams.direct import DirectSender
from agent.streams.encoders import EncodedFrame
from agent.streams.pacing import Pacer

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
PROFILES = {
    "AES-256-GCM": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44, 16),
    "AES-128-GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28, 16),
    "AES-CM-SHA1-80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30, 10),
}


def extensions_map(**uris: int) -> HeaderExtensionsMap:
    """Return the agreed extensions: ``mid`` and ``send_time`` with their ids."""
    names = {"mid": MID, "send_time": SEND_TIME}
    agreed = HeaderExtensionsMap()
    headers = [SimpleNamespace(uri=names[name], id=number) for name, number in uris.items()]
    agreed.configure(cast("Any", SimpleNamespace(headerExtensions=headers)))
    return agreed


def frame(*payloads: bytes, key: bool = False) -> EncodedFrame:
    """Return a frame that was cut into these payloads."""
    made = EncodedFrame("camera", "720p", key, 1_000.0, ())
    vars(made)["payloads"] = payloads
    return made


class Relay:
    """A transport that is no socket of ours, as aioice's TURN transport."""

    address = ("192.0.2.1", 5)

    def __init__(self, keep: Callable[[bytes], None]) -> None:
        self._keep = keep

    def get_extra_info(self, name: str) -> None:
        return None

    def sendto(self, data: bytes, address: object) -> None:
        self._keep(data)


class Line:
    """A transport that is a socket of ours, and its other end."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.here, self.there = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
        for end in (self.here, self.there):
            end.bind((host, 0))
            end.settimeout(5.0)
        self.there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.address = self.there.getsockname()[:2]

    def get_extra_info(self, name: str) -> socket.socket:
        assert name == "socket"
        return self.here

    def come(self) -> list[bytes]:
        """Return what came since the last call."""
        end = b"that was all"
        self.here.sendto(end, self.there.getsockname())
        return list(iter(lambda: self.there.recv(2_000), end))

    def close(self) -> None:
        self.here.close()
        self.there.close()


OPEN: list[Viewer] = []
"""Whose sockets are closed after each test (conftest.py)."""


class Dtls:
    """aiortc's DTLS transport, as far as the direct path knows it."""

    def __init__(self, srtp: Session, transport: object) -> None:
        self._tx_srtp, self.transport = srtp, transport
        self._state = State.CONNECTED
        self._listeners: list[Callable[[], None]] = []

    def on(self, event: str, listener: Callable[[], None]) -> None:
        assert event == "statechange"
        self._listeners.append(listener)

    def end(self) -> None:
        """Let the connection be closed by the other end."""
        self._state = State.CLOSED
        for listener in self._listeners:
            listener()


@dataclass
class Viewer:
    """One track of one viewer, on a clock that stands still until it is moved."""

    profile: str = "AES-256-GCM"
    first_sequence: int = 5
    rtx_payload_type: int | None = 103
    extensions: HeaderExtensionsMap = field(default_factory=lambda: extensions_map(mid=1, send_time=2))
    mono_s: float = 1_000.0
    sender: DirectSender = field(init=False)
    path: wire_path.DirectPath = field(init=False)
    line: Line = field(init=False, default_factory=Line)
    signs: int = field(init=False, default=0)
    timers: list[tuple[float, Callable[[], None]]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        OPEN.append(self)
        self._packets: list[bytes] = []
        profile, key_bytes, tag_bytes = PROFILES[self.profile]
        key = os.urandom(key_bytes)

        def session(kind: int) -> Session:
            policy = Policy(key=key, ssrc_type=kind, srtp_profile=profile)
            policy.allow_repeat_tx, policy.window_size = True, 1024
            return Session(policy)

        self._unprotect = session(Policy.SSRC_ANY_INBOUND).unprotect
        self.connection = SimpleNamespace(_nominated={})
        self.dtls = Dtls(session(Policy.SSRC_ANY_OUTBOUND), SimpleNamespace(_connection=self.connection))
        self.clock = RoomClock(epoch_mono_s=1_000.0, epoch_unix_s=1_700_000_000.0)
        pacer = Pacer(lambda: self.mono_s, self._call_later)
        self.sender = DirectSender(self.clock, VIDEO_RATE_HZ, pacer, lambda: self.mono_s, self._sign)
        numbers = wire_path.Numbers(
            102,
            0xABCD,
            self.first_sequence,
            77,
            self.rtx_payload_type,
            0xEF01,
            wire_path.Extensions(self.extensions, "1"),
        )
        self._rtx = iter(range(9, 10_000))
        self.taken = SimpleNamespace(
            is_started=True, numbers=lambda: numbers, next_rtx_sequence=lambda: next(self._rtx)
        )
        self.sender.taken = cast("Any", self.taken)
        self.path = wire_path.DirectPath(self.dtls, tag_bytes)
        self.sender.open(self.path)
        self.begin()

    def begin(self) -> None:
        """Let the sender number its packets."""
        self.nominate(self.line)
        assert self.sender._begin()

    def end(self) -> None:
        """Let the other end close the connection, and close it here too."""
        self.dtls.end()
        self.line.close()

    @property
    def packets(self) -> list[bytes]:
        """What left, protected."""
        self._packets += self.line.come()
        return self._packets

    def number(self, first_sequence: int) -> None:
        """Let the sender begin anew with this number."""
        numbers = replace(self.taken.numbers(), first_sequence=first_sequence)
        self.taken.numbers = lambda: numbers
        self.begin()

    def nominate(self, transport: Line | Relay) -> None:
        """Let ICE nominate a pair."""
        self.connection._nominated[1] = SimpleNamespace(
            remote_addr=transport.address, protocol=SimpleNamespace(transport=transport)
        )

    def _sign(self) -> None:
        self.signs += 1

    def _call_later(self, delay_s: float, call: Callable[[], None]) -> Any:
        timer = (self.mono_s + delay_s, call)
        self.timers.append(timer)
        return SimpleNamespace(cancel=lambda: self.timers.remove(timer))

    def wait(self, seconds: float) -> None:
        """Move the clock, and call what is due meanwhile, at its time."""
        end_s = self.mono_s + seconds
        while self.timers and min(self.timers)[0] <= end_s:
            timer = min(self.timers, key=lambda one: one[0])
            self.timers.remove(timer)
            self.mono_s = max(self.mono_s, timer[0])
            timer[1]()
        self.mono_s = end_s

    def arrived(self) -> list[RtpPacket]:
        """Return what left since the last call, as aiortc at the other end reads it."""
        plain = [self._unprotect(packet) for packet in self.packets]
        self._packets.clear()
        return [RtpPacket.parse(packet, self.extensions) for packet in plain]
