"""A viewer whose browser has no H.264, beside one that has."""

from __future__ import annotations

import pytest

from agent.streams import vp8
from tests.integration.streams.conftest import Room
from tests.integration.streams.peer import Arrival, Peer, decoded
from tests.integration.streams.sources import again, film, picture, speak

pytestmark = pytest.mark.timed


def keys(peer: Peer) -> list[Arrival]:
    return [shown[0] for shown in peer.camera.pictures() if vp8.is_key(shown[0].payload[1:])]


async def test_a_viewer_without_h264_gets_both_pictures_in_vp8_and_costs_nothing_when_it_has_gone(room: Room) -> None:
    cameras, boards = [picture(n, 1280, 720) for n in range(15)], [picture(n, 1920, 1080) for n in range(5)]
    room.feed(film(room.publisher, "camera", make=lambda n: again(cameras, n)))
    room.feed(film(room.publisher, "board", rate_hz=5, make=lambda n: again(boards, n)))
    room.feed(speak(room.publisher))
    old, new = Peer(has_h264=False), Peer()
    answer = await old.join(room.publisher, "old")
    assert "H264" not in answer
    await new.join(room.publisher, "new")
    await old.until(lambda: len(old.camera.pictures()) >= 10 and len(old.board.pictures()) >= 3, 20)
    await old.camera.ask_key()
    await old.until(lambda: len(keys(old)) >= 2)  # its request for a key frame reached its encoder
    await new.until(lambda: len(new.camera.pictures()) >= 10)
    sent = {view.id: view.sending for view in room.publisher.viewers()}
    await old.close()
    await new.close()
    frames, slides = decoded(old.camera, old.codec), decoded(old.board, old.codec)
    assert len(frames) == len(old.camera.pictures())
    assert (frames[-1].width, frames[-1].height) == (640, 360)
    assert (slides[-1].width, slides[-1].height) == (1280, 720)
    assert old.camera.lost() == old.board.lost() == 0
    assert decoded(new.camera, new.codec)[-1].width == 1280
    assert sent["old"] is not None
    assert (sent["old"].board, sent["old"].camera) == ("vp8", "vp8")
    await new.until(lambda: not room.publisher.viewers())
    assert not room.publisher._tracks.fan("camera", "vp8").is_used
