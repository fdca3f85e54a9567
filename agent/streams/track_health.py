"""How each track of a lesson does, in numbers, for the panel and the room's health."""

from __future__ import annotations

from dataclasses import dataclass

from agent.streams.layers import PictureTrackName, TrackName
from agent.streams.picture_track import StandInReason
from agent.streams.programme import Programme
from agent.streams.tracks import RoomTracks


@dataclass(frozen=True, slots=True)
class TrackHealth:
    """How a track does, counted since the lesson began. ``stand_in`` says why not the device's own is sent."""

    track: TrackName
    stand_in: StandInReason | None
    is_device_away: bool
    viewers: int
    frames_in: int
    """Pictures or 20 ms blocks that the device gave."""
    frames_dropped: int
    """Of these, not encoded: more than the rate allows, or the encoder was slow; for sound, too late or not placed."""
    frames_encoded: int
    key_frames: int
    bytes_encoded: int
    encode_ms: float
    width_px: int = 0
    height_px: int = 0
    gaps: int = 0
    """Sound only: times a source stopped giving, so that silence was sent."""


def track_health(tracks: RoomTracks, programme: Programme) -> dict[str, TrackHealth]:
    """Return how each track does: ``sound``, ``board``, ``camera``."""
    counted = tracks.counted("sound")
    sound = TrackHealth(
        "sound",
        programme.reason,
        programme.is_away,
        counted.viewers,
        programme.blocks_in,
        programme.blocks_lost + counted.dropped,
        counted.pictures,
        counted.pictures,
        counted.bytes,
        counted.encode_ms,
        gaps=programme.gaps,
    )
    return {"sound": sound, **{track: _picture_health(tracks, track) for track in ("board", "camera")}}


def _picture_health(tracks: RoomTracks, track: PictureTrackName) -> TrackHealth:
    picture, counted = tracks.pictures[track], tracks.counted(track)
    return TrackHealth(
        track,
        picture.reason,
        picture.is_away,
        counted.viewers,
        picture.frames_in,
        picture.frames_dropped + counted.dropped,
        counted.pictures,
        counted.keys,
        counted.bytes,
        counted.encode_ms,
        counted.width_px or picture.size[0],
        counted.height_px or picture.size[1],
    )
