"""Codes of the second step, by the vectors of the RFCs."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from controller.accounts import totp

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("counter", "code"),
    list(
        enumerate(("755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"))
    ),
)
def test_codes_are_those_of_rfc_4226_appendix_d(counter: int, code: str) -> None:
    assert totp.code_of(SECRET, counter) == code


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ],
)
def test_codes_in_time_are_those_of_rfc_6238_appendix_b(seconds: int, code: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert totp.code_of(SECRET, totp.step_at(at), digits=8) == code
    assert totp.step_of(SECRET, code[2:], at) == totp.step_at(at)


@pytest.mark.parametrize(("off_by", "is_taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_off_by_one_step(off_by: int, is_taken: bool) -> None:
    at = datetime(2026, 9, 1, 8, tzinfo=UTC)
    step = totp.step_at(at) + off_by
    assert totp.step_of(SECRET, totp.code_of(SECRET, step), at) == (step if is_taken else None)


@pytest.mark.parametrize("typed", ["", "28708", "2870822", "abcdef", "２８７０８２", "-287082x", "\ud800"])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert totp.step_of(SECRET, typed, datetime.fromtimestamp(59, UTC)) is None


def test_a_code_may_be_typed_in_groups() -> None:
    assert totp.step_of(SECRET, " 287 082 ", datetime.fromtimestamp(59, UTC)) == 1


def test_apps_read_the_secret_from_its_address() -> None:
    parts = urlsplit(totp.address(SECRET, "Anne & Co", "Estrade centre.example"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Estrade centre.example:Anne & Co"
    said = parse_qs(parts.query)
    assert base64.b32decode(said["secret"][0]) == SECRET
    assert said["issuer"] == ["Estrade centre.example"]


def test_recovery_codes_differ_and_are_read_as_people_type_them() -> None:
    codes = totp.new_recovery_codes()
    assert len(set(codes)) == totp.RECOVERY_CODES == 8
    for code in codes:
        typed = f" {code.upper().replace('-', ' ')} "
        assert totp.recovery_sha256(typed) == totp.recovery_sha256(code)
    assert len({totp.recovery_sha256(code) for code in codes}) == 8
