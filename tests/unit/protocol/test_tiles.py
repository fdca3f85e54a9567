"""The messages of the data channel ``tiles``, byte by byte."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.tiles import HEADER_BYTES, MAX_MESSAGE_BYTES, MAX_PICTURE_BYTES, Kind, TileMessage, unpack

BEGIN = TileMessage(Kind.BEGIN, 3, 0, 5, 0, 1920, 1080)
PART = TileMessage(
    Kind.PART, 1, 2, 0xFFFFFFFF, 1500, 1920, 1080, 1664, 960, 256, 120, is_ink=True, is_fine=False, picture=b"RIFF"
)


def test_a_part_is_a_header_and_a_picture() -> None:
    assert PART.pack().hex(" ", 4) == (
        "01010100 00000001 00000002 ffffffff 000005dc 07800438 068003c0 01000078 52494646"
    )
    assert HEADER_BYTES == 32


@pytest.mark.parametrize(
    "message", [BEGIN, PART, replace(PART, is_ink=False, is_fine=True), replace(BEGIN, kind=Kind.END)]
)
def test_what_was_packed_is_read_as_it_was(message: TileMessage) -> None:
    assert unpack(message.pack()) == message


@pytest.mark.parametrize(
    "change",
    [
        {"x_px": 1680},
        {"height_px": 121},
        {"width_px": 0},
        {"x_px": -1},
        {"board_width_px": 0},
        {"board_height_px": 5000},
        {"scene": 1 << 32},
        {"behind_ms": -1},
        {"picture": b""},
        {"picture": bytes(MAX_PICTURE_BYTES + 1)},
        {"kind": Kind.END},
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        replace(PART, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data", [b"", bytes(31), b"\x02" + PART.pack()[1:], b"\x01\x07" + PART.pack()[2:], PART.pack()[:HEADER_BYTES]]
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(data)


def test_the_largest_message_is_what_every_browser_takes() -> None:
    assert len(replace(PART, picture=bytes(MAX_PICTURE_BYTES)).pack()) == MAX_MESSAGE_BYTES
