"""Fragmented MP4 (ISO/IEC 14496-12) as far as a recording needs it: bytes made of values, no I/O.

Pictures are ``avc3`` (ISO/IEC 14496-15 §5.3): parameter sets lie in the pictures themselves, so that another layer or
size in the middle plays on. Sound is Opus, as *Encapsulation of Opus in ISO Base Media File Format* has it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.streams.clock import SOUND_RATE_HZ, VIDEO_RATE_HZ
from agent.streams.layers import PictureTrackName, TrackName
from agent.streams.sps import size_px

TRACK_IDS: dict[TrackName, int] = {"sound": 1, "board": 2, "camera": 3}
RATES_HZ: dict[TrackName, int] = {"sound": SOUND_RATE_HZ, "board": VIDEO_RATE_HZ, "camera": VIDEO_RATE_HZ}

_MOVIE_RATE_HZ = 1_000
_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_IS_KEY, _IS_NO_KEY = 0x02000000, 0x01010000
"""Depends on no other sample; depends on others, and nobody starts there (§8.8.3.1)."""
_MP4_EPOCH_S = 2_082_844_800
"""Seconds from 1904 to 1970."""
_SPS, _PPS = 7, 8
_MOST_CHAPTERS = 255
"""The list counts them in one byte."""
_MOST_TITLE_BYTES = 255


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture or 20 ms of sound: when it begins and how long it stands, in ticks of its track."""

    at: int
    duration: int
    data: bytes
    key: bool


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a decoder of H.264 begins with: a sequence and a picture parameter set."""

    sps: bytes
    pps: bytes


@dataclass(frozen=True, slots=True)
class Chapter:
    """Where something begins, and what a player calls it."""

    at_ms: int
    title: str


def parameters(units: Sequence[bytes]) -> Parameters | None:
    """Return the parameter sets among a picture's NAL units; None when it has not both."""
    sps = next((unit for unit in units if unit[0] & 0x1F == _SPS), None)
    pps = next((unit for unit in units if unit[0] & 0x1F == _PPS), None)
    return Parameters(sps, pps) if sps and pps else None


def picture_data(units: Sequence[bytes]) -> bytes:
    """Return NAL units as a sample holds them, each after its length."""
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def head(
    pictures: Mapping[PictureTrackName, Parameters],
    *,
    duration_ms: int,
    began_unix_s: float,
    chapters: Sequence[Chapter] = (),
) -> bytes:
    """Return what stands before the first fragment; a picture track without parameters has no pictures and no place.

    No fragment depends on it, so it can be made when all is known: length and chapters too.
    """
    made = max(0, min(0xFFFFFFFF, int(began_unix_s) + _MP4_EPOCH_S))
    tracks: list[TrackName] = ["sound", *(name for name in ("board", "camera") if name in pictures)]
    movie = [
        _full(
            b"mvhd",
            struct.pack(">IIIIIH10x", made, made, _MOVIE_RATE_HZ, 0, 0x10000, 0x100),
            _MATRIX,
            struct.pack(">24xI", max(TRACK_IDS.values()) + 1),
        ),
        _track("sound", _sound_entry(), (0, 0), made),
        *(_track(name, _picture_entry(sets), size_px(sets.sps), made) for name, sets in pictures.items()),
        _box(
            b"mvex",
            _full(b"mehd", struct.pack(">Q", duration_ms), version=1),
            *(_full(b"trex", struct.pack(">5I", TRACK_IDS[name], 1, 0, 0, 0)) for name in tracks),
        ),
    ]
    if chapters:
        movie.append(_box(b"udta", _chapters(chapters)))
    return _box(b"ftyp", b"iso6", bytes(4), b"iso6", b"mp41") + _box(b"moov", *movie)


def fragment(sequence: int, runs: Mapping[TrackName, Sequence[Sample]]) -> bytes:
    """Return one fragment: of each track the samples of a stretch of time. It is played without the one before it."""
    runs = {name: samples for name, samples in runs.items() if samples}
    movie = _fragment_head(sequence, runs, {name: 0 for name in runs})
    at, offsets = len(movie) + 8, {}
    for name, samples in runs.items():
        offsets[name] = at
        at += sum(len(sample.data) for sample in samples)
    data = [sample.data for samples in runs.values() for sample in samples]
    return _fragment_head(sequence, runs, offsets) + _box(b"mdat", *data)


def _fragment_head(
    sequence: int, runs: Mapping[TrackName, Sequence[Sample]], offsets: Mapping[TrackName, int]
) -> bytes:
    return _box(
        b"moof",
        _full(b"mfhd", struct.pack(">I", sequence)),
        *(
            _box(
                b"traf",
                _full(b"tfhd", struct.pack(">I", TRACK_IDS[name]), flags=0x020000),  # offsets count from the moof
                _full(b"tfdt", struct.pack(">Q", samples[0].at), version=1),
                _full(
                    b"trun",
                    struct.pack(">Ii", len(samples), offsets[name]),
                    *(
                        struct.pack(">III", one.duration, len(one.data), _IS_KEY if one.key else _IS_NO_KEY)
                        for one in samples
                    ),
                    flags=0x000701,  # has: data offset, durations, sizes, flags
                ),
            )
            for name, samples in runs.items()
        ),
    )


def _track(name: TrackName, entry: bytes, size: tuple[int, int], made: int) -> bytes:
    is_sound = name == "sound"
    kind = b"soun" if is_sound else b"vide"
    # The board is what a player with room for one picture shows, for a player takes the first.
    volume = 0x100 if is_sound else 0
    return _box(
        b"trak",
        _full(
            b"tkhd",
            struct.pack(">IIIII8xHHHH", made, made, TRACK_IDS[name], 0, 0, 0, 0, volume, 0),
            _MATRIX,
            struct.pack(">II", size[0] << 16, size[1] << 16),
            flags=0x3,
        ),
        _box(
            b"mdia",
            _full(b"mdhd", struct.pack(">IIIIHH", made, made, RATES_HZ[name], 0, 0x55C4, 0)),
            _full(b"hdlr", struct.pack(">I4s12x", 0, kind), name.encode() + b"\x00"),
            _box(
                b"minf",
                _full(b"smhd", bytes(4)) if is_sound else _full(b"vmhd", bytes(8), flags=1),
                _box(b"dinf", _full(b"dref", struct.pack(">I", 1), _full(b"url ", flags=1))),
                _box(
                    b"stbl",
                    _full(b"stsd", struct.pack(">I", 1), entry),
                    _full(b"stts", bytes(4)),
                    _full(b"stsc", bytes(4)),
                    _full(b"stsz", bytes(8)),
                    _full(b"stco", bytes(4)),
                ),
            ),
        ),
    )


def _sound_entry() -> bytes:
    # No pre-skip: the stamps say already when a packet is heard, and a recording begins in the middle of the flow.
    opus = _box(b"dOps", struct.pack(">BBHIhB", 0, 1, 0, SOUND_RATE_HZ, 0, 0))
    return _box(b"Opus", struct.pack(">6xH8xHHHHI", 1, 1, 16, 0, 0, SOUND_RATE_HZ << 16), opus)


def _picture_entry(sets: Parameters) -> bytes:
    width_px, height_px = size_px(sets.sps)
    config = _box(
        b"avcC",
        struct.pack(">B3sBB", 1, sets.sps[1:4], 0xFF, 0xE1),  # lengths of 4 bytes, one sequence set
        len(sets.sps).to_bytes(2, "big") + sets.sps,
        b"\x01" + len(sets.pps).to_bytes(2, "big") + sets.pps,
    )
    fixed = struct.pack(">6xH16xHHIIIH32xHh", 1, width_px, height_px, 0x480000, 0x480000, 0, 1, 0x18, -1)
    return _box(b"avc3", fixed, config)


def _chapters(chapters: Sequence[Chapter]) -> bytes:
    """Return Nero's list of chapters, which FFmpeg and VLC read; the format's own wants a track of text."""
    listed = chapters[:_MOST_CHAPTERS]
    body = [struct.pack(">IB", 0, len(listed))]
    for chapter in listed:
        title = chapter.title.encode()[:_MOST_TITLE_BYTES].decode(errors="ignore").encode()
        body.append(struct.pack(">QB", chapter.at_ms * 10_000, len(title)) + title)
    return _full(b"chpl", *body, version=1)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)
