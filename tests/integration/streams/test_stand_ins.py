"""What viewers get while a device is away, a track is off or the lesson is paused."""

from __future__ import annotations

import av
import numpy as np
import pytest

from agent.media import FrameFilters
from agent.streams.programme import SILENCE_DBFS
from protocol.messages import OnAir
from tests.integration.streams.conftest import Room, open_room
from tests.integration.streams.peer import CountingReceiver, Peer, decoded
from tests.integration.streams.sources import film, picture, speak

pytestmark = pytest.mark.timed

SLATE_Y, BRIGHT_Y = 61, 180


def bright(number: int) -> object:
    return picture(number, luma=BRIGHT_Y)


def scenes(receiver: CountingReceiver, codec: object) -> list[str]:
    """Return the history of what was seen, each once: ``live`` or ``stand-in``."""
    out: list[str] = []
    for frame in decoded(receiver, codec):
        middle = float(np.median(frame.to_ndarray()[: frame.height]))
        scene = "live" if abs(middle - BRIGHT_Y) < 15 else "stand-in" if abs(middle - SLATE_Y) < 15 else f"{middle}"
        if not out or out[-1] != scene:
            out.append(scene)
    return out


def loudness(receiver: CountingReceiver, first: int, last: int) -> float:
    """RMS of the decoded sound between two packets, 0…1."""
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    heard = [
        frame.to_ndarray().astype(np.float64).ravel() / (32_768 if "s16" in frame.format.name else 1)
        for arrival in receiver.arrivals[first:last]
        for frame in decoder.decode(av.Packet(arrival.payload))
    ]
    return float(np.sqrt(np.mean(np.concatenate(heard[5:]) ** 2)))


async def more(peer: Peer, pictures: int) -> None:
    seen = len(peer.camera.pictures())
    await peer.until(lambda: len(peer.camera.pictures()) >= seen + pictures)


async def test_a_camera_that_dies_is_a_stand_in_and_comes_back_on_the_same_connection(room: Room) -> None:
    camera = room.feed(film(room.publisher, "camera", make=bright))  # type: ignore[arg-type]  # a Frame
    peer = Peer()
    await peer.join(room.publisher, "v1")
    await more(peer, 15)
    camera.cancel()
    await peer.until(lambda: room.publisher.tracks()["camera"].stand_in == "away")
    await more(peer, 2)
    room.feed(film(room.publisher, "camera", make=bright))  # type: ignore[arg-type]  # a Frame
    await more(peer, 10)
    await peer.close()
    assert scenes(peer.camera, peer.codec)[-3:] == ["live", "stand-in", "live"]
    assert peer.states[:2] == ["connecting", "connected"]
    assert peer.camera.lost() == 0


async def test_a_pause_shows_the_stand_in_and_is_silent(room: Room) -> None:
    room.feed(film(room.publisher, "camera", make=bright))  # type: ignore[arg-type]  # a Frame
    room.feed(speak(room.publisher))
    peer = Peer()
    await peer.join(room.publisher, "v1")
    await peer.until(lambda: len(peer.sound.arrivals) >= 40 and len(peer.camera.pictures()) >= 20)
    assert room.publisher.level()[0] > -20
    room.publisher.set_on_air(OnAir(), True)
    paused = len(peer.sound.arrivals)
    await peer.until(lambda: len(peer.sound.arrivals) >= paused + 40)
    assert room.publisher.level() == (SILENCE_DBFS, SILENCE_DBFS)
    assert {h.stand_in for h in room.publisher.tracks().values()} == {"paused"}
    room.publisher.set_on_air(OnAir(), False)
    resumed = len(peer.sound.arrivals)
    await peer.until(lambda: len(peer.sound.arrivals) >= resumed + 40)
    await peer.close()
    assert scenes(peer.camera, peer.codec)[-3:] == ["live", "stand-in", "live"]
    assert loudness(peer.sound, 0, paused) > 0.1
    assert loudness(peer.sound, paused + 3, resumed) < 0.001
    assert loudness(peer.sound, resumed + 3, len(peer.sound.arrivals)) > 0.1
    steps = np.diff([a.timestamp for a in peer.sound.arrivals]) & 0xFFFFFFFF
    assert set(steps.tolist()) == {960}, "silence flows like sound"


async def test_a_mute_takes_the_sound_only(room: Room) -> None:
    room.feed(film(room.publisher, "camera", make=bright))  # type: ignore[arg-type]  # a Frame
    room.feed(speak(room.publisher))
    room.publisher.set_on_air(OnAir(sound=False), False)
    peer = Peer()
    await peer.join(room.publisher, "v1")
    await peer.until(lambda: len(peer.sound.arrivals) >= 40)
    await peer.close()
    assert loudness(peer.sound, 0, 40) < 0.001
    assert scenes(peer.camera, peer.codec)[-1] == "live"
    assert room.publisher.tracks()["sound"].stand_in == "off"


async def test_the_preview_is_what_is_sent_mask_and_stand_in_included() -> None:
    filters = FrameFilters()
    filters.add(lambda frame: frame.with_image(np.full_like(frame.image, 128)))
    async with open_room(filters={"camera": filters}) as room:
        room.feed(film(room.publisher, "camera", make=bright))  # type: ignore[arg-type]  # a Frame
        peer = Peer()
        await peer.join(room.publisher, "v1")

        async def previewed(luma: int) -> None:
            def is_there() -> bool:
                jpeg = room.publisher.preview("camera")
                if jpeg is None:
                    return False
                (frame,) = av.CodecContext.create("mjpeg", "r").decode(av.Packet(jpeg))
                assert isinstance(frame, av.VideoFrame)
                shown = float(np.median(frame.to_ndarray()[: frame.height]))
                return abs(shown - (luma - 16) * 255 / 219) < 8

            await peer.until(is_there)

        await previewed(128)
        room.publisher.set_on_air(OnAir(camera=False), False)
        await previewed(SLATE_Y)
        await peer.close()


async def test_a_pause_holds_the_sound_back_first(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a picture fail to be held back, nothing that is said is heard meanwhile."""

    def fail(is_on_air: bool, is_paused: bool) -> None:
        raise ValueError("the picture")

    for picture_track in room.publisher._tracks.pictures.values():
        monkeypatch.setattr(picture_track, "set_on_air", fail)
    with pytest.raises(ValueError, match="the picture"):
        room.publisher.set_on_air(OnAir(), True)
    assert room.publisher.tracks()["sound"].stand_in == "paused"
