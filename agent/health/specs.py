"""How long evidence must hold before each check says something, and before it takes it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """What the tracker and its users know of one check.

    A fault is told when, over the last ``on_s`` seconds, at least ``share`` of the looks saw it, and taken back when
    none has seen it for ``off_s``. Looks further apart than ``gap_s`` are not one observation. What cannot be told any
    more (only unknown looks, or none) is kept for ``keep_s``.
    """

    id: str
    on_s: float
    off_s: float
    told_s: float
    """The longest from fault to sentence that the design allows (DESIGN §7)."""
    share: float = 1.0
    gap_s: float = 3.0
    keep_s: float = 30.0
    while_muted: bool = True
    """False: of no interest while the teacher has muted or paused what it is about."""


FAST_TOLD_S = 3.0
STILL_IN_CODEC_TOLD_S = 20.0
"""Of a picture that stands still inside a codec which leaves the noise out (ADR 0009)."""
SLOW_TOLD_S = 30.0
HOST_TOLD_S = 60.0


def _fast(id: str, *, on_s: float = 2.0, off_s: float = 2.0) -> CheckSpec:
    return CheckSpec(id, on_s, off_s, FAST_TOLD_S)


def _slow(id: str, *, on_s: float, off_s: float = 10.0, share: float = 0.8, while_muted: bool = True) -> CheckSpec:
    return CheckSpec(id, on_s, off_s, SLOW_TOLD_S, share=share, while_muted=while_muted)


def _voice(id: str, *, on_s: float) -> CheckSpec:
    return _slow(id, on_s=on_s, while_muted=False)


def _host(id: str, *, on_s: float = 0.0, off_s: float = 30.0) -> CheckSpec:
    """Return the spec of what is looked at each 10 to 60 s: two looks in a row, or one where nothing blinks."""
    return CheckSpec(id, on_s, off_s, HOST_TOLD_S, gap_s=90.0, keep_s=180.0)


def _line(id: str) -> CheckSpec:
    """Return the spec of what viewers report: each 5 s a look at the 20 s before; one burst is no fault."""
    return CheckSpec(id, on_s=25.0, off_s=30.0, told_s=HOST_TOLD_S, gap_s=20.0, keep_s=60.0)


_ALL = (
    # The age of the newest picture or block is its own evidence.
    _fast("picture-no-frames", on_s=0.0),
    _fast("picture-black"),
    # What it compares already spans a second.
    _fast("picture-frozen", on_s=1.25),
    _fast("picture-covered", on_s=1.5),
    _slow("picture-blurred", on_s=15.0),
    _slow("picture-over-exposed", on_s=15.0),
    # What it needs to be sure already spans 20 s.
    _slow("picture-under-exposed", on_s=5.0),
    _slow("picture-white-balance", on_s=15.0),
    _slow("picture-flicker", on_s=8.0),
    _slow("picture-moved", on_s=10.0),
    _slow("picture-rate", on_s=5.0),
    _slow("picture-resolution", on_s=10.0),
    _slow("board-picture-no-frames", on_s=0.0),
    _slow("board-picture-black", on_s=20.0, off_s=1.0, share=1.0),
    _fast("sound-dead"),
    _fast("sound-muted"),
    # The driver has asked the sound server, and asked again.
    _fast("sound-wrong-source", on_s=0.0),
    _voice("sound-quiet", on_s=5.0),
    _voice("sound-clipping", on_s=5.0),
    _voice("sound-dc", on_s=5.0),
    _voice("sound-hum", on_s=5.0),
    _voice("sound-noise", on_s=11.0),
    _voice("sound-howl", on_s=3.0),
    _host("host-temperature", on_s=15.0),
    _host("host-throttled"),
    _host("host-load", on_s=15.0),
    _host("host-memory", on_s=15.0),
    _host("host-disk"),
    _host("host-disk-wear"),
    _host("host-clock", on_s=15.0),
    _host("host-link", on_s=15.0),
    _host("host-certificate"),
    _host("host-restarts"),
    _host("host-power"),
    _host("host-usb"),
    _line("line-loss"),
    _line("line-delay"),
    _line("line-jitter"),
    _line("line-rate"),
)
SPECS: Mapping[str, CheckSpec] = {spec.id: spec for spec in _ALL}
"""Every check by its id."""
