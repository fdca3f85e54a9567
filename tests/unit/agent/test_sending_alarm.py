"""An alarm stands until somebody at the centre has seen it, or a day, whatever the agent does meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.sending_alarm import SendingAlarm

NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=3), timedelta(days=-9000)])
def test_it_stands_over_restarts_and_whatever_the_clock_says(tmp_path: Path, later: timedelta) -> None:
    path = tmp_path / "state" / "sending.json"
    assert SendingAlarm(path, now=lambda: NOW).check() is None
    SendingAlarm(path, now=lambda: NOW).sound()
    check = SendingAlarm(path, now=lambda: NOW + later).check()
    assert check is not None
    assert (check.id, check.status, check.since) == ("on-air", "critical", NOW)


def test_once_seen_it_is_gone_for_good(tmp_path: Path) -> None:
    alarm = SendingAlarm(tmp_path / "sending.json", now=lambda: NOW)
    alarm.sound()
    alarm.seen()
    assert alarm.check() is None
    assert SendingAlarm(tmp_path / "sending.json", now=lambda: NOW).check() is None


def test_one_that_cannot_be_read_stands(tmp_path: Path) -> None:
    (tmp_path / "sending.json").write_text("{")
    assert SendingAlarm(tmp_path / "sending.json", now=lambda: NOW).check() is not None
