"""VISCA as bytes, against the tables of the manuals."""

from __future__ import annotations

import pytest

from agent.devices import visca_codec as codec
from agent.devices.visca_codec import Ack, Answer, Done, Refusal


@pytest.mark.parametrize(
    ("body", "frame"),
    [
        (codec.pan_tilt(-1, 0), "81 01 06 01 18 01 01 03 FF"),
        (codec.pan_tilt(1, 1), "81 01 06 01 18 14 02 01 FF"),
        (codec.pan_tilt(0, -0.5), "81 01 06 01 01 0A 03 02 FF"),
        (codec.pan_tilt(0.001, 0), "81 01 06 01 01 01 02 03 FF"),
        (codec.pan_tilt(1, 1, top_pan=8, top_tilt=5), "81 01 06 01 08 05 02 01 FF"),
        (codec.PAN_TILT_STOP, "81 01 06 01 01 01 03 03 FF"),
        (codec.zoom(1), "81 01 04 07 27 FF"),
        (codec.zoom(-0.5), "81 01 04 07 34 FF"),
        (codec.zoom(0), "81 01 04 07 00 FF"),
        (codec.recall_preset(3), "81 01 04 3F 02 03 FF"),
        (codec.store_preset(127), "81 01 04 3F 01 7F FF"),
        (codec.PT_POSITION, "81 09 06 12 FF"),
        (codec.ZOOM_POSITION, "81 09 04 47 FF"),
        (codec.VERSION, "81 09 00 02 FF"),
        (codec.IF_CLEAR, "81 01 00 01 FF"),
    ],
)
def test_a_request_is_as_the_manual_writes_it(body: bytes, frame: str) -> None:
    assert codec.frame(body) == bytes.fromhex(frame)


def test_a_camera_on_a_serial_line_has_its_own_address() -> None:
    assert codec.frame(codec.IF_CLEAR, 3)[0] == 0x83
    assert codec.parse(b"\xb0\x41\xff", 3) == Ack(1)
    assert codec.parse(b"\x90\x41\xff", 3) is None


@pytest.mark.parametrize(
    ("frame", "reply"),
    [
        ("90 41 FF", Ack(1)),
        ("90 52 FF", Done(2)),
        ("90 50 02 FF", Answer(b"\x02")),
        ("90 60 02 FF", Refusal(0, 2)),
        ("90 61 41 FF", Refusal(1, 0x41)),
    ],
)
def test_an_answer_means_what_the_manual_says(frame: str, reply: object) -> None:
    assert codec.parse(bytes.fromhex(frame)) == reply


@pytest.mark.parametrize(
    "frame", ["", "FF", "90 FF", "90 41", "81 41 FF", "90 41 00 FF", "90 60 FF", "90 30 FF", "90 " * 20]
)
def test_what_is_no_answer_is_none(frame: str) -> None:
    assert codec.parse(bytes.fromhex(frame)) is None


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        ("00 00 00 00 00 00 00 00", (0, 0)),
        ("0F 0F 0F 0F 00 01 02 03", (-1, 0x123)),
        ("08 00 00 00 07 0F 0F 0F", (-32768, 32767)),
        ("00 02 02 00 00 0F 0F 00 00", (0x2200, -256)),
        ("0F 0D 0E 00 00 00 00 00 00", (-0x2200, 0)),
        ("10 00 00 00 00 00 00 00", None),
        ("00 00", None),
    ],
)
def test_a_position_is_signed_in_four_or_five_half_bytes(answer: str, where: tuple[int, int] | None) -> None:
    assert codec.pan_tilt_position(bytes.fromhex(answer)) == where


def test_zoom_and_version_are_read() -> None:
    assert codec.zoom_position(bytes.fromhex("04 00 00 00")) == 0x4000
    assert codec.zoom_position(bytes.fromhex("04 00 00")) is None
    assert codec.version(bytes.fromhex("00 01 05 19 01 00 02")) == (1, 0x0519)
    assert codec.version(b"") is None


def test_frames_are_found_however_the_bytes_come() -> None:
    frames = bytes.fromhex("90 41 FF 90 51 FF")
    splitter = codec.Splitter()
    assert [frame for byte in frames for frame in splitter.feed(bytes((byte,)))] == [frames[:3], frames[3:]]
    assert splitter.feed(frames) == [frames[:3], frames[3:]]
    assert splitter.garbage == 0


def test_bytes_without_an_end_are_thrown_away_and_counted() -> None:
    splitter = codec.Splitter()
    for _ in range(100):
        assert splitter.feed(b"HTTP/1.0 400 Bad Request\r\n") == []
    assert splitter.garbage == 2600


def test_sony_s_packet_is_as_the_manual_writes_it() -> None:
    assert codec.sony_packet(codec.frame(codec.ZOOM_STOP), 7) == bytes.fromhex("0100 0006 00000007 81 01 04 07 00 FF")
    assert codec.sony_packet(codec.frame(codec.VERSION), 0x01020304)[:8] == bytes.fromhex("0110 0005 01020304")
    assert bytes.fromhex("0200 0001 00000000 01") == codec.SONY_RESET


@pytest.mark.parametrize(
    "packet", ["", "0111 0003 00000001", "0111 0004 00000001 90 41 FF", "0100 0003 00000001 90 41 FF"]
)
def test_what_is_none_of_sony_s_packets_is_none(packet: str) -> None:
    assert codec.parse_sony(bytes.fromhex(packet)) is None


def test_sony_s_answer_keeps_its_number() -> None:
    packet = codec.parse_sony(bytes.fromhex("0111 0003 00000009 90 41 FF"))
    assert packet is not None
    assert (packet.kind, packet.number, codec.parse(packet.payload)) == (codec.Payload.REPLY, 9, Ack(1))
