"""Which m-line gets which track, and what is not an offer."""

from __future__ import annotations

import pytest

from agent.streams.offers import MAX_OFFER_BYTES, read_candidate, read_offer, read_publish_offer
from protocol.errors import SignallingError
from protocol.messages import OnAir

HEAD = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
CODEC = {
    "audio": ["a=rtpmap:111 opus/48000/2"],
    "video": ["a=rtpmap:111 H264/90000", "a=fmtp:111 packetization-mode=1;profile-level-id=42e01f"],
    "application": ["a=sctp-port:5000"],
}


def line(kind: str, mid: int | str, direction: str = "recvonly", *extra: str) -> list[str]:
    profile = "UDP/DTLS/SCTP webrtc-datachannel" if kind == "application" else "UDP/TLS/RTP/SAVPF 111"
    return [
        f"m={kind} 9 {profile}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{mid}",
        f"a={direction}",
        "a=rtcp-mux",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:0123456789012345678901",
        "a=fingerprint:sha-256 " + ":".join(["AA"] * 32),
        "a=setup:actpass",
        *CODEC.get(kind, []),
        *extra,
    ]


def offer(*lines: list[str], bundle: str | None = None) -> str:
    mids = [text[6:] for m in lines for text in m if text.startswith("a=mid:")]
    group = "a=group:BUNDLE " + (" ".join(mids) if bundle is None else bundle)
    return "\r\n".join([*HEAD, group, *[text for m in lines for text in m], ""])


def tracks(sdp: str, on_air: OnAir | None = None) -> list[str | None]:
    return [line.track for line in read_offer(sdp, on_air or OnAir()).lines]


SOUND, BOARD, CAMERA, CHANNEL = line("audio", 0), line("video", 1), line("video", 2), line("application", 3)


def test_the_page_gets_sound_board_and_camera_in_its_order() -> None:
    assert tracks(offer(SOUND, BOARD, CAMERA, CHANNEL)) == ["sound", "board", "camera", None]


@pytest.mark.parametrize(
    ("on_air", "given"),
    [
        (OnAir(), "camera"),
        (OnAir(camera=False), "board"),
        (OnAir(board=False), "camera"),
        (OnAir(camera=False, board=False), "camera"),
    ],
)
def test_a_single_picture_is_what_is_on_air(on_air: OnAir, given: str) -> None:
    assert tracks(offer(line("video", 0), line("audio", 1)), on_air) == [given, "sound"]


def vp8_only(text: str) -> str:
    return text.replace("H264/90000", "VP8/90000")


def test_vp8_is_for_who_does_not_offer_our_h264_for_every_picture() -> None:
    whole = offer(SOUND, BOARD, CAMERA, CHANNEL)
    high = whole.replace("profile-level-id=42e01f", "profile-level-id=640c1f")
    assert read_offer(whole, OnAir()).codec == "h264"
    assert read_offer(vp8_only(whole), OnAir()).codec == "vp8"
    both = whole.replace("a=rtpmap:111 H264/90000", "a=rtpmap:111 H264/90000\r\na=rtpmap:112 VP8/90000")
    assert read_offer(both.replace("SAVPF 111", "SAVPF 111 112"), OnAir()).codec == "h264"
    assert read_offer(high, OnAir()).codec == "h264", "there is neither: it is refused for H.264"
    assert read_offer(both.replace("SAVPF 111", "SAVPF 111 112").replace("42e01f", "640c1f"), OnAir()).codec == "vp8"


def test_sound_alone_is_enough() -> None:
    assert tracks(offer(SOUND)) == ["sound"]


def test_more_than_is_sent_is_left_silent() -> None:
    assert tracks(offer(line("video", 0), line("audio", 1), line("video", 2), line("video", 3), line("audio", 4))) == [
        "board",
        "sound",
        "camera",
        None,
        None,
    ]


def test_what_the_player_wants_to_send_is_not_answered() -> None:
    assert tracks(offer(line("audio", 0, "sendrecv"), line("video", 1, "sendonly"), line("video", 2, "inactive"))) == [
        "sound",
        None,
        None,
    ]


def test_of_what_a_pupil_offers_to_send_the_first_sound_is_taken_and_nothing_else() -> None:
    lines = (line("audio", 0, "recvonly"), line("video", 1, "sendonly"), line("audio", 2, "sendrecv"))
    plan = read_publish_offer(offer(*lines, line("audio", 3, "sendonly")), "sound")
    assert [one.track for one in plan.lines] == [None, None, "sound", None]
    with pytest.raises(SignallingError, match="sends no sound"):
        read_publish_offer(offer(SOUND, BOARD), "sound")


def test_candidates_leave_the_offer_and_are_kept() -> None:
    candidate = "candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host"
    plan = read_offer(offer(line("audio", 0, "recvonly", "a=" + candidate, "a=end-of-candidates")), OnAir())
    assert plan.candidates == (candidate,)
    assert "candidate" not in plan.sdp


def test_the_shared_transport_is_the_first_of_the_bundle() -> None:
    assert read_offer(offer(SOUND, BOARD), OnAir()).is_plain_bundle
    odd = read_offer(offer(SOUND, BOARD, bundle="1 0"), OnAir())
    assert (odd.primary_mid, odd.is_plain_bundle) == ("1", False)
    assert not read_offer(offer(CHANNEL, SOUND), OnAir()).is_plain_bundle


def without(part: str, text: str) -> str:
    return "\r\n".join(row for row in text.split("\r\n") if not row.startswith(part))


BAD = {
    "empty": "",
    "prose": "hello, is this the class?",
    "json": '{"sdp": "v=0"}',
    "no m-line": "\r\n".join([*HEAD, ""]),
    "half an m-line": offer(SOUND) + "m=video\r\n",
    "a payload type that RTCP uses": offer(SOUND).replace("SAVPF 111", "SAVPF 72"),
    "a payload type that is no number": offer(SOUND).replace("SAVPF 111", "SAVPF x"),
    "fmtp of a codec that is not there": offer(SOUND) + "a=fmtp:99 x=1\r\n",
    "a direction of set-up that is none": offer(SOUND).replace("actpass", "sideways"),
    "no set-up": without("a=setup", offer(SOUND)),
    "no fingerprint": without("a=fingerprint", offer(SOUND)),
    "an old fingerprint": offer(SOUND).replace("sha-256", "md5"),
    "no ICE name": without("a=ice-ufrag", offer(SOUND)),
    "no ICE password": without("a=ice-pwd", offer(SOUND)),
    "a mid that each packet would carry": offer(line("video", "m" * 17)),
    "a header extension past what a packet has room for": offer(
        line("video", 0, "recvonly", "a=extmap:300 urn:ietf:params:rtp-hdrext:sdes:mid")
    ),
    "no mid": without("a=mid", offer(SOUND)),
    "one mid twice": offer(SOUND, SOUND),
    "no bundle": without("a=group", offer(SOUND, BOARD)),
    "half a bundle": offer(SOUND, BOARD, bundle="0"),
    "two data channels": offer(SOUND, CHANNEL, line("application", 4)),
    "only a data channel": offer(CHANNEL),
    "nothing to receive": offer(line("audio", 0, "sendonly")),
    "an unknown kind": offer(SOUND, line("text", 7)),
    "nine m-lines": offer(*(line("video", n) for n in range(9))),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_an_offer_is_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(SignallingError) as caught:
        read_offer(BAD[name], OnAir())
    assert caught.value.code == "offer-invalid"
    assert caught.value.message.startswith(("the offer", "m-line"))


def test_a_megabyte_is_not_even_read() -> None:
    with pytest.raises(SignallingError) as caught:
        read_offer(offer(SOUND) + "a=x:" + "y" * 1_000_000, OnAir())
    assert caught.value.code == "offer-too-large"
    assert str(MAX_OFFER_BYTES) in caught.value.message


def test_a_candidate_is_read_with_or_without_its_prefix() -> None:
    text = "candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host generation 0 ufrag abcd network-cost 999"
    for form in (text, "a=" + text):
        candidate = read_candidate(form)
        assert candidate is not None
        assert (candidate.ip, candidate.port, candidate.type) == ("192.0.2.7", 50_000, "host")


def test_a_browsers_hidden_address_is_passed_on() -> None:
    candidate = read_candidate("candidate:1 1 udp 1 0b5e2f3c-8d51-4d5e-b0ad-6d0c6a9f5d0e.local 50000 typ host")
    assert candidate is not None


def test_the_empty_line_ends_the_candidates() -> None:
    assert read_candidate("") is read_candidate("a=candidate:") is None


@pytest.mark.parametrize(
    "text",
    [
        "candidate:1 1 udp",
        "candidate:1 1 udp x 192.0.2.7 50000 typ host",
        "candidate:1 1 udp 1 999.0.2.7 50000 typ host",
        "candidate:1 1 udp 1 example.org 50000 typ host",
        "candidate:1 1 udp 1 192.0.2.7 500000 typ host",
        "candidate:1 1 udp 1 192.0.2.7 50000 typ host " + "x" * 600,
        "hello",
    ],
)
def test_what_is_not_a_candidate_is_refused(text: str) -> None:
    with pytest.raises(SignallingError) as caught:
        read_candidate(text)
    assert caught.value.code == "candidate-invalid"


def test_a_screen_is_the_first_picture_that_is_sent() -> None:
    lines = [line("audio", 0, "sendonly"), line("video", 1, "recvonly"), line("video", 2, "sendonly")]
    plan = read_publish_offer(offer(*lines, line("video", 3, "sendonly")), "board")
    assert [one.track for one in plan.lines] == [None, None, "board", None]
    with pytest.raises(SignallingError, match="sends no picture"):
        read_publish_offer(offer(line("audio", 0, "sendonly")), "board")
