"""Many viewers in one process: ICE, DTLS and SRTP in full; packets are decrypted and counted, one in twenty is kept.

    python -m benchmarks.peers.fan_viewers --count 20 --whep http://127.0.0.1:9000/whep

Prints a JSON line when all are connected; begins to count at a line on standard input, and prints what came when that
ends. aiortc's own receiving costs too much for 200: a connected viewer's datagrams are taken from aioice before it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import struct
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import av
import httpx
import uvloop
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs import depayload
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    pack_remb_fci,
)
from pylibsrtp._binding import ffi, lib

from benchmarks.peers.janus import Watching
from tests.light_pupils import Count, CountingReceiver

CONNECT_S = 60.0
REPORT_S = 1.0
ESTIMATE_BPS = 3_000_000
LATE_S = 0.1
"""A picture whose last packet came so much later than its quickest sister is late."""
KEEP_EVERY = 20
_HEADER = struct.Struct("!BBHLL")
_BUFFER = bytearray(2048)
_VIEW = memoryview(_BUFFER)
_POINTER = ffi.from_buffer("char[]", _BUFFER)
_LENGTH = ffi.new("int *")


@dataclass(slots=True)
class Flow:
    """What came with one SSRC."""

    first: int
    last: int
    clock_rate_hz: int
    packets: int = 0
    delays_s: list[float] = field(default_factory=list)
    kept: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return self.last - self.first + 1 - self.packets


class Viewer:
    """One connection."""

    def __init__(self, number: int) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_COMPAT))
        self.keeps = number % KEEP_EVERY == 0
        self.flows: dict[int, Flow] = {}
        self.undecrypted = 0
        self.cipher = ""
        self._connected = asyncio.Event()
        self.pc.on("connectionstatechange", self._state)

    def _state(self) -> None:
        if self.pc.connectionState == "connected":
            self._connected.set()

    async def join(self, http: httpx.AsyncClient, whep: str | None, janus: str | None) -> None:
        """Connect."""
        if whep is not None:
            for kind in ("audio", "video"):
                self._never_decode(self.pc.addTransceiver(kind, direction="recvonly"))
            await self.pc.setLocalDescription(await self.pc.createOffer())
            answer = await http.post(whep, content=self.pc.localDescription.sdp)
            answer.raise_for_status()
            await self.pc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        else:
            assert janus is not None
            watching = Watching(http, janus)
            await self.pc.setRemoteDescription(RTCSessionDescription(await watching.offer(), "offer"))
            for transceiver in self.pc.getTransceivers():
                self._never_decode(transceiver)
            await self.pc.setLocalDescription(await self.pc.createAnswer())
            await watching.answer(self.pc.localDescription.sdp)
        await asyncio.wait_for(self._connected.wait(), CONNECT_S)
        dtls: Any = self.pc.getTransceivers()[0].receiver.transport
        self._dtls = dtls
        self.cipher = dtls._ssl.get_selected_srtp_profile().decode()
        self._session = self._dtls._rx_srtp._srtp[0]
        for protocol in self._dtls.transport._connection._protocols:
            self._listen(protocol)

    def _never_decode(self, transceiver: Any) -> None:
        receiver = transceiver.receiver
        receiver.__class__ = CountingReceiver
        receiver.clock_rate_hz = 48_000 if transceiver.kind == "audio" else 90_000
        receiver.count = Count()

    def _listen(self, protocol: Any) -> None:
        theirs, session, unprotect, flows = protocol.datagram_received, self._session, lib.srtp_unprotect, self.flows
        sounds = {c.payloadType for t in self.pc.getTransceivers() if t.kind == "audio" for c in t._codecs}
        unpack, monotonic = _HEADER.unpack_from, time.monotonic

        def received(data: bytes, address: tuple[str, int]) -> None:
            if not 127 < data[0] < 192:
                theirs(data, address)
                return
            if 191 < data[1] < 224:
                return  # sender reports
            size = _LENGTH[0] = len(data)
            _VIEW[:size] = data
            if unprotect(session, _POINTER, _LENGTH):
                self.undecrypted += 1
                return
            bits, kind, sequence, timestamp, ssrc = unpack(_BUFFER)
            flow = flows.get(ssrc)
            if flow is None:
                flow = flows[ssrc] = Flow(sequence, sequence, 48_000 if kind & 0x7F in sounds else 90_000)
            step = (sequence - flow.last) & 0xFFFF
            if step < 0x8000:
                flow.last += step
            flow.packets += 1
            if kind & 0x80 and flow.clock_rate_hz == 90_000:
                flow.delays_s.append(monotonic() - timestamp / 90_000)
            if self.keeps:
                at = 12
                if bits & 0x10:
                    at += 4 + 4 * int.from_bytes(_BUFFER[14:16], "big")
                flow.kept.append((timestamp, bytes(_VIEW[at : _LENGTH[0]])))

        vars(protocol)["datagram_received"] = received

    def report(self) -> None:
        """Send what a browser sends each second: a receiver report and an estimate."""
        pair = self._dtls.transport._connection._nominated.get(1)
        if pair is None or not self.flows:
            return
        infos = [
            RtcpReceiverInfo(ssrc, 0, max(0, flow.lost), flow.last & 0xFFFFFFFF, 0, 0, 0)
            for ssrc, flow in self.flows.items()
        ]
        remb = RtcpPsfbPacket(RTCP_PSFB_APP, 1, 0, pack_remb_fci(ESTIMATE_BPS, list(self.flows)))
        data = self._dtls._tx_srtp.protect_rtcp(bytes(RtcpRrPacket(1, infos)) + bytes(remb))
        pair.protocol.transport.sendto(data, pair.remote_addr)

    def told(self) -> dict[str, Any]:
        flows = self.flows.values()
        delays = [delay - min(flow.delays_s) for flow in flows if flow.delays_s for delay in flow.delays_s]
        return {
            "packets": sum(flow.packets for flow in flows),
            "lost": sum(flow.lost for flow in flows),
            "undecrypted": self.undecrypted,
            "pictures": len(delays),
            "late": sum(delay > LATE_S for delay in delays),
            "decoded": self._decoded() if self.keeps else None,
        }

    def _decoded(self) -> float:
        """Return the share of the kept pictures that decode, from the first key frame on."""
        flow = max(self.flows.values(), key=lambda flow: len(flow.kept))
        codec = next(c for t in self.pc.getTransceivers() for c in t._codecs if c.mimeType == "video/H264")
        pictures: dict[int, bytes] = {}
        for timestamp, payload in flow.kept:
            pictures[timestamp] = pictures.get(timestamp, b"") + depayload(codec, payload)
        streams = list(pictures.values())
        key = next((n for n, stream in enumerate(streams) if b"\x00\x00\x01\x67" in stream), len(streams))
        decoder, whole = av.CodecContext.create("h264", "r"), 0
        for stream in streams[key:]:
            whole += len(decoder.decode(av.Packet(stream)))
        whole += len(decoder.decode(None))
        return whole / max(1, len(streams) - key)


async def attend(count: int, whep: str | None, janus: str | None) -> None:
    """Let ``count`` viewers attend until standard input ends."""
    viewers = [Viewer(number) for number in range(count)]
    async with httpx.AsyncClient(timeout=CONNECT_S) as http:
        for viewer in viewers:
            await viewer.join(http, whep, janus)
    print(json.dumps({"connected": count, "ciphers": sorted({v.cipher for v in viewers})}), flush=True)

    async def report() -> None:
        while True:
            for viewer in viewers:
                viewer.report()
                await asyncio.sleep(REPORT_S / len(viewers))

    reports = asyncio.create_task(report())
    await asyncio.to_thread(sys.stdin.readline)
    for viewer in viewers:
        viewer.flows.clear()
        viewer.undecrypted = 0
    await asyncio.to_thread(sys.stdin.read)
    reports.cancel()
    for viewer in viewers:
        for protocol in viewer._dtls.transport._connection._protocols:
            protocol.transport.close()
    print(json.dumps({"viewers": [viewer.told() for viewer in viewers]}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.fan_viewers", description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--whep")
    parser.add_argument("--janus")
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(attend(given.count, given.whep, given.janus))


if __name__ == "__main__":
    main()
