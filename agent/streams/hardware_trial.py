"""Tries one hardware encoder on real pictures, and decodes them again: ``python -m agent.streams.hardware_trial NAME``.

Prints ``{"why": null}`` when it does all that a lesson needs, else why not.
"""

from __future__ import annotations

import json
import sys

import av
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

from agent.streams import packetize
from agent.streams.hardware import open_hardware
from agent.streams.layers import StreamSettings

WIDTH_PX, HEIGHT_PX = 640, 360
PICTURES, KEY_AT = 24, 12
LEAST_PSNR_DB = 28.0
"""What libx264 makes of these pictures at this rate is above 40 dB."""
_SPS, _BASELINE = 7, 66


def main(name: str) -> str | None:
    """Return why an encoder is not to be used; None when it is."""
    layer = StreamSettings().camera_layers()[0]
    try:
        codec = open_hardware(name, layer, WIDTH_PX, HEIGHT_PX)
    except (av.FFmpegError, ValueError) as error:
        return f"it cannot be opened: {_said(error)}"
    decoder = av.CodecContext.create("h264", "r")
    drawn = [_picture(number) for number in range(PICTURES)]
    seen: list[NDArray[np.uint8]] = []
    keys: list[int] = []
    try:
        for number, image in enumerate(drawn):
            frame = av.VideoFrame.from_ndarray(image, format="yuv420p").reformat(format=codec.pix_fmt)
            frame.pts, frame.time_base = number, codec.time_base
            frame.pict_type = PictureType.I if number == KEY_AT else PictureType.NONE
            packets = codec.encode(frame)
            if len(packets) != 1:
                return f"picture {number} came out as {len(packets)} packets: it holds pictures back"
            units = packetize.nal_units(bytes(packets[0]))
            keys += [number] if packetize.is_key(units) else []
            profiles = {unit[1] for unit in units if unit[0] & 0x1F == _SPS}
            if profiles - {_BASELINE}:
                return f"its profile is {min(profiles)}, not baseline"
            seen += map(_planes, decoder.decode(packets[0]))
        seen += map(_planes, decoder.decode(None))
    except av.FFmpegError as error:
        return f"it failed: {_said(error)}"
    if keys != [0, KEY_AT]:
        return f"key frames are {keys}, not 0 and {KEY_AT}"
    if len(seen) != PICTURES:
        return f"{len(seen)} of {PICTURES} pictures could be decoded"
    worst_db = min(_psnr_db(one, other) for one, other in zip(drawn, seen, strict=True))
    return None if worst_db >= LEAST_PSNR_DB else f"its pictures are bad: {worst_db:.0f} dB"


def _said(error: Exception) -> str:
    return (error.strerror if isinstance(error, av.FFmpegError) else None) or str(error)


def _picture(number: int) -> NDArray[np.uint8]:
    """A bright square that moves over a slope, I420."""
    image = np.full((HEIGHT_PX * 3 // 2, WIDTH_PX), 128, np.uint8)
    image[:HEIGHT_PX] = np.linspace(40, 160, WIDTH_PX, dtype=np.uint8)
    image[100:180, 40 + 8 * number : 120 + 8 * number] = 220
    return image


def _planes(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8)


def _psnr_db(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    error = float(np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2))
    return 10 * float(np.log10(255**2 / max(error, 1e-9)))


if __name__ == "__main__":
    print(json.dumps({"why": main(sys.argv[1])}))  # noqa: T201  # whoever started us reads it
