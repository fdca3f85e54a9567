"""Which lesson an agent goes on with after a fall, and which it only asks about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.devices.capture import CaptureHost
from agent.kept_lesson import FALLS_MOST, KeptLesson, LessonKeeper, Verdict
from agent.lesson import Lesson
from agent.on_air import Departures
from agent.outbox import Outbox
from agent.streams.publisher import StreamSettings
from protocol.messages import OnAir

NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)


class Disk:
    """A keeper on a scripted clock; ``later`` is the same machine some time on, ``reboot`` the next boot."""

    def __init__(self, folder: Path) -> None:
        self.mono_s, self.now = 5_000.0, NOW
        self.path = folder / "state" / "lesson.json"
        self.keeper = self._keeper("boot-1")

    def _keeper(self, boot: str) -> LessonKeeper:
        return LessonKeeper(self.path, boot, clock=lambda: self.mono_s, now=lambda: self.now)

    def keep(self, **changes: Any) -> KeptLesson:
        kept = KeptLesson(
            boot=self.keeper.boot,
            lesson="l-1",
            started_at=self.now - timedelta(minutes=20),
            began_mono_s=self.mono_s - 1_200,
            taken_up_mono_s=self.mono_s - 1_200,
            alive_mono_s=self.mono_s,
            alive_at=self.now,
        ).model_copy(update=changes)
        self.keeper.keep(kept)
        return kept

    def later(self, seconds: float) -> None:
        self.mono_s += seconds
        self.now += timedelta(seconds=seconds)

    def reboot(self) -> None:
        self.mono_s = 12.0
        self.keeper = self._keeper("boot-2")

    def verdict(self) -> Verdict | None:
        kept = self.keeper.load()
        return self.keeper.verdict(kept) if kept else None


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_nothing_was_left_running(disk: Disk) -> None:
    assert disk.verdict() is None


@pytest.mark.parametrize(("after_s", "verdict"), [(1, "resume"), (599, "resume"), (601, "ask"), (7_300, "forget")])
def test_the_same_boot_resumes_for_ten_minutes(disk: Disk, after_s: float, verdict: str) -> None:
    disk.keep()
    disk.later(after_s)
    assert disk.verdict() == verdict


def test_after_a_reboot_somebody_is_asked(disk: Disk) -> None:
    disk.keep()
    disk.later(60)
    disk.reboot()
    assert disk.verdict() == "ask"


def test_a_lesson_of_this_morning_is_no_question(disk: Disk) -> None:
    disk.keep()
    disk.later(3 * 3600)
    disk.reboot()
    assert disk.verdict() == "forget"


def test_a_wall_clock_set_by_a_year_does_not_keep_a_room_from_going_on(disk: Disk) -> None:
    disk.keep()
    disk.now -= timedelta(days=365)
    disk.later(2)
    assert disk.verdict() == "resume"


def test_a_lesson_that_fells_the_agent_again_and_again_is_left_to_people(disk: Disk) -> None:
    disk.keep(taken_up_mono_s=disk.mono_s - 2, falls=FALLS_MOST - 1)
    assert disk.verdict() == "resume"
    disk.keep(taken_up_mono_s=disk.mono_s - 2, falls=FALLS_MOST)
    assert disk.verdict() == "ask"
    disk.keep(taken_up_mono_s=disk.mono_s - 300, falls=FALLS_MOST)
    assert disk.verdict() == "resume"  # it went well for a while


def test_what_was_kept_comes_back_whole_and_is_forgotten_at_the_end(disk: Disk) -> None:
    kept = disk.keep(paused=True, viewers_most=7)
    assert disk.keeper.load() == kept
    disk.keeper.forget()
    assert disk.keeper.load() is None
    disk.keeper.forget()


def test_a_file_that_cannot_be_read_is_dropped(disk: Disk) -> None:
    disk.keep()
    disk.path.write_text("{")
    assert disk.keeper.load() is None
    assert not disk.path.exists()


def test_a_disk_that_takes_nothing_costs_the_resuming_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    disk = Disk(tmp_path)
    disk.keep()
    disk.keep()
    assert [record.message for record in caplog.records] == ["The lesson cannot be kept on disk"]


def test_a_lesson_that_was_being_closed_is_not_gone_on_with(disk: Disk) -> None:
    disk.keep(is_over=True)
    assert disk.verdict() == "forget"


async def test_a_resumed_lesson_sends_what_the_teacher_let_out_and_no_more(disk: Disk, tmp_path: Path) -> None:
    disk.keep(frozen=True, on_air=OnAir(camera=False, sound=False))
    outbox = Outbox(tmp_path / "outbox.sqlite")
    lesson = Lesson(
        lambda: "B12", (), CaptureHost(()), StreamSettings(), outbox, disk.keeper, Departures(),
        clock=lambda: disk.mono_s,
    )  # fmt: skip
    lesson.take_up()
    assert lesson.publisher is not None

    def held_back() -> dict[str, str | None]:
        assert lesson.publisher is not None
        return {name: track.stand_in for name, track in lesson.publisher.tracks().items()}

    assert held_back() == {"camera": "off", "board": "off", "sound": "off"}  # frozen, without a picture to keep
    lesson.set_paused(True)
    assert set(held_back().values()) == {"paused"}
    assert lesson.publisher._farewell() == "room-closing", "a room that falls is back in a moment"
    publisher = lesson.publisher
    lesson.stop("panel")
    assert publisher._farewell() == "lesson-ended"
    await outbox.close()
