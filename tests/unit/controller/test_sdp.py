"""Offers and trickle fragments, good and bad."""

from __future__ import annotations

import pytest

from controller import sdp
from protocol.errors import SignallingError

HEAD = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
ONE = "candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host"
MDNS = "candidate:2 1 udp 2113937151 4f1d0a5c-0e21-4f4e-9d43-000000000000.local 50001 typ host generation 0"


def test_candidates_are_grouped_by_their_media_section() -> None:
    body = (
        f"{HEAD}m=audio 9 X 0\r\na=mid:0\r\na={ONE}\r\nm=video 9 X 0\r\na=mid:1\r\na={MDNS}\r\na=end-of-candidates\r\n"
    )
    fragment, parts = sdp.read_fragment(body.encode())
    assert fragment == "abcd"
    assert parts == [sdp.Trickle("0", (ONE,), False), sdp.Trickle("1", (MDNS,), True)]


def test_eight_sections_are_taken_and_those_of_one_mid_are_merged() -> None:
    body = "".join(f"m=audio 9 X 0\r\na=mid:{n % 4}\r\na={ONE}\r\n" for n in range(8))
    assert sdp.read_fragment(body.encode())[1] == [sdp.Trickle(str(n), (ONE, ONE), False) for n in range(4)]


def test_the_end_before_any_media_section_is_the_end_of_all() -> None:
    _, parts = sdp.read_fragment(f"{HEAD}a=end-of-candidates\r\nm=audio 9 X 0\r\na=mid:0\r\na={ONE}\r\n".encode())
    assert sdp.Trickle("0", (ONE,), True) in parts


def test_line_ends_of_either_kind_are_taken() -> None:
    assert sdp.read_fragment(f"a=mid:0\na={ONE}\n".encode())[1] == [sdp.Trickle("0", (ONE,), False)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HEAD.encode(),
        b"\xff",
        b"hello",
        b"a=candidate:1 1 udp 1 192.0.2.7 50000 typ",
        b"a=candidate:1 1 udp 1 192.0.2.7; rm 50000 typ host",
        b"a=mid:<script>\r\na=end-of-candidates",
        b"a=candidate:" + b"x" * 20_000,
        ("a=mid:0\r\n" + f"a={ONE}\r\n" * 65).encode(),
        "".join(f"m=audio 9 X 0\r\na=mid:{n}\r\na={ONE}\r\n" for n in range(9)).encode(),
        "".join(f"a=mid:{n}\r\na=end-of-candidates\r\n" for n in range(500)).encode(),
        b"m=audio 9 X 0\r\n" * 9 + f"a=mid:0\r\na={ONE}\r\n".encode(),
        f"a=mid:0\r\na={ONE}\r\na=x:\x01\r\n".encode(),
    ],
)
def test_a_fragment_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(SignallingError) as caught:
        sdp.read_fragment(body)
    assert caught.value.code == "candidate-invalid"


@pytest.mark.parametrize("sign", ["\x00", "\x01", "\x0b", "\x1f", "\x7f"])
def test_an_offer_with_control_characters_is_refused(sign: str) -> None:
    offer = f"v=0\r\ns=-\t-\r\n{HEAD}a=fingerprint:sha-256 AA\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    assert sdp.check_offer(offer.encode()) == offer
    with pytest.raises(SignallingError) as caught:
        sdp.check_offer(f"{offer}a=x:{sign}\r\n".encode())
    assert caught.value.code == "offer-invalid"


def test_an_offer_with_every_part_is_returned_as_it_came() -> None:
    offer = f"v=0\r\n{HEAD}a=fingerprint:sha-256 AA\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    assert sdp.check_offer(offer.encode()) == offer
    assert sdp.username_fragment(offer) == "abcd"
    assert sdp.username_fragment("v=0\r\n") is None
