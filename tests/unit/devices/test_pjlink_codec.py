"""PJLink's bytes, from the specification's own examples and from what projectors have been seen to say."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.devices import pjlink_codec as codec
from agent.devices.display import DisplayStatus, Power, UnreadableError


def test_the_md5_login_is_that_of_the_specifications_example() -> None:
    assert codec.md5_prefix("498e4a67", "JBMIAProjectorLink") == b"5d8409bc1c3fa39749434aa3a5c38682"


def test_the_sha256_login_is_that_of_the_specifications_example() -> None:
    theirs, ours = "3db25e10f69c47a85adb24cf361897e0", "c14b279e603d8a5f17e849ba360f2dc5"
    prefix = codec.sha256_prefix(theirs, ours, "JBMIAProjectorLink")
    assert prefix[:32] == ours.encode()
    mixed = f"{int(theirs, 16) ^ int(ours, 16):032x}"
    assert prefix[32:] == hashlib.sha256(f"{mixed}JBMIAProjectorLink".encode()).hexdigest().encode()
    assert prefix[32:] == b"70ab129eac6924d4c129c9c4fcf45be42e1e776325a66db67e5b6eee50f2a692"


@pytest.mark.parametrize(
    ("made", "wire"),
    [
        (codec.command("POWR", "1"), b"%1POWR 1\r"),
        (codec.command("POWR"), b"%1POWR ?\r"),
        (codec.command("INPT", "3A", class_=2), b"%2INPT 3A\r"),
        (codec.command("INNM", "?31", class_=2), b"%2INNM ?31\r"),
        (codec.SEARCH, b"%2SRCH\r"),
        (codec.ASK_SHA256, b"PJLINK 2\r"),
    ],
)
def test_commands_are_these_bytes(made: bytes, wire: bytes) -> None:
    assert made == wire


@pytest.mark.parametrize(("body", "param"), [("POW", "?"), ("POWR", "1\r%1POWR 0"), ("powr", "?"), ("NAME", "x" * 129)])
def test_what_is_no_command_is_refused(body: str, param: str) -> None:
    with pytest.raises(ValueError, match="no PJLink command"):
        codec.command(body, param)


@pytest.mark.parametrize(
    ("line", "login", "random"),
    [
        (b"PJLINK 0", "open", ""),
        (b"PJLINK 1 498e4a67", "md5", "498e4a67"),
        (b"pjlink 1 498E4A67", "md5", "498E4A67"),
        (b"\0\0PJLINK 0", "open", ""),
        (b"PJLINK 2 3db25e10f69c47a85adb24cf361897e0", "sha256", "3db25e10f69c47a85adb24cf361897e0"),
        (b"PJLINK ERRA", "refused", ""),
    ],
)
def test_a_greeting_says_how_to_log_in(line: bytes, login: str, random: str) -> None:
    assert codec.parse_greeting(line) == codec.Greeting(login, random)  # type: ignore[arg-type]  # a parameter is a plain str


@pytest.mark.parametrize("line", [b"", b"SSH-2.0-OpenSSH", b"PJLINK 1", b"PJLINK 1 12", b"PJLINK 3", b"\xff\xfe", b">"])
def test_another_greeting_is_told_to_be_none(line: bytes) -> None:
    with pytest.raises(UnreadableError):
        codec.parse_greeting(line)


@pytest.mark.parametrize(
    ("line", "body", "param", "error"),
    [
        (b"%1POWR=OK", "POWR", "OK", None),
        (b"%1powr=err3", "POWR", "err3", "ERR3"),
        (b"\n%1INF1=Lumi\xc3\xa8re", "INF1", "Lumière", None),
        (b"%2INNM=", "INNM", "", None),
        (b"\0\0%1NAME=ERR5", "NAME", "ERR5", None),
    ],
)
def test_answers_are_read(line: bytes, body: str, param: str, error: str | None) -> None:
    answer = codec.parse_answer(line)
    assert (answer.body, answer.param, answer.error) == (body, param, error)


@pytest.mark.parametrize(
    "line", [b"", b"%1POWR", b"1POWR=OK", b"%1POW=OK", b"HTTP/1.1 400 Bad Request", b"%1NAME=\xff"]
)
def test_what_is_no_answer_is_told(line: bytes) -> None:
    with pytest.raises(UnreadableError):
        codec.parse_answer(line)


@given(st.binary(max_size=200))
def test_any_line_is_read_or_told_to_be_unreadable(line: bytes) -> None:
    for parse in (codec.parse_greeting, codec.parse_answer):
        try:
            parse(line)
        except UnreadableError:
            continue
    codec.parse_search_answer(line)
    codec.parse_notification(line)


@given(st.text("0123456789ABCDEFGHIJ", min_size=4, max_size=4), st.text(max_size=30), st.sampled_from([1, 2]))
def test_what_is_asked_can_be_read_back(body: str, param: str, class_: int) -> None:
    if "\r" in param or param.strip("\0\n") != param:
        return
    wire = codec.command(body, param, class_=class_)
    assert codec.parse_answer(wire[:-1].replace(b" ", b"=", 1)) == codec.Answer(body, param)


@given(st.sampled_from("123456"), st.sampled_from("123456789ABCXYZ"))
def test_inputs_have_one_name_each_and_back(kind: str, number: str) -> None:
    name = codec.input_name(kind + number)
    assert codec.input_code(name) == kind + number == codec.input_code(kind + number.lower())
    assert re.fullmatch(r"[a-z]+-[0-9a-z]", name)


@pytest.mark.parametrize("name", ["hdmi", "hdmi-1", "digital", "digital-0", "digital-10", "7", "", "71", "31 "[:1]])
def test_what_is_no_input_says_how_to_write_one(name: str) -> None:
    with pytest.raises(ValueError, match="digital-1"):
        codec.input_code(name)


def test_letters_and_internal_inputs_are_of_class_2() -> None:
    assert [codec.input_class(code) for code in ("11", "39", "3A", "61")] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("param", "errors", "warnings"),
    [
        ("000000", (), ()),
        ("200000", ("fan",), ()),
        ("021000", ("lamp",), ("temperature",)),
        ("000212", ("cover", "other"), ("filter",)),
    ],
)
def test_the_error_status_names_its_places(param: str, errors: tuple[str, ...], warnings: tuple[str, ...]) -> None:
    assert codec.parse_faults(param) == (errors, warnings)


def test_the_oldest_lamp_counts() -> None:
    assert codec.parse_lamp_hours("820 1") == 820
    assert codec.parse_lamp_hours("820 1 12050 0") == 12050


def test_a_muted_picture_is_told_apart_from_muted_sound() -> None:
    assert [codec.parse_mute(param) for param in ("11", "21", "31", "30", "10")] == [True, False, True, False, False]


def test_a_missing_signal_is_told_apart_from_an_unknown_one() -> None:
    assert [codec.parse_signal(param) for param in ("1920x1080", "-", "*")] == [True, False, None]
    assert [codec.parse_resolution(param) for param in ("1920X1080", "-", "*")] == [(1920, 1080), None, None]


@pytest.mark.parametrize(
    ("parse", "param"),
    [
        (codec.parse_power, "4"), (codec.parse_power, "OK"), (codec.parse_faults, "00000"),
        (codec.parse_faults, "000003"), (codec.parse_lamp_hours, "820"), (codec.parse_lamp_hours, ""),
        (codec.parse_filter_hours, "12 1"), (codec.parse_filter_hours, ""),
        (codec.parse_mute, "40"), (codec.parse_signal, "big"),
    ],
)  # fmt: skip
def test_values_outside_the_specification_are_told(parse: object, param: str) -> None:
    assert callable(parse)
    with pytest.raises(UnreadableError):
        parse(param)


def test_a_status_holds_what_was_said_and_nothing_else() -> None:
    said = {"INPT": "31", "ERST": "010000", "LAMP": "12 1", "FILT": "700", "AVMT": "31", "IRES": "-"}
    assert codec.status_of(Power.ON, said) == DisplayStatus(
        power=Power.ON,
        input="digital-1",
        lamp_hours=12,
        filter_hours=700,
        warnings=("lamp",),
        is_muted=True,
        has_signal=False,
    )
    assert codec.status_of(Power.STANDBY, {}) == DisplayStatus(power=Power.STANDBY)


def test_datagrams_are_told_apart() -> None:
    assert codec.parse_search_answer(b"%2ACKN=AA:bb:cc:dd:ee:0f\r") == "aa:bb:cc:dd:ee:0f"
    assert codec.parse_search_answer(b"%2SRCH\r") is None
    assert codec.parse_notification(b"%2POWR=3\r") == codec.Notification("POWR", "3")
    assert codec.parse_notification(b"%2LKUP=aa:bb:cc:dd:ee:0f\r") == codec.Notification("LKUP", "aa:bb:cc:dd:ee:0f")
    assert codec.parse_notification(b"%2ACKN=aa:bb:cc:dd:ee:0f\r") is None
