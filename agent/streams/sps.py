"""How large the pictures are that a sequence parameter set of H.264 announces (ITU-T H.264 §7.3.2.1.1)."""

from __future__ import annotations

_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Profiles whose set says how colours are held."""


def size_px(sps: bytes) -> tuple[int, int]:
    """Return width and height of the pictures, cropped as they are shown. Raises ValueError for what is no such set."""
    bits = _Bits(sps[1:].replace(b"\x00\x00\x03", b"\x00\x00"))
    profile = bits.take(8)
    bits.take(16)
    bits.number()
    chroma, is_separate = 1, False
    if profile in _WITH_CHROMA:
        chroma = bits.number()
        is_separate = chroma == 3 and bits.take(1) == 1
        bits.number()
        bits.number()
        bits.take(1)
        if bits.take(1):
            msg = "the set has scaling lists, which no encoder of ours makes"
            raise ValueError(msg)
    bits.number()
    order = bits.number()
    if order == 0:
        bits.number()
    elif order == 1:
        bits.take(1)
        bits.number()
        bits.number()
        for _ in range(min(bits.number(), 255)):
            bits.number()
    bits.number()
    bits.take(1)
    width, height = (bits.number() + 1) * 16, bits.number() + 1
    frames_only = bits.take(1)
    height *= 16 * (2 - frames_only)
    if not frames_only:
        bits.take(1)
    bits.take(1)
    if bits.take(1):
        left, right, top, bottom = (bits.number() for _ in range(4))
        across = 1 if is_separate or chroma in (0, 3) else 2
        down = (2 if chroma == 1 and not is_separate else 1) * (2 - frames_only)
        width, height = width - across * (left + right), height - down * (top + bottom)
    return width, height


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            msg = "the set ends too early"
            raise ValueError(msg)
        return self._value >> self._left & ((1 << count) - 1)

    def number(self) -> int:
        """Exp-Golomb (§9.1); the signed ones are read over alike."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                msg = "the set holds a number past every bound"
                raise ValueError(msg)
        return (1 << zeros) - 1 + self.take(zeros)
