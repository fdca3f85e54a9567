"""Numbers of one picture: how light, how detailed, where its edges are. Pure, and cheap enough for 4 a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.media import Frame

Floats = NDArray[np.float32]
GREY_SIZE = (320, 180)
SMALL_SIZE = (160, 90)
FINE_WIDTH_PX = 640
SHARP_CELLS, SHARP_COARSE = (12, 8), 20.0
"""Focus is judged in so many cells, columns and rows, where coarse edges are stronger than this."""
_LEVELS = ((np.arange(256) - 16) * (255 / 219)).clip(0, 255)
"""Studio range to the levels that thresholds are given in: 0 is black, 255 white."""
_SOBEL_NOISE = 24.0
"""What white noise of variance 1 adds to the mean squared Sobel gradient: the sum of both kernels' squares."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One picture, measured. Levels are 0 (black) to 255 (white)."""

    points: NDArray[np.uint8]
    """About 320 × 180 of its pixels as they are: no mean takes their noise away."""
    grey: NDArray[np.uint8]
    """320 × 180, studio range."""
    small: Floats
    """160 × 90, levels."""
    mean: float
    deviation: float
    dark_share: float
    """Of pixels below 26."""
    white_share: float
    """Of pixels from 250 on."""
    brightest: float
    """Only 1 % is brighter."""
    entropy_bits: float


def sight(frame: Frame) -> Sight:
    """Measure a picture."""
    light = frame.image[: frame.height_px]
    step = max(1, frame.width_px // GREY_SIZE[0])
    grey = cv2.resize(light, GREY_SIZE, interpolation=cv2.INTER_AREA)
    share = cv2.calcHist([grey], [0], None, [256], [0, 256])[:, 0].astype(np.float64) / grey.size
    mean = float(share @ _LEVELS)
    used = share[share > 0]
    small = cv2.resize(grey, SMALL_SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
    return Sight(
        points=light[::step, ::step].copy(),
        grey=grey.astype(np.uint8, copy=False),
        small=np.clip((small - 16) * (255 / 219), 0, 255),
        mean=mean,
        deviation=float(max(0.0, share @ _LEVELS**2 - mean**2)) ** 0.5,
        dark_share=float(share[_LEVELS < 26].sum()),
        white_share=float(share[_LEVELS >= 250].sum()),
        brightest=float(_LEVELS[min(255, int(np.searchsorted(np.cumsum(share), 0.99)))]),
        entropy_bits=float(-(used * np.log2(used)).sum()),
    )


def difference(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> float:
    """Return the mean absolute difference in levels; 0.0 only when every pixel is the same."""
    return float(cv2.norm(before, now, cv2.NORM_L1)) / now.size


def gradient(picture: Floats) -> Floats:
    """Return the squared Sobel gradient of each pixel."""
    across, down = cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1)
    return (across * across + down * down).astype(np.float32, copy=False)


def noise_variance(before: Floats, now: Floats) -> float:
    """Return the noise's variance in two pictures of one scene; whatever moves in less than half of it is ignored."""
    step = max(2, now.shape[1] // 40)
    apart = (now[::step, ::step] - before[::step, ::step]).ravel()
    apart = np.abs(apart - _middle(apart))  # without a change of the light
    usual = apart[apart <= 4 * max(float(_middle(apart)), 1.0)]
    return float(usual @ usual) / max(len(usual), 1) / 2


def _middle(values: Floats) -> np.float32:
    """Return the median, nearly: of an even number the upper one. A quarter of the time of numpy's."""
    at = values.size // 2
    middle: np.float32 = np.partition(values, at)[at]
    return middle


def detail(picture: Floats, noise: float) -> float:
    """Return the mean squared gradient without what noise of that variance adds to it."""
    return detail_of(gradient(picture), noise)


def detail_of(squared: Floats, noise: float) -> float:
    """Return the same of a gradient that is there already."""
    return max(0.0, float(squared.mean()) - _SOBEL_NOISE * noise)


def mean_of(pictures: Sequence[Floats]) -> Floats:
    """Return the mean of one picture or more."""
    total = pictures[0]
    for picture in pictures[1:]:
        total = total + picture
    return total / np.float32(len(pictures))


def relative_detail(detail: float, mean: float) -> float:
    """Return detail as it were in any light; the 16 keeps noise in the dark from counting for much."""
    return detail / (mean + 16) ** 2


def edges(squared: Floats) -> Floats:
    """Return how strong each pixel's edge is, 0 to 1, relative to the picture's own: the light cancels out."""
    strength = cv2.sqrt(squared)
    usual = float(strength.mean())
    result: Floats = np.tanh(strength / max(3 * usual, 1e-3)).astype(np.float32)
    return result


def likeness(one: Floats, other: Floats) -> float:
    """Return the correlation of two pictures of one size, -1 to 1; 0 where one of them shows nothing."""
    a, b = one.ravel() - one.mean(), other.ravel() - other.mean()
    power = float(a @ a) * float(b @ b)
    return float(a @ b) / power**0.5 if power > 1e-9 else 0.0


def fine_grey(frame: Frame) -> Floats:
    """Return the picture's light at most 640 wide, levels: where focus shows."""
    light: NDArray[np.uint8] = frame.image[: frame.height_px]
    if frame.width_px > FINE_WIDTH_PX:
        height_px = round(frame.height_px * FINE_WIDTH_PX / frame.width_px)
        light = cv2.resize(light, (FINE_WIDTH_PX, height_px), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return light.astype(np.float32) * np.float32(255 / 219)


@dataclass(frozen=True, slots=True)
class Sharpness:
    """How much finer the edges are than a blurred lens could show, in any light alike: the usual cell of the picture.

    A bright slide, or somebody before the lens, is in some cells only.
    """

    fine: float
    """Mean squared gradient of the picture as it is, without noise."""
    coarse: float
    """The same of a quarter of its width."""
    noise: float
    """What the noise adds to ``fine``."""
    value: float
    """``fine`` over ``coarse``, in the median of the cells that show enough to tell."""

    def can_tell(self, least: float) -> bool:
        """Return whether a value of ``least`` could be told from noise."""
        return self.coarse > SHARP_COARSE and least * self.coarse > 0.15 * self.noise


def sharpness(before: Floats, now: Floats) -> Sharpness:
    """Return fine edges over coarse ones, of two pictures of one scene."""
    noise = noise_variance(before, now)
    small = cv2.resize(now, (now.shape[1] // 4, now.shape[0] // 4), interpolation=cv2.INTER_AREA)
    fine = _cells(now) - np.float32(_SOBEL_NOISE * noise)
    coarse = _cells(small.astype(np.float32, copy=False)) - np.float32(_SOBEL_NOISE * noise / 16)
    can_tell = coarse > SHARP_COARSE
    value = float(np.median(np.maximum(fine[can_tell], 0) / coarse[can_tell])) if can_tell.any() else 0.0
    return Sharpness(max(0.0, float(fine.mean())), max(0.0, float(coarse.mean())), _SOBEL_NOISE * noise, value)


def _cells(picture: Floats) -> Floats:
    """Return the mean squared gradient of each cell."""
    return cv2.resize(gradient(picture), SHARP_CELLS, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)


def colour_balance(frame: Frame) -> tuple[float, float, float]:
    """Return red over green and blue over green of the usual surface, and the share of pixels that tell it.

    The median: a screen or clothes of one colour in less than half of the picture change little.
    """
    height_px, width_px = frame.height_px, frame.width_px
    chroma = frame.image.reshape(-1)[height_px * width_px :].reshape(2, height_px // 2, width_px // 2)
    size = (80, 45)
    light, blue_less, red_less = (
        cv2.resize(plane, size, interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
        for plane in (frame.image[:height_px], chroma[0], chroma[1])
    )
    y, u, v = (light - 16) * 1.1644, blue_less - 128, red_less - 128
    red, green, blue = y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u
    channels = np.stack((red, green, blue))
    is_usual = (channels.min(axis=0) > 20) & (channels.max(axis=0) < 245)
    share = float(is_usual.mean())
    if share < 0.05:
        return 1.0, 1.0, 0.0
    green = green[is_usual]
    return float(np.median(red[is_usual] / green)), float(np.median(blue[is_usual] / green)), share
