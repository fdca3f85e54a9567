"""What is said to a network camera and what its answers mean, as bytes."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from pydantic import ValidationError

from agent.devices.login import UNTOLD, LoginConfig
from agent.devices.rtsp import RtspConfig
from agent.devices.rtsp_words import Place, StreamClock, cannot_connect, greeting, judge_greeting, with_login
from protocol.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceNotFoundError,
    DevicePasswordError,
    DeviceProtocolError,
)

LABEL = 'camera "front"'
PLACE = Place("10.0.0.5", 554)


@pytest.mark.parametrize(
    "address", ["rtsp://10.0.0.5/stream1", "rtsp://camera.school.example:8554/a?b=c", "rtsp://[fd00::5]:554/x"]
)
def test_an_address_is_taken_as_it_is(address: str) -> None:
    assert RtspConfig(address=address).address == address


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.5", "http://10.0.0.5/", "rtsp:///stream", "rtsp://camera:port/", "rtsp://camera:0/", "rtsp://c:99999/",
        "rtsp://camera/a b", "rtsp://camera/a#b", "rtsp://cämera/", "rtsp://camera/\r\nTEARDOWN", "",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="must be rtsp://HOST:PORT/PATH"):
        RtspConfig(address=address)


@pytest.mark.parametrize("address", ["rtsp://admin:secret@10.0.0.5/1", "rtsp://admin:sec/ret@10.0.0.5/1"])
def test_an_address_with_a_password_is_refused_as_a_thing_not_to_be_repeated(address: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RtspConfig(address=address)
    [detail] = caught.value.errors()
    assert detail["type"] == UNTOLD
    assert "sec" not in detail["msg"]


def test_name_and_password_reach_ffmpeg_whatever_is_in_them() -> None:
    address = with_login("rtsp://10.0.0.5:554/1", "adm in", "p@ss:w/rd?#%é", LABEL)
    parts = urlsplit(address)
    assert (parts.hostname, parts.port, parts.path) == ("10.0.0.5", 554, "/1")
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == ("adm in", "p@ss:w/rd?#%é")
    assert with_login("rtsp://10.0.0.5/1", "", "", LABEL) == "rtsp://10.0.0.5/1"


def test_a_login_that_ffmpeg_would_cut_is_refused() -> None:
    assert with_login("rtsp://c/", "admin", "x" * 121, LABEL).count("x") == 121
    with pytest.raises(DevicePasswordError, match=r"too long together.*128 characters.*127") as caught:
        with_login("rtsp://c/", "admin", "x" * 122, LABEL)
    assert "xx" not in caught.value.message


def test_a_password_is_the_one_line_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "camera.password"
    file.write_bytes("pâsse mot \r\n".encode())
    assert LoginConfig(user="admin", password_file=file).password(LABEL) == "pâsse mot "
    assert LoginConfig().password(LABEL) == ""


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe", b"x" * 129, b"one\nother"])
def test_a_file_without_a_password_is_named_and_not_shown(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "camera.password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DevicePasswordError) as caught:
        LoginConfig(user="admin", password_file=file).password(LABEL)
    assert caught.value.message.startswith(f"{LABEL}: ")
    assert str(file) in caught.value.message
    assert "xx" not in caught.value.message


def test_the_stamp_of_a_login_changes_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "camera.password"
    config = LoginConfig(user="admin", password_file=file)
    stamps = [config.login_stamp()]
    for password in ("one", "other"):
        file.write_text(password)
        stamps.append(config.login_stamp())
    assert len(set(stamps)) == 3
    assert config.login_stamp() == stamps[-1]


def test_the_greeting_is_a_whole_rtsp_request() -> None:
    assert greeting("rtsp://10.0.0.5/1").startswith(b"OPTIONS rtsp://10.0.0.5/1 RTSP/1.0\r\nCSeq: 1\r\n")
    assert greeting("rtsp://10.0.0.5/1").endswith(b"\r\n\r\n")


@pytest.mark.parametrize("line", [b"RTSP/1.0 200 OK", b"RTSP/1.0 401 Unauthorized", b"RTSP/1.0 501 Not Implemented"])
def test_any_answer_in_rtsp_is_a_camera(line: bytes) -> None:
    judge_greeting(line + b"\r\n", PLACE, LABEL)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"", DeviceBusyError, "hung up without a word"),
        (b"HTTP/1.1 400 Bad Request\r\n", DeviceProtocolError, r"a web page \(HTTP\)"),
        (b"<HTML><head>", DeviceProtocolError, "a web page"),
        (b"\x90\x60\x02\xff", DeviceProtocolError, "something that is not RTSP"),
        (b"PJLINK 0\r", DeviceProtocolError, "something that is not RTSP"),
        (b"RTSP/1.0 453 Not Enough Bandwidth\r\n", DeviceBusyError, "no further connection"),
        (b"RTSP/1.0 503 Service Unavailable\r\n", DeviceBusyError, "no further connection"),
    ],
)
def test_what_is_no_camera_is_told_apart(answer: bytes, kind: type[DeviceError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        judge_greeting(answer, PLACE, LABEL)
    assert type(caught.value) is kind
    assert caught.value.message.startswith(f"{LABEL}: 10.0.0.5 port 554 ")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "refused"), "nothing listens on port 554; switch RTSP on"),
        (TimeoutError(), "cannot be reached; check its power"),
        (OSError(113, "No route to host"), "cannot be reached; check its power"),
    ],
)
def test_what_is_not_there_says_how_far_we_came(error: OSError, words: str) -> None:
    told = cannot_connect(error, PLACE, LABEL)
    assert isinstance(told, DeviceNotFoundError)
    assert words in told.message


def test_the_clock_of_a_stream_takes_the_network_s_jitter_out() -> None:
    clock, random = StreamClock(), np.random.default_rng(5)
    taken = [number / 15 for number in range(600)]
    arrived = [1000 + at + 0.03 + max(0.0, random.exponential(0.02)) for at in taken]
    given = np.array([clock.captured(at, there) for at, there in zip(taken, arrived, strict=True)])
    assert np.abs(np.diff(given[30:]) - 1 / 15).max() < 0.004
    assert np.abs(given[30:] - 1000.03 - taken[30:]).max() < 0.006
    assert (given <= arrived).all()


def test_the_clock_of_a_stream_follows_a_camera_that_counts_slowly() -> None:
    clock = StreamClock()
    for number in range(15 * 300):  # five minutes at 200 ppm
        at = number / 15
        late_s = 50 + at * 1.0002 - clock.captured(at, 50 + at * 1.0002)
        assert 0 <= late_s < 0.003


def test_the_clock_of_a_stream_survives_a_camera_that_starts_anew() -> None:
    clock = StreamClock()
    given = [clock.captured(at, 10 + number) for number, at in enumerate([100.0, 101.0, 0.0, 1.0, 500.0, 501.0])]
    assert given == [10, 11, 12, 13, 14, 15]


def test_a_picture_without_a_time_has_that_of_its_arrival() -> None:
    clock = StreamClock()
    assert [clock.captured(None, 5.0), clock.captured(0.0, 5.1), clock.captured(None, 5.05)] == [5.0, 5.1, 5.1]
