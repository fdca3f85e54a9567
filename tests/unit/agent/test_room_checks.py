from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agent.room_checks import HEALTH_MOST, RoomChecks
from protocol.messages import Check, CheckStatus, Text

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
OK, WARNING, CRITICAL, UNKNOWN = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.CRITICAL, CheckStatus.UNKNOWN


def check(name: str, status: CheckStatus, value: float | None = None, since_s: float = 0) -> Check:
    message = None if status is OK else Text(fr=name, en=name)
    return Check(id=name, status=status, since=AT + timedelta(seconds=since_s), value=value, message=message)


class Source:
    def __init__(self, *checks: Check) -> None:
        self.now = checks

    def checks(self) -> tuple[Check, ...]:
        return self.now


def gathered(source: Source) -> tuple[RoomChecks, list[bool]]:
    checks, heard = RoomChecks(), list[bool]()
    checks.add(source.checks, panel="all")
    checks.on_change(heard.append)
    return checks, heard


def test_a_value_that_moves_is_no_news_and_stays_as_it_was_when_it_became_so() -> None:
    source = Source(check("picture-black", CRITICAL, 99))
    checks, heard = gathered(source)
    checks.look()
    source.now = (check("picture-black", CRITICAL, 98),)
    checks.look()
    assert heard == [True]
    assert [one.value for one in checks.wrong()] == [99]
    assert [one.value for one in checks.all()] == [98]


def test_only_what_is_critical_is_told_as_urgent_when_it_comes_and_when_it_goes() -> None:
    source = Source(check("picture-blurred", WARNING))
    checks, heard = gathered(source)
    for status in (WARNING, CRITICAL, WARNING, OK, OK):
        source.now = (check("picture-blurred", status),)
        checks.look()
    assert heard == [False, True, True, False]
    assert checks.wrong() == ()


def test_what_is_fine_or_not_known_is_not_wrong_and_the_worst_comes_first() -> None:
    source = Source(
        check("a-fine", OK), check("b-new", WARNING, since_s=9), check("c-old", WARNING), check("d-bad", CRITICAL)
    )
    source.now += (check("e-dim", UNKNOWN),)
    checks, _ = gathered(source)
    checks.look()
    assert [one.id for one in checks.wrong()] == ["d-bad", "c-old", "b-new"]
    assert checks.for_panel() == checks.wrong()


def test_the_panel_is_told_what_matters_to_who_teaches() -> None:
    signal, host, centre = (Source(check(f"{name}-w", WARNING), check(f"{name}-c", CRITICAL)) for name in "sho")
    checks = RoomChecks()
    checks.add(signal.checks, panel="all")
    checks.add(host.checks, panel="critical")
    checks.add(centre.checks)
    checks.look()
    assert {one.id for one in checks.for_panel()} == {"s-c", "h-c", "s-w"}
    assert len(checks.wrong()) == 6


def test_one_cause_is_told_once_on_the_panel_and_the_centre_is_told_all() -> None:
    signal, host = Source(check("picture-rate", WARNING, 12.5)), Source(check("host-load", WARNING, 2.0))
    checks = RoomChecks()
    checks.add(signal.checks, panel="all")
    checks.add(host.checks, panel="critical")
    checks.look()
    assert [one.id for one in checks.for_panel()] == ["host-load"], "the cable of the camera is not to be looked at"
    assert {(one.id, one.value) for one in checks.wrong()} == {("picture-rate", 12.5), ("host-load", 2.0)}
    assert {one.id for one in checks.all()} == {"picture-rate", "host-load"}
    signal.now = (check("picture-rate", WARNING), check("layers-lowered", WARNING))
    host.now = (check("host-load", CRITICAL), check("host-throttled", WARNING))
    checks.look()
    assert [one.id for one in checks.for_panel()] == ["host-throttled"]
    host.now = ()
    checks.look()
    assert [one.id for one in checks.for_panel()] == ["layers-lowered"]
    signal.now = (check("picture-rate", WARNING),)
    checks.look()
    assert [one.id for one in checks.for_panel()] == ["picture-rate"]


def test_more_than_a_message_takes_leaves_the_worst() -> None:
    source = Source(*(check(f"fine-{number}", OK) for number in range(HEALTH_MOST)), check("bad-one", CRITICAL))
    checks, _ = gathered(source)
    assert len(checks.all()) == HEALTH_MOST
    assert checks.all()[0].id == "bad-one"
