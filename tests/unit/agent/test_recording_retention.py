"""Which recordings go, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agent.recording_retention import RecordingSettings, to_remove
from agent.recordings import Recording
from agent.web.recording import byte_range

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
GB = 1_000_000_000
SETTINGS = RecordingSettings(enabled=True, keep_days=30, most_gb=10, free_floor_gb=2)


def recording(name: str, days_old: float, gb: float = 1) -> Recording:
    return Recording(name, None, NOW - timedelta(days=days_old), 3600, round(gb * GB), is_whole=True)


def removed(*recordings: Recording, free_gb: float = 100) -> list[tuple[str, str]]:
    return [(one.id, why) for one, why in to_remove(recordings, SETTINGS, now=NOW, free_bytes=free_gb * GB)]


def test_they_go_when_their_time_is_over_and_not_before() -> None:
    assert removed(recording("young", 29.9), recording("old", 30)) == [("old", "age")]


def test_of_too_much_the_oldest_go_until_it_is_no_more() -> None:
    four = [recording(f"r{n}", days_old=n, gb=4) for n in (1, 2, 3, 4)]
    assert removed(*four) == [("r4", "size"), ("r3", "size")]


def test_what_the_lesson_needs_is_freed_by_the_oldest() -> None:
    three = [recording(f"r{n}", days_old=n) for n in (2, 3, 4)]
    assert removed(*three, free_gb=0.5) == [("r4", "disk"), ("r3", "disk")]
    assert removed(*three, free_gb=2) == []


def test_what_was_recorded_today_goes_last_of_all() -> None:
    assert removed(recording("today", 0.1), free_gb=1.5) == []
    assert removed(recording("today", 0.1), free_gb=0.9) == [("today", "disk")]


def test_what_goes_by_age_counts_for_the_disk() -> None:
    assert removed(recording("old", 40, gb=3), recording("r2", 2), free_gb=0) == [("old", "age")]


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", (0, 9)),
        ("bytes=90-", (90, 99)),
        ("bytes=-10", (90, 99)),
        ("bytes=-1000", (0, 99)),
        ("bytes=50-1000", (50, 99)),
        ("bytes=100-", None),
        ("bytes=9-5", None),
        ("bytes=-0", None),
        ("bytes=-", None),
        ("bytes=x", None),
        ("lines=1-2", None),
        ("bytes=0-1,5-6", (0, 99)),
    ],
)
def test_a_range_is_read_or_refused(asked: str, part: tuple[int, int] | None) -> None:
    assert byte_range(asked, 100) == part
