"""A viewer who is moved from layer to layer, as its wish and its line have it."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest

from protocol import channel
from tests.integration.streams.conftest import Room
from tests.integration.streams.peer import Peer, decoded
from tests.integration.streams.sources import again, film, picture, speak

pytestmark = pytest.mark.alone

BEST = channel.Wish(reads_lips=True)
LEAST = channel.Wish(use="save-data", reads_lips=True)

STAP_A = 24
"""A picture that begins with one brings parameter sets: a key frame (RFC 6184 §5.7.1)."""


def sendings(peer: Peer) -> list[channel.Sending]:
    return [message for message in peer.heard if isinstance(message, channel.Sending)]


def is_sent(peer: Peer, camera: str) -> bool:
    told = sendings(peer)
    return bool(told) and told[-1].camera == camera


def has_pictures(peer: Peer, count: int) -> bool:
    return len(peer.camera.pictures()) >= count


def has_keys(peer: Peer, count: int) -> bool:
    return sum(picture[0].payload[0] & 0x1F == STAP_A for picture in peer.camera.pictures()) >= count


async def test_six_changes_leave_neither_a_hole_nor_a_picture_that_does_not_decode(room: Room) -> None:
    pictures = [picture(n, 1280, 720) for n in range(30)]
    room.feed(film(room.publisher, "camera", make=lambda n: again(pictures, n)))
    room.feed(speak(room.publisher))
    peer = Peer()
    await peer.join(room.publisher, "v1")
    await peer.until(lambda: peer.data is not None and peer.data.readyState == "open")
    await peer.until(lambda: len(peer.camera.pictures()) >= 30)
    assert peer.data is not None
    keys = 1
    for wish, camera in ((LEAST, "180p"), (BEST, "720p")) * 3:
        peer.data.send(wish.model_dump_json())
        await peer.until(partial(is_sent, peer, camera))
        keys += 1  # a pupil's own changes are held to its budget of key frames: the later ones wait up to 3 s
        await peer.until(partial(has_keys, peer, keys))
        await peer.until(partial(has_pictures, peer, len(peer.camera.pictures()) + 15))
    await peer.close()
    frames = decoded(peer.camera, peer.codec)
    sizes = [(frame.width, frame.height) for frame in frames]
    changes = [after for before, after in pairwise(sizes) if before != after]
    assert changes == [(320, 180), (1280, 720)] * 3
    assert len(frames) == len(peer.camera.pictures()), "every picture decodes"
    assert peer.camera.lost() == peer.sound.lost() == 0
    for receiver, most_s in ((peer.camera, 0.15), (peer.sound, 0.15)):
        arrivals = [arrival.mono_s for arrival in receiver.arrivals]
        assert max(later - earlier for earlier, later in pairwise(arrivals)) < most_s
    stamps = [(a.timestamp - peer.camera.arrivals[0].timestamp + 2**31) % 2**32 for a in peer.camera.arrivals]
    assert stamps == sorted(stamps), "one line of time"
    assert len({a.timestamp for a in peer.sound.arrivals}) == len(peer.sound.arrivals)
    spoken = [after.timestamp - before.timestamp for before, after in pairwise(peer.sound.arrivals)]
    assert set(spoken) == {960, 2880}, "in packets of 20 and of 60 ms, without a hole between them"
