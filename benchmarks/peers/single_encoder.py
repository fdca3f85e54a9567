"""A room as aiortc's own sender gives it to one pupil: an encoder for each track, adapted by REMB alone."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from fractions import Fraction

import av
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack

from agent.media import SAMPLE_RATE_HZ, AudioBlock, Frame
from agent.streams.layers import PictureTrackName

CAMERA_HZ, BOARD_HZ = 30.0, 5.0
SOUND_BLOCKS = 10
"""A sender that is so far behind loses the oldest sound, or it would be late for good."""


class _Pictures(MediaStreamTrack):
    """The newest picture, again and again."""

    kind = "video"

    def __init__(self, rate_hz: float) -> None:
        super().__init__()
        self._rate_hz = rate_hz
        self._newest: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._begun_s = time.monotonic()
        self._number = 0

    def push(self, frame: Frame) -> None:
        if self._newest.done():
            self._newest = asyncio.get_running_loop().create_future()
        self._newest.set_result(frame)

    async def recv(self) -> av.VideoFrame:
        self._number = max(self._number + 1, int((time.monotonic() - self._begun_s) * self._rate_hz))
        await asyncio.sleep(max(0.0, self._begun_s + self._number / self._rate_hz - time.monotonic()))
        frame = av.VideoFrame.from_ndarray((await asyncio.shield(self._newest)).image, format="yuv420p")
        frame.pts, frame.time_base = int(self._number * 90_000 / self._rate_hz), Fraction(1, 90_000)
        return frame


class _Sound(MediaStreamTrack):
    """The blocks in their order."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._blocks: deque[AudioBlock] = deque(maxlen=SOUND_BLOCKS)
        self._filled = asyncio.Event()

    def push(self, block: AudioBlock) -> None:
        self._blocks.append(block)
        self._filled.set()

    async def recv(self) -> av.AudioFrame:
        while not self._blocks:
            self._filled.clear()
            await self._filled.wait()
        block = self._blocks.popleft()
        frame = av.AudioFrame.from_ndarray(block.samples[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, block.sequence * len(block.samples)
        frame.time_base = Fraction(1, SAMPLE_RATE_HZ)
        return frame


class SingleEncoderRoom:
    """Takes what a `Publisher` takes; each viewer has its own encoders."""

    def __init__(self) -> None:
        self._tracks: list[tuple[_Sound, dict[PictureTrackName, _Pictures]]] = []
        self._peers: list[RTCPeerConnection] = []
        self._shown: dict[PictureTrackName, Frame] = {}

    def push_frame(self, track: PictureTrackName, frame: Frame) -> None:
        self._shown[track] = frame
        for _, pictures in self._tracks:
            pictures[track].push(frame)

    def push_sound(self, source: str, block: AudioBlock) -> None:
        for sound, _ in self._tracks:
            sound.push(block)

    async def accept(self, viewer: str, offer: str) -> str:
        """Return the answer to an offer of sound, board and camera. A viewer before is closed: there is one pupil."""
        await self.close()
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        sound = _Sound()
        tracks: dict[PictureTrackName, _Pictures] = {"board": _Pictures(BOARD_HZ), "camera": _Pictures(CAMERA_HZ)}
        for name, frame in self._shown.items():
            tracks[name].push(frame)
        self._peers, self._tracks = [peer], [(sound, tracks)]
        peer.addTransceiver(sound, direction="sendonly")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        h264 = [codec for codec in codecs if codec.mimeType in ("video/H264", "video/rtx")]
        for track in tracks.values():
            peer.addTransceiver(track, direction="sendonly").setCodecPreferences(h264)
        await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return str(peer.localDescription.sdp)

    async def close(self) -> None:
        """Close all connections."""
        peers, self._peers, self._tracks = self._peers, [], []
        await asyncio.gather(*(peer.close() for peer in peers))
