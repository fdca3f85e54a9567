"""SDP: any text is an offer or refused with its code, at the centre and in the room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiortc import RTCPeerConnection
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.streams.offers import read_offer
from controller import sdp
from protocol.errors import SignallingError
from protocol.messages import OnAir
from tests.integration.controller.scripted import FRAGMENT, OFFER
from tests.integration.streams.conftest import open_room

_ODD = st.sampled_from(
    [
        "m=video 9 UDP/TLS/RTP/SAVPF",
        "m=",
        "=",
        "c=IN",
        "a=mid:",
        "a=group:BUNDLE",
        "a=rtpmap:96",
        "a=rtcp-fb:96",
        "a=fmtp:96 x",
        "a=fingerprint:",
        "a=ice-ufrag:",
        "a=ssrc:1",
        "a=extmap:1",
        "a=setup:holdconn",
        "a=sctp-port:99999999",
    ]
)
_LINES = _ODD | st.text(st.characters(exclude_characters="\r\n"), max_size=60)


def _refusal(read: Callable[[], object]) -> str | None:
    """Return the code of what is refused, None for what is taken; any other exception is a bug."""
    try:
        read()
    except SignallingError as error:
        return error.code
    return None


@st.composite
def mutated(draw: st.DrawFn, good: str) -> str:
    """Return the text with some lines taken out, doubled, moved, cut, or replaced by odd ones."""
    lines = good.splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1)) if lines else 0
        match draw(st.integers(0, 4)):
            case 0 if lines:
                del lines[at]
            case 1 if lines:
                lines.insert(draw(st.integers(0, len(lines))), lines[at])
            case 2 if lines:
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case 3 if lines:
                lines[at] = lines[at] + draw(st.text(max_size=10))
            case _:
                lines.insert(at, draw(_LINES))
    return draw(st.sampled_from(["\r\n", "\n"])).join(lines) + "\r\n"


@given(mutated(OFFER) | st.text(max_size=200))
@example("v=0\r\n" + "m=video 9 x\r\n" * 7000)
def test_the_centre_takes_an_offer_or_says_why_not(text: str) -> None:
    code = _refusal(lambda: sdp.check_offer(text.encode("utf-8", "surrogatepass")))
    assert code in (None, "offer-invalid", "offer-too-large")


@given(mutated(FRAGMENT) | st.text(max_size=200), st.binary(max_size=20))
def test_the_centre_takes_candidates_or_says_why_not(text: str, tail: bytes) -> None:
    code = _refusal(lambda: sdp.read_fragment(text.encode("utf-8", "surrogatepass") + tail))
    assert code in (None, "candidate-invalid")


@given(mutated(OFFER) | st.text(max_size=200))
def test_the_room_reads_an_offer_or_says_why_not(text: str) -> None:
    code = _refusal(lambda: read_offer(text, OnAir()))
    assert code in (None, "offer-invalid", "offer-too-large")


async def test_the_room_answers_an_offer_or_says_why_not_and_keeps_no_place_for_it() -> None:
    peer = RTCPeerConnection()
    peer.addTransceiver("audio", direction="recvonly")
    peer.addTransceiver("video", direction="recvonly")
    peer.createDataChannel("lesson")
    await peer.setLocalDescription(await peer.createOffer())
    good = peer.localDescription.sdp
    offers: list[str] = []

    @settings(max_examples=40)
    @given(mutated(good))
    def collect(text: str) -> None:
        offers.append(text)

    collect()
    refused = 0
    async with asyncio.timeout(30), open_room() as room:
        for number, offer in enumerate(offers):
            try:
                assert (await room.publisher.accept(f"v{number}", offer, ())).startswith("v=0")
                await room.publisher.close_viewer(f"v{number}", "left")
            except SignallingError:
                refused += 1
            assert room.publisher.viewers() == ()
    assert 0 < refused < len(offers)
    await peer.close()
