"""A computer that shares its screen, as a room sees one: aiortc's own sender with pictures that a test gives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from agent.shared_screen import SharedScreen
from agent.streams.publisher import Publisher


def grey(luma: int, width_px: int = 640, height_px: int = 360) -> av.VideoFrame:
    """Return a picture of one lightness."""
    picture = av.VideoFrame(width_px, height_px, "yuv420p")
    for plane, value in zip(picture.planes, (luma, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return picture


class Screen(MediaStreamTrack):
    """Shows ``picture``, which a test may change, ten times a second."""

    kind = "video"

    def __init__(self, picture: av.VideoFrame) -> None:
        super().__init__()
        self.picture = picture
        self._began_s = time.monotonic()
        self._number = 0

    async def recv(self) -> Any:
        self._number += 1
        await asyncio.sleep(max(0.0, self._began_s + self._number / 10 - time.monotonic()))
        picture = self.picture.reformat(format="yuv420p")
        picture.pts, picture.time_base = self._number * 9_000, Fraction(1, 90_000)
        return picture


class ScreenSender:
    """One connection of the page that shares; ``loses`` says which of its RTP packets get lost on the way."""

    def __init__(self, luma: int) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.screen = Screen(grey(luma))
        self.pc.addTransceiver(self.screen, direction="sendonly")

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return str(self.pc.localDescription.sdp)

    async def take(self, answer: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def share(self, shared: SharedScreen, sender: str, holder: str) -> None:
        """Offer to the room and take its answer."""
        await self.take(await shared.accept(sender, await self.offer(), (), holder))

    def lose(self, is_lost: Callable[[int], bool]) -> None:
        """Lose each packet for whose number, counted from 0, this is true; reports and repairs count too."""
        [transceiver] = self.pc.getTransceivers()
        transport: Any = transceiver.sender.transport
        send, count = transport._send_rtp, iter(range(1_000_000))

        async def lossy(data: bytes) -> None:
            if not is_lost(next(count)):
                await send(data)

        transport._send_rtp = lossy

    def vanish(self) -> None:
        """Say nothing any more, not even goodbye."""
        self.lose(lambda number: True)


def luma_of(publisher: Publisher) -> int | None:
    """Return how light the board's picture is that pupils are sent; None while it is a stand-in."""
    shown = publisher.board_shown()
    if shown is None:
        return None
    frame = shown.frame()
    return round(float(frame.image[: frame.height_px].mean()))


def shows(publisher: Publisher, luma: int) -> bool:
    """Say whether pupils are sent this grey."""
    found = luma_of(publisher)
    return found is not None and abs(found - luma) <= 4
