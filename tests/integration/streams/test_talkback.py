"""A pupil speaks over a connection of its own: who hears it, who does not, and how it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pytest

from agent import talk as talk_module
from agent.streams.layers import WITHOUT_PUPIL
from agent.streams.publisher import StreamSettings
from agent.talk import Talk
from protocol import channel
from protocol.errors import SignallingError
from protocol.messages import OnAir
from tests.integration.streams.conftest import Room, open_room
from tests.integration.streams.peer import Peer
from tests.integration.streams.sources import speak
from tests.integration.streams.speaker import Samples, Speaker, heard, strength, tone
from tests.waiting import until

pytestmark = pytest.mark.timed

PUPIL_HZ, ROOM_HZ = 1_000.0, 440.0


@dataclass
class Loudspeaker:
    """Keeps what it is to play."""

    is_there: bool = True
    played: list[Samples] = field(default_factory=list)

    def play(self, samples: Samples) -> bool:
        self.played.append(samples)
        return self.is_there


class Rights:
    """Gives the floor to whom a test says."""

    def __init__(self) -> None:
        self.holder: str | None = None
        self.on_change: Callable[[], None] = lambda: None

    def grant(self, holder: str | None) -> None:
        self.holder = holder
        self.on_change()

    def floor(self) -> tuple[str, str, str] | None:
        return None if self.holder is None else (self.holder, "p1", "Lina")

    def may_speak(self, holder: str) -> bool:
        return holder == self.holder

    def give_back(self, holder: str) -> None:
        self.grant(None)


@dataclass
class Lesson:
    """A room in which pupils may be given the floor."""

    room: Room
    rights: Rights
    talk: Talk
    loudspeaker: Loudspeaker

    def told(self, peer: Peer) -> list[channel.Talk]:
        return [message for message in peer.heard if isinstance(message, channel.Talk)]


@pytest.fixture
async def lesson() -> AsyncIterator[Lesson]:
    async with open_room(StreamSettings(sound_bitrate_bps=48_000)) as room:
        loudspeaker, rights = Loudspeaker(), Rights()
        talk = Talk(room.publisher, loudspeaker, rights, on_change=lambda: None)
        rights.on_change = talk.rights_changed
        run = asyncio.create_task(talk.run())
        try:
            yield Lesson(room, rights, talk, loudspeaker)
        finally:
            run.cancel()
            with suppress(asyncio.CancelledError):
                await run


async def in_class(room: Room, viewer: str, holder: str, *, is_in_room: bool = False) -> Peer:
    peer = Peer(kinds=("audio",))
    await peer.join(room.publisher, viewer, holder)
    await peer.until(lambda: peer.data is not None and peer.data.readyState == "open")
    assert peer.data is not None
    peer.data.send(channel.Hello(name="Lina", is_in_room=is_in_room).model_dump_json())
    await peer.until(lambda: peer.heard)
    return peer


def lately(peer: Peer) -> Samples:
    """Return what arrived in the last half second."""
    return heard(peer.sound, time.monotonic() - 0.5)


def code(caught: pytest.ExceptionInfo[SignallingError]) -> str:
    return caught.value.code


async def test_the_room_and_the_others_hear_a_pupil_who_does_not_hear_itself(lesson: Lesson) -> None:
    room = lesson.room
    room.feed(speak(room.publisher))
    mine, other = await in_class(room, "v1", "h1"), await in_class(room, "v2", "h2")
    lesson.rights.grant("h1")
    speaker = Speaker(tone(PUPIL_HZ))
    answer = await speaker.speak(lesson.talk, "t1", "h1")
    assert "a=recvonly" in answer
    assert "a=setup:passive" in answer
    await mine.until(lambda: any(one.state == "heard" for one in lesson.told(mine)))
    assert lesson.talk.is_heard
    await other.until(lambda: strength(lately(other), PUPIL_HZ) > 2_000)
    at_the_others, at_mine = lately(other), lately(mine)
    view, level_dbfs = lesson.talk.view(), lesson.talk.level_dbfs()
    assert strength(np.concatenate(lesson.loudspeaker.played[-25:]), PUPIL_HZ) > 2_000
    assert strength(at_mine, PUPIL_HZ) < 60
    assert strength(at_mine, ROOM_HZ) > 2_000
    assert strength(at_the_others, ROOM_HZ) > 2_000
    assert mine.sound.lost() == other.sound.lost() == 0
    assert view is not None
    assert (view.pupil, view.name, view.state) == ("p1", "Lina", "heard")
    assert level_dbfs is not None
    assert -30 < level_dbfs < -15
    assert lesson.told(other) == []
    # one press ends it
    lesson.rights.grant(None)
    await mine.until(lambda: lesson.told(mine)[-1:] == [channel.Talk(state="ended", reason="teacher")])
    assert lesson.talk.view() is None
    ended_s = time.monotonic() + 0.2  # what was on its way has arrived
    await other.until(lambda: other.sound.arrivals[-1].mono_s > ended_s + 0.5)
    assert strength(heard(other.sound, ended_s), PUPIL_HZ) < 60
    assert not room.publisher._tracks.fan("sound", WITHOUT_PUPIL).is_used
    for peer in (mine, other):
        await peer.close()
    await speaker.pc.close()


async def test_only_a_pupil_whose_hand_is_taken_may_speak_one_at_a_time_and_none_who_is_in_the_room(
    lesson: Lesson,
) -> None:
    speakers = [Speaker(tone(PUPIL_HZ)) for _ in range(3)]
    inside = await in_class(lesson.room, "v3", "h3", is_in_room=True)
    with pytest.raises(SignallingError) as none:
        await speakers[0].speak(lesson.talk, "t1", "h1")
    assert code(none) == "hand-not-taken"
    lesson.rights.grant("h3")
    with pytest.raises(SignallingError) as in_room:
        await speakers[0].speak(lesson.talk, "t3", "h3")
    assert code(in_room) == "speaker-in-room"
    lesson.rights.grant("h1")
    await speakers[1].speak(lesson.talk, "t1", "h1")
    await until(lambda: lesson.loudspeaker.played, "the first is heard")
    lesson.rights.grant("h2")  # the one before has the floor no more
    assert not lesson.talk.knows("t1")
    with pytest.raises(SignallingError) as other:
        await speakers[0].speak(lesson.talk, "t1", "h1")
    assert code(other) == "hand-not-taken"
    await speakers[2].speak(lesson.talk, "t2", "h2")
    assert lesson.talk.knows("t2")
    for speaker in speakers:
        await speaker.pc.close()
    await inside.close()


@pytest.mark.parametrize("turns", [1, 2, 4])
async def test_a_hand_that_goes_down_while_the_room_answers_is_the_reason_that_is_told(
    lesson: Lesson, turns: int
) -> None:
    """The page takes a bad offer for the browser's fault, and gives up."""
    speaker = Speaker(tone(PUPIL_HZ))
    lesson.rights.grant("h1")
    answering = asyncio.create_task(lesson.talk.accept("t1", await speaker.offer(), (), "h1"))
    for _ in range(turns):
        await asyncio.sleep(0)
    assert lesson.talk.knows("t1")
    assert not answering.done()
    lesson.rights.grant(None)
    with pytest.raises(SignallingError) as refusal:
        await answering
    assert code(refusal) == "hand-not-taken"
    await speaker.pc.close()


async def test_pause_mute_and_a_room_without_loudspeaker_are_told(lesson: Lesson) -> None:
    lesson.loudspeaker.is_there = False
    mine = await in_class(lesson.room, "v1", "h1")
    lesson.rights.grant("h1")
    speaker = Speaker(tone(PUPIL_HZ))
    await speaker.speak(lesson.talk, "t1", "h1")

    async def is_told(state: str, *, is_room_muted: bool = False) -> None:
        wanted = channel.Talk.model_validate({"state": state, "is_room_muted": is_room_muted})
        await mine.until(lambda: lesson.told(mine)[-1:] == [wanted])

    await is_told("no-loudspeaker")
    lesson.talk.set_on_air(OnAir(), True)
    await is_told("paused")
    played = len(lesson.loudspeaker.played)
    await asyncio.sleep(0.3)
    assert len(lesson.loudspeaker.played) == played, "something was played in a pause"
    lesson.talk.set_on_air(OnAir(sound=False), False)
    lesson.loudspeaker.is_there = True
    await is_told("heard", is_room_muted=True)
    assert not lesson.talk.is_heard, "the room alone hears it"
    await speaker.pc.close()  # says goodbye by RTCP or DTLS
    await mine.until(lambda: lesson.told(mine)[-1].state == "ended")
    assert lesson.told(mine)[-1].reason in ("left", "lost")
    await mine.close()


async def test_a_microphone_that_is_forgotten_is_closed(lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk_module, "TALK_MOST_S", 0.5)
    mine = await in_class(lesson.room, "v1", "h1")
    lesson.rights.grant("h1")
    speaker = Speaker(tone(PUPIL_HZ))
    await speaker.speak(lesson.talk, "t1", "h1")
    await mine.until(lambda: lesson.told(mine)[-1:] == [channel.Talk(state="ended", reason="time")])
    assert not lesson.rights.may_speak("h1")
    await speaker.pc.close()
    await mine.close()
