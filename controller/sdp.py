"""Just enough SDP: is this an offer, and which candidates does a trickle fragment (RFC 8840) hold."""

from __future__ import annotations

import re
from dataclasses import dataclass

from protocol.errors import SignallingError

MOST_SDP_BYTES = 65_536
"""Chromium's offers are 6.5–7.3 kB; the message to the room may hold no more than this."""
MOST_FRAGMENT_BYTES = 16_384
_MOST_CANDIDATES = 64
_MOST_SECTIONS = 8
"""Each is a command to the room; a lesson has four m-lines."""

_CANDIDATE = re.compile(
    r"^candidate:[A-Za-z0-9+/]{1,32} [0-9]{1,5} [A-Za-z]{3,8} [0-9]{1,10} "
    r"[A-Za-z0-9.:_-]{1,255} [0-9]{1,5} typ [ -~]{1,400}$"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""No line of SDP has them (RFC 8866 §9), and one byte of them is six in JSON: the broker would cut our connection."""
_MID = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,16}$")


def check_offer(body: bytes) -> str:
    """Return the offer as text; raise SignallingError ``offer-too-large`` or ``offer-invalid``.

    What is looked for is what every WebRTC offer has (RFC 8829 §5.2.1); whether it can be answered the room says.
    """
    if len(body) > MOST_SDP_BYTES:
        raise SignallingError(f"the offer is larger than {MOST_SDP_BYTES // 1024} KiB", code="offer-too-large")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise SignallingError("the offer is not text; send the SDP of createOffer()") from None
    if _CONTROL.search(text):
        raise SignallingError("the offer holds control characters; send the SDP of createOffer() as it is")
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0] != "v=0":
        raise SignallingError("the offer is not SDP: its first line is not v=0; send the SDP of createOffer()")
    if not any(line.startswith("m=") for line in lines):
        raise SignallingError("the offer has no media section; add a receive-only transceiver first")
    for name in ("a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:"):
        if not any(line.startswith(name) for line in lines):
            raise SignallingError(f"the offer has no {name[2:-1]}; it must be one for WebRTC")
    return text


def username_fragment(sdp: str) -> str | None:
    """Return the first ICE user fragment of an SDP or a fragment of one."""
    found = re.search(r"^a=ice-ufrag:(\S+)\s*$", sdp, re.MULTILINE)
    return found.group(1) if found else None


@dataclass(frozen=True, slots=True)
class Trickle:
    """The candidates of one media section, without ``a=``."""

    mid: str | None
    candidates: tuple[str, ...]
    is_last: bool


def read_fragment(body: bytes) -> tuple[str | None, list[Trickle]]:
    """Return user fragment and candidates of a trickle-ice-sdpfrag; raise SignallingError ``candidate-invalid``.

    What stands in several sections of one mid becomes one.
    """
    if len(body) > MOST_FRAGMENT_BYTES:
        raise SignallingError("the fragment is larger than any browser makes", code="candidate-invalid")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise SignallingError("the fragment is not text", code="candidate-invalid") from None
    if _CONTROL.search(text):
        raise SignallingError("the fragment holds control characters", code="candidate-invalid")
    sections: dict[str | None, list[str]] = {}
    last: set[str | None] = set()
    mid: str | None = None
    ended_everywhere = False
    for line in filter(None, text.replace("\r\n", "\n").split("\n")):
        if line.startswith("m="):
            mid = None
        elif line.startswith("a=mid:"):
            mid = line[6:]
            if not _MID.match(mid):
                raise SignallingError("a=mid is not a token", code="candidate-invalid")
        elif line.startswith("a=candidate:"):
            if not _CANDIDATE.match(line[2:]):
                raise SignallingError(f"not a candidate: {line[:80]!r}", code="candidate-invalid")
            sections.setdefault(mid, []).append(line[2:])
        elif line == "a=end-of-candidates":
            last.add(mid)
            ended_everywhere = ended_everywhere or mid is None
        elif not line.startswith("a="):
            raise SignallingError(f"not a line of a fragment: {line[:80]!r}", code="candidate-invalid")
    if sum(map(len, sections.values())) > _MOST_CANDIDATES:
        raise SignallingError(f"more than {_MOST_CANDIDATES} candidates at once", code="candidate-invalid")
    if not sections and not last:
        raise SignallingError("the fragment holds neither candidates nor their end", code="candidate-invalid")
    mids = list(dict.fromkeys((*sections, *last)))
    if max(len(mids), sum(line.startswith("m=") for line in text.splitlines())) > _MOST_SECTIONS:
        raise SignallingError(f"more than {_MOST_SECTIONS} media sections at once", code="candidate-invalid")
    parts = [Trickle(m, tuple(sections.get(m, ())), m in last or ended_everywhere) for m in mids]
    return username_fragment(text), parts
