"""I420 pictures as arrays: their planes, and small BGR parts painted into them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

I420 = NDArray[np.uint8]
"""Shape ``(height_px * 3 // 2, width_px)``, see `agent.media.Frame`."""
Bgr = NDArray[np.uint8]
"""Shape ``(height_px, width_px, 3)``."""


def from_bgr(picture: Bgr) -> I420:
    """Return the picture in I420, BT.601, studio range."""
    image: I420 = np.empty((picture.shape[0] * 3 // 2, picture.shape[1]), np.uint8)
    cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420, dst=image)
    return image


def paste(image: I420, part: Bgr, x: int, y: int) -> None:
    """Paint a BGR part into a picture at ``x, y``; place and size are even."""
    width_px, height_px = image.shape[1], image.shape[0] * 2 // 3
    rows, columns = part.shape[:2]
    converted = from_bgr(part)
    image[y : y + rows, x : x + columns] = converted[:rows]
    small = converted[rows:].reshape(2, rows // 2, columns // 2)
    chroma = image.reshape(-1)[height_px * width_px :].reshape(2, height_px // 2, width_px // 2)
    chroma[:, y // 2 : (y + rows) // 2, x // 2 : (x + columns) // 2] = small


def fill(image: I420, light: int) -> None:
    """Make the whole picture one grey; 16 is black, 235 white."""
    height_px = image.shape[0] * 2 // 3
    image[:height_px] = light
    image[height_px:] = 128


def bt709_to_bt601(image: I420) -> None:
    """Change the picture's colours, in place, from BT.709 to BT.601, both in studio range.

    A tenth of the time swscale takes for it: in YCbCr the change is a small matrix, and most of it is about colour,
    of which there is a quarter as much as of light. Rounding costs at most two levels.
    """
    height_px, width_px = image.shape[0] * 2 // 3, image.shape[1]
    light = image[:height_px]
    blue, red = image.reshape(-1)[height_px * width_px :].reshape(2, height_px // 2, width_px // 2)
    (y_b, y_r), (b_b, b_r), (r_b, r_r) = _MATRIX
    lighter = cv2.addWeighted(blue, y_b, red, y_r, 128 * (1 - y_b - y_r))
    new_blue = cv2.addWeighted(blue, b_b, red, b_r, 128 * (1 - b_b - b_r))
    red[:] = cv2.addWeighted(blue, r_b, red, r_r, 128 * (1 - r_b - r_r))
    blue[:] = new_blue
    lighter = cv2.resize(lighter, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    cv2.addWeighted(light, 1.0, lighter, 1.0, -128, dst=light)


def _to_ycbcr(red: float, blue: float) -> NDArray[np.float64]:
    """Return the matrix from RGB to YCbCr in studio range's steps, given the weights of red and blue in the light."""
    weights = np.array((red, 1 - red - blue, blue))
    blue_less = (np.array((0, 0, 1)) - weights) / (2 * (1 - blue))
    red_less = (np.array((1, 0, 0)) - weights) / (2 * (1 - red))
    return np.array((weights * 219, blue_less * 224, red_less * 224))


_MATRIX: list[list[float]] = (_to_ycbcr(0.299, 0.114) @ np.linalg.inv(_to_ycbcr(0.2126, 0.0722)))[:, 1:].tolist()
"""What Cb and Cr of BT.709 add to Y, Cb and Cr of BT.601 (the Y of the one counts whole in the other)."""
