"""What is encoded in a lesson: camera, board and sound, with an encoder and a fan for each of their layers.

A layer is encoded only while somebody uses it or is expected to; the best one of each picture is kept ready.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from agent.media import FrameFilters
from agent.streams.encoders import EncodedFrame, EncoderCounts, Picture, SoundEncoder, VideoEncoder
from agent.streams.fanout import Fan
from agent.streams.layers import PictureTrackName, SoundLayer, StreamSettings, TrackName, VideoLayer
from agent.streams.mixer import Mixed
from agent.streams.picture_track import SLACK, Encoding, PictureTrack
from agent.streams.standin import StandIns
from agent.streams.tile_board import TileBoard

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Counted:
    """What was encoded of a track, all layers together, since the lesson began."""

    viewers: int
    pictures: int
    """Pictures or packets of sound, each counted once in however many layers it is encoded."""
    keys: int
    dropped: int
    bytes: int
    encode_ms: float
    """Of the layer that takes longest."""
    width_px: int
    height_px: int
    """Of the best layer that is encoded."""


@dataclass(slots=True)
class _Sound:
    encoder: SoundEncoder
    is_whole: bool
    """With the pupil who speaks."""
    is_used: bool = False

    def use(self, is_used: bool) -> None:
        self.is_used = is_used
        if is_used:
            self.encoder.start()


class RoomTracks:
    """Owns encoders and fans of one lesson. Lives on the loop; ``on_fault`` hears of an encoder that failed.

    ``hardware`` names an encoder of the machine's own to begin with.
    """

    def __init__(
        self,
        settings: StreamSettings,
        *,
        filters: Mapping[str, FrameFilters] | None,
        loop: asyncio.AbstractEventLoop,
        on_fault: Callable[[BaseException], None],
        hardware: str | None = None,
    ) -> None:
        self._settings = settings
        self._hardware = hardware
        self._loop = loop
        self._on_fault = on_fault
        self._fans: dict[tuple[TrackName, str], Fan] = {}
        self._pictures_encoded: dict[TrackName, int] = dict.fromkeys(("sound", "board", "camera"), 0)
        self._newest_s: dict[TrackName, float] = {}
        self._camera_hz = settings.camera_max_rate_hz
        self._load_counted = (0, 0)
        stand_ins = StandIns()
        self.pictures: dict[PictureTrackName, PictureTrack] = {
            "camera": self._picture_track("camera", settings.camera_layers(), stand_ins, filters),
            "board": self._picture_track("board", settings.board_layers(), stand_ins, filters),
        }
        self.tiles = TileBoard(
            current=self.pictures["board"].current,
            on_loop=loop.call_soon_threadsafe,
            on_fault=on_fault,
            now=time.monotonic,
            call_later=loop.call_later,
        )
        self._sounds = [self._sound(layer) for layer in settings.sound_layers()]
        self._sounds.append(self._sound(settings.without_pupil_layer(), is_whole=False))

    def start(self) -> None:
        """Begin to encode for whoever watches."""
        self._sounds[0].encoder.start()
        for picture in self.pictures.values():
            picture.encodings[0].encoder.start()
            picture.start()

    def stop(self) -> None:
        """Encode nothing more; `join` waits for it."""
        for picture in self.pictures.values():
            picture.close()
        for encoder in self._encoders():
            encoder.stop()
        self.tiles.stop_all()

    async def join(self, timeout_s: float) -> None:
        """Wait for the encoders' threads."""
        threads = (*self._encoders(), self.tiles)
        await asyncio.gather(*(asyncio.to_thread(thread.join, timeout_s) for thread in threads))

    def fan(self, track: TrackName, layer: str) -> Fan:
        """Return a layer's fan."""
        return self._fans[track, layer]

    def best(self, track: TrackName) -> Fan:
        """Return the fan of a track's best layer."""
        return next(fan for (of, _), fan in self._fans.items() if of == track)

    def levels(self) -> dict[TrackName, str]:
        """Return the H.264 level that holds every layer of a track."""
        return {
            track: max(e.encoder.layer.level for e in picture.encodings) for track, picture in self.pictures.items()
        }

    def push_sound(self, block: Mixed) -> None:
        """Encode 20 ms of the room's programme for whoever listens."""
        for sound in self._sounds:
            if sound.is_used:
                sound.encoder.submit(block if sound.is_whole else block.before_pupil())

    def set_rate_share(self, share: float) -> None:
        """Take this share of the pictures that the camera's settings allow."""
        self._camera_hz = self._settings.camera_max_rate_hz * share
        self.pictures["camera"].set_rate(self._camera_hz)

    def encoding_load(self) -> tuple[float, float]:
        """Return the share of its time that the slowest encoder takes, and of pictures dropped since the last call."""
        shares, dropped, encoded = [0.0], 0, 0
        for track, picture in self.pictures.items():
            for encoding in picture.encodings:
                counts, layer = encoding.encoder.counts, encoding.encoder.layer
                dropped += counts.dropped
                encoded += counts.encoded
                if encoding.is_used:
                    rate_hz = min(layer.max_rate_hz, self._camera_hz if track == "camera" else layer.max_rate_hz)
                    shares.append(counts.encode_ms * rate_hz / 1e3)
        before_dropped, before_encoded = self._load_counted
        self._load_counted = dropped, encoded
        new, lost = encoded - before_encoded, dropped - before_dropped
        return max(shares), lost / max(1, new + lost)

    def counted(self, track: TrackName) -> Counted:
        """Return what was encoded of a track."""
        counts = self._counts(track)
        used = [one for one in counts if one.width_px] or [EncoderCounts()]
        fans = [fan for (of, _), fan in self._fans.items() if of == track]
        return Counted(
            viewers=len({id(taker) for fan in fans for taker in fan.takers}),
            pictures=self._pictures_encoded[track],
            keys=sum(one.keys for one in counts),
            dropped=sum(one.dropped for one in counts),
            bytes=sum(one.bytes for one in counts),
            encode_ms=max(one.encode_ms for one in counts),
            width_px=used[0].width_px,
            height_px=used[0].height_px,
        )

    def _counts(self, track: TrackName) -> list[EncoderCounts]:
        if track == "sound":
            return [sound.encoder.counts for sound in self._sounds]
        return [encoding.encoder.counts for encoding in self.pictures[track].encodings]

    def _picture_track(
        self,
        track: PictureTrackName,
        layers: tuple[VideoLayer, ...],
        stand_ins: StandIns,
        filters: Mapping[str, FrameFilters] | None,
    ) -> PictureTrack:
        settings, is_camera = self._settings, track == "camera"
        best = layers[0]
        layers += tuple(layer for layer in settings.vp8_layers() if layer.track == track)
        encodings = [
            Encoding(
                VideoEncoder(
                    layer, self._from_thread(self._encoded), self._from_thread(self._on_fault), self._hardware
                ),
                interval_s=SLACK / layer.max_rate_hz if layer.max_rate_hz < best.max_rate_hz else 0.0,
                stays_open=layer is best,
            )
            for layer in layers
        ]
        picture = PictureTrack(
            track,
            encodings=encodings,
            filters=(filters or {}).get(track),
            stand_in=stand_ins.picture,
            first_size=(best.max_width_px, best.max_height_px),
            max_rate_hz=best.max_rate_hz,
            repeat_s=settings.board_keep_alive_s,
            stand_in_after_s=settings.stand_in_after_s if is_camera else None,
            stand_in_interval_s=settings.stand_in_interval_s,
            on_scene=partial(self._begin_scene, track),
            on_submit=partial(self._submitted, track),
            now=time.monotonic,
            call_later=self._loop.call_later,
        )
        for encoding in encodings:
            layer = encoding.encoder.layer
            self._fans[track, layer.name] = Fan(
                layer.name,
                make_key=partial(picture.make_key, encoding),
                on_use=encoding.use,
                replay_frames=layer.replay_frames,
            )
        return picture

    def _sound(self, layer: SoundLayer, *, is_whole: bool = True) -> _Sound:
        encoder = SoundEncoder(layer, self._from_thread(self._encoded), self._from_thread(self._on_fault))
        sound = _Sound(encoder, is_whole)
        self._fans["sound", layer.name] = Fan(layer.name, make_key=lambda: None, on_use=sound.use, replay_frames=0)
        return sound

    def _begin_scene(self, track: PictureTrackName, scene: int) -> None:
        for (of, _), fan in self._fans.items():
            if of == track:
                fan.begin_scene(scene)
        if track == "board":
            self.tiles.begin_scene()

    def _submitted(self, track: PictureTrackName, picture: Picture, stamp_mono_s: float) -> None:
        if track == "board":
            self.tiles.submit(picture, stamp_mono_s)

    def _encoded(self, frame: EncodedFrame) -> None:
        if frame.captured_mono_s > self._newest_s.get(frame.track, float("-inf")):
            self._newest_s[frame.track] = frame.captured_mono_s
            self._pictures_encoded[frame.track] += 1
        self._fans[frame.track, frame.layer].deliver(frame)

    def _encoders(self) -> list[VideoEncoder | SoundEncoder]:
        pictures = [encoding.encoder for picture in self.pictures.values() for encoding in picture.encodings]
        return [*pictures, *(sound.encoder for sound in self._sounds)]

    def _from_thread(self, function: Callable[[T], None]) -> Callable[[T], None]:
        def post(given: T) -> None:
            self._loop.call_soon_threadsafe(function, given)

        return post
