"""Reads an offer and decides which of its m-lines gets, or gives, which track. No connection is touched here."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from aiortc import RTCIceCandidate
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.sdp import MediaDescription, SessionDescription, candidate_from_sdp

from agent.streams.layers import Codec, TrackName
from protocol.errors import SignallingError
from protocol.messages import OnAir

MAX_OFFER_BYTES = 65_536
"""Chromium's offer for our page has about 9 kB, Firefox's 6."""
MAX_LINES = 8
MAX_CANDIDATES = 64
"""For one viewer in all; each may have the room send checks to an address."""
MAX_MID_BYTES = 16
"""RFC 9143 §7.1 recommends three at most: each packet carries it."""
MAX_EXTENSION = 255
"""RFC 8285 §4.3: what the longer form of a header extension has room for."""
_DIGESTS = {"sha-256", "sha-384", "sha-512"}


@dataclass(frozen=True, slots=True)
class Line:
    """One m-line of the offer. ``track`` is what it is given, or gives us; None is answered ``inactive``."""

    kind: str
    mid: str
    track: TrackName | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """An offer understood: its SDP without candidates, the candidates, and what each m-line gets."""

    sdp: str
    lines: tuple[Line, ...]
    candidates: tuple[str, ...]
    primary_mid: str
    """The m-line whose transport all others share (RFC 9143 §7.2)."""
    codec: Codec = "h264"
    """Of its pictures: VP8 only where one of them is not offered in the H.264 that we send."""

    @property
    def is_plain_bundle(self) -> bool:
        """The first m-line carries sound or picture, and its transport is the shared one, as browsers offer."""
        return self.lines[0].kind != "application" and self.lines[0].mid == self.primary_mid

    @property
    def has_channel(self) -> bool:
        """The offer has an m-line for data channels: it is a page's, not a foreign player's."""
        return any(line.kind == "application" for line in self.lines)

    @property
    def tracks(self) -> tuple[TrackName, ...]:
        """The tracks that will be sent, in the order of the m-lines."""
        return tuple(line.track for line in self.lines if line.track is not None)


def read_offer(sdp: str, on_air: OnAir) -> Plan:
    """Return the plan for an offer.

    With two pictures the first is the board and the second the camera; a single picture gets what is on air, the
    camera before the board. Raises SignallingError: ``offer-too-large``, ``offer-invalid``.
    """
    return _plan(sdp, lambda media: _assign(media, on_air))


def read_publish_offer(sdp: str, track: Literal["sound", "board"]) -> Plan:
    """Return the plan for an offer of somebody who sends to us: its first m-line that sends sound, or a picture.

    Raises SignallingError: ``offer-too-large``, ``offer-invalid``.
    """
    return _plan(sdp, lambda media: _sent(media, track))


def _plan(sdp: str, assign: Callable[[Sequence[MediaDescription]], tuple[Line, ...]]) -> Plan:
    if len(sdp) > MAX_OFFER_BYTES:
        raise SignallingError(
            f"the offer has {len(sdp)} characters, more than {MAX_OFFER_BYTES}", code="offer-too-large"
        )
    kept, candidates = [], []
    for line in sdp.splitlines():
        if line.startswith("a=candidate:"):
            candidates.append(line[2:])
        elif line != "a=end-of-candidates":
            kept.append(line)
    bare = "\r\n".join(kept) + "\r\n"
    try:
        description = SessionDescription.parse(bare)
    except Exception as error:  # the parser raises whatever the text provokes: AssertionError, KeyError, StopIteration…
        raise SignallingError("the offer is not an SDP that can be read") from error
    _check(description)
    bundle = next((group.items for group in description.group if group.semantic == "BUNDLE"), [])
    primary = str(bundle[0]) if bundle else description.media[0].rtp.muxId
    lines, codec = assign(description.media), _codec(description.media)
    return Plan(bare, lines, tuple(candidates[:MAX_CANDIDATES]), primary, codec)


def _codec(media: Sequence[MediaDescription]) -> Codec:
    """Return the codec for all pictures of an offer; H.264 where it has neither, and is then refused for it."""
    pictures = [m.rtp.codecs for m in media if m.kind == "video"]
    has_h264 = all(any(_is_our_h264(codec) for codec in codecs) for codecs in pictures)
    has_vp8 = all(any(codec.mimeType.lower() == "video/vp8" for codec in codecs) for codecs in pictures)
    return "h264" if has_h264 or not has_vp8 else "vp8"


def _is_our_h264(codec: RTCRtpCodecParameters) -> bool:
    """Say whether it is baseline in fragments (RFC 6184 §8.1); a profile that is not named is baseline."""
    profile = str(codec.parameters.get("profile-level-id", "42"))
    is_in_fragments = str(codec.parameters.get("packetization-mode", "0")) == "1"
    return codec.mimeType.lower() == "video/h264" and is_in_fragments and profile[:2].lower() == "42"


def _check(description: SessionDescription) -> None:
    media = description.media
    if not 1 <= len(media) <= MAX_LINES:
        raise SignallingError(f"the offer has {len(media)} m-lines, not 1 to {MAX_LINES}")
    mids = [m.rtp.muxId for m in media]
    if not all(mids) or len(set(mids)) != len(mids):
        raise SignallingError("the offer's m-lines do not each have a mid of their own")
    bundled = {str(mid) for group in description.group if group.semantic == "BUNDLE" for mid in group.items}
    if len(media) > 1 and bundled != set(mids):
        raise SignallingError("the offer does not bundle all its m-lines in one transport")
    if sum(m.kind == "application" for m in media) > 1:
        raise SignallingError("the offer has more than one m-line for data channels")
    for m in media:
        if m.kind not in ("audio", "video", "application"):
            raise SignallingError(
                f'the offer has an m-line of kind "{m.kind[:20]}"; audio, video, application are known'
            )
        if m.dtls is None or not any(f.algorithm.lower() in _DIGESTS for f in m.dtls.fingerprints):
            raise SignallingError(f'm-line "{m.rtp.muxId[:20]}" has no a=setup or no SHA-2 fingerprint')
        if len(m.rtp.muxId) > MAX_MID_BYTES:
            raise SignallingError(f"the offer has a mid of {len(m.rtp.muxId)} characters, more than {MAX_MID_BYTES}")
        if any(not 1 <= extension.id <= MAX_EXTENSION for extension in m.rtp.headerExtensions):
            raise SignallingError(f'm-line "{m.rtp.muxId[:20]}" numbers a header extension past {MAX_EXTENSION}')
        if m.ice is None or not m.ice.usernameFragment or not m.ice.password:
            raise SignallingError(f'm-line "{m.rtp.muxId[:20]}" has no ICE name or password')


def _assign(media: Sequence[MediaDescription], on_air: OnAir) -> tuple[Line, ...]:
    receiving = [m for m in media if m.direction in ("recvonly", "sendrecv")]
    pictures = [m.rtp.muxId for m in receiving if m.kind == "video"]
    sounds = [m.rtp.muxId for m in receiving if m.kind == "audio"]
    if not pictures and not sounds:
        raise SignallingError("the offer asks for neither sound nor picture")
    given: dict[str, TrackName] = {}
    if sounds:
        given[sounds[0]] = "sound"
    if len(pictures) == 1:
        given[pictures[0]] = "camera" if on_air.camera or not on_air.board else "board"
    elif pictures:
        given[pictures[0]], given[pictures[1]] = "board", "camera"
    return tuple(Line(m.kind, m.rtp.muxId, given.get(m.rtp.muxId)) for m in media)


def _sent(media: Sequence[MediaDescription], track: Literal["sound", "board"]) -> tuple[Line, ...]:
    kind, what = ("audio", "sound") if track == "sound" else ("video", "picture")
    sent = [m.rtp.muxId for m in media if m.kind == kind and m.direction in ("sendonly", "sendrecv")]
    if not sent:
        raise SignallingError(f"the offer sends no {what}")
    return tuple(Line(m.kind, m.rtp.muxId, track if m.rtp.muxId == sent[0] else None) for m in media)


def read_candidate(line: str) -> RTCIceCandidate | None:
    """Return a candidate from ``candidate:…`` (an ``a=`` before it is allowed); None for the empty line that ends them.

    Raises SignallingError ``candidate-invalid``. A name in ``.local`` (a browser's mDNS name) is passed on as it is.
    """
    text = line.strip().removeprefix("a=").removeprefix("candidate:")
    if not text:
        return None
    try:
        candidate: RTCIceCandidate = candidate_from_sdp(text)
        if not candidate.ip.endswith(".local"):
            ipaddress.ip_address(candidate.ip)
        if not 0 <= candidate.port <= 65_535 or len(text) > 512:
            raise ValueError(candidate.port)
    except Exception as error:  # as with the offer: the parser raises whatever the text provokes
        raise SignallingError("a candidate cannot be read", code="candidate-invalid") from error
    return candidate


def on_line(candidate: RTCIceCandidate, mid: str) -> RTCIceCandidate:
    """Return the candidate for the transport of m-line ``mid``."""
    return replace(candidate, sdpMid=mid, sdpMLineIndex=None)
