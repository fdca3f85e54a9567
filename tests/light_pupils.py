"""Pupils that must not disturb: ICE, DTLS, SRTP and reports as a browser, packets decrypted and counted, none decoded.

    python -m tests.light_pupils --count 4 --centre http://127.0.0.1:8470 --link=SECRET
    python -m tests.light_pupils --count 5 --whep http://127.0.0.1:9000/whep --pictures 1

Prints one JSON line when every track of every pupil arrives, and one with what each got when standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.codecs import get_capabilities
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtpPacket

from protocol import channel

CONNECT_S = 20.0
REPORT_S = 2.0
CONNECTS_MOST_S = 60.0
"""Thirty pupils share a core with the room that lets them in."""


@dataclass(slots=True)
class Count:
    """What came of one track; ``pictures`` are ends of pictures (marker bits)."""

    packets: int = 0
    payload_bytes: int = 0
    pictures: int = 0
    first: int | None = None
    last: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, packet: RtpPacket) -> None:
        if self.first is None:
            self.first = self.last = packet.sequence_number
            self.arrived.set()
        step = (packet.sequence_number - self.last) & 0xFFFF
        if step < 0x8000:
            self.last += step
        self.packets += 1
        self.payload_bytes += len(packet.payload)
        self.pictures += packet.marker

    @property
    def lost(self) -> int:
        return 0 if self.first is None else self.last - self.first + 1 - self.packets


class CountingReceiver(RTCRtpReceiver):
    """aiortc's receiver, its RTCP reports included, that counts packets instead of decoding them."""

    count: Count
    clock_rate_hz: int

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        streams = self._RTCRtpReceiver__remote_streams  # type: ignore[attr-defined]  # aiortc's private name
        if packet.ssrc not in streams:
            streams[packet.ssrc] = StreamStatistics(self.clock_rate_hz)
        streams[packet.ssrc].add(packet)
        self.count.add(packet)


@dataclass
class LightPupil:
    """One connection."""

    name: str
    kinds: Sequence[str]
    has_h264: bool = True
    """False: it has VP8 alone, as Debian's Firefox."""
    pc: RTCPeerConnection = field(init=False)
    counts: list[Count] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        # every m-line has its own transport in the offer, as aiortc's answering side wants it; the answer bundles them
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_COMPAT))
        for kind in self.kinds:
            transceiver = self.pc.addTransceiver(kind, direction="recvonly")
            if kind == "video" and not self.has_h264:
                known = get_capabilities("video").codecs
                transceiver.setCodecPreferences([one for one in known if one.mimeType in ("video/VP8", "video/rtx")])
            receiver: Any = transceiver.receiver
            receiver.__class__ = CountingReceiver
            receiver.clock_rate_hz = 48_000 if kind == "audio" else 90_000
            receiver.count = Count()
            self.counts.append(receiver.count)
        self.data = self.pc.createDataChannel(channel.LABEL)
        self.data.on("open", self._greet)

    async def join(self, http: httpx.AsyncClient, url: str, headers: dict[str, str]) -> None:
        """Offer and take the answer."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        offer = self.pc.localDescription.sdp
        answer = await http.post(url, content=offer, headers={"Content-Type": "application/sdp", **headers})
        answer.raise_for_status()
        await self.pc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))

    async def wait_media(self) -> None:
        """Wait until something of every track came."""
        for count in self.counts:
            await count.arrived.wait()

    async def report(self) -> None:
        """Tell the room what arrives, as the pupil's page does."""
        before = [count.pictures for count in self.counts]
        while True:
            await asyncio.sleep(REPORT_S)
            now = [count.pictures for count in self.counts]
            fps = [(after - was) / REPORT_S for after, was in zip(now, before, strict=True)]
            before = now
            if self.data.readyState == "open":
                said = channel.Reception(board_fps=fps[1], camera_fps=fps[-1], is_heard=True, loss_percent=0)
                self.data.send(said.model_dump_json())

    def _greet(self) -> None:
        self.data.send(channel.Hello(name=self.name).model_dump_json())

    def told(self, seconds: float) -> dict[str, Any]:
        names = ("sound", "board", "camera") if len(self.counts) == 3 else ("sound", "camera")
        return {
            name: {
                "packets": count.packets,
                "lost": count.lost,
                "kbps": round(count.payload_bytes * 8 / seconds / 1000),
                "pictures_a_second": round(count.pictures / seconds, 1),
            }
            for name, count in zip(names, self.counts, strict=True)
        }


@asynccontextmanager
async def attending(*arguments: str, count: int) -> AsyncIterator[list[dict[str, Any]]]:
    """Let ``count`` pupils attend in a process of their own; after the block the list has what each got, by track."""
    argv = [sys.executable, "-m", "tests.light_pupils", "--count", str(count), *arguments]
    process = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    got: list[dict[str, Any]] = []
    try:
        connected = await asyncio.wait_for(process.stdout.readline(), CONNECTS_MOST_S)
        assert connected, "the pupils were not connected; what they said stands above"
        yield got
        process.stdin.close()
        got += json.loads(await asyncio.wait_for(process.stdout.readline(), CONNECT_S))["pupils"]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def attend(
    count: int, centre: str | None, link: str | None, whep: str | None, pictures: int, without_h264: int
) -> None:
    """Let ``count`` pupils attend until standard input ends; the last ``without_h264`` of them have VP8 alone."""
    kinds = ("audio", *["video"] * pictures)
    pupils = [
        LightPupil(f"Pupil {number}", kinds, has_h264=number <= count - without_h264) for number in range(1, count + 1)
    ]
    async with httpx.AsyncClient(timeout=CONNECT_S) as http:
        for pupil in pupils:
            headers: dict[str, str] = {}
            url = whep or ""
            if centre is not None:
                joined = await http.post(f"{centre}/api/v1/join", json={"link": link})
                joined.raise_for_status()
                ticket = joined.json()
                headers, url = {"Authorization": f"Bearer {ticket['token']}"}, centre + ticket["whep"]
            await pupil.join(http, url, headers)
        async with asyncio.timeout(CONNECT_S):
            for pupil in pupils:
                await pupil.wait_media()
    began_s = time.monotonic()
    for pupil in pupils:
        for one in pupil.counts:
            one.packets = one.payload_bytes = one.pictures = 0
            one.first = None
    print(json.dumps({"connected": count}), flush=True)  # noqa: T201  # whoever started us reads it
    reports = [asyncio.create_task(pupil.report(), name=pupil.name) for pupil in pupils]
    await asyncio.to_thread(sys.stdin.read)
    seconds = time.monotonic() - began_s
    for task in reports:
        task.cancel()
    told = {"seconds": seconds, "pupils": [pupil.told(seconds) for pupil in pupils]}
    print(json.dumps(told), flush=True)  # noqa: T201  # whoever started us reads it
    await asyncio.gather(*(pupil.pc.close() for pupil in pupils))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.light_pupils", description=__doc__)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--centre", help="the centre's address; with --link")
    parser.add_argument("--link", help="the secret part of a room's link")
    parser.add_argument("--whep", help="a WHEP address that asks for no ticket, instead")
    parser.add_argument("--pictures", type=int, default=2, choices=(1, 2))
    parser.add_argument("--without-h264", type=int, default=0, help="how many of them have VP8 alone")
    given = parser.parse_args()
    asyncio.run(attend(given.count, given.centre, given.link, given.whep, given.pictures, given.without_h264))


if __name__ == "__main__":
    main()
