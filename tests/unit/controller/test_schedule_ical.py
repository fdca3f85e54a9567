"""What a calendar says, as the child process reads it; its bounds are tried in integration."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from controller.schedule import ical_child
from controller.schedule.ical_child import NotTakenError
from tests.ical import calendar, lesson

PARIS = ZoneInfo("Europe/Paris")
AUTUMN = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
SPRING = datetime(2027, 3, 1, tzinfo=UTC), datetime(2027, 5, 1, tzinfo=UTC)


def read(
    *events: str, head: str = "", weeks: tuple[datetime, datetime] = AUTUMN, zone: ZoneInfo = PARIS
) -> dict[str, Any]:
    return ical_child.read(calendar(*events, head=head), zone, *weeks)


def begins(said: dict[str, Any]) -> list[str]:
    return [event["begins"].removesuffix(":00+00:00") for event in said["timed"]]


def test_a_lesson_keeps_its_time_on_the_wall_when_the_clocks_go_back() -> None:
    said = read(lesson("1", "20261019T080000", "RRULE:FREQ=WEEKLY;COUNT=3"))
    assert begins(said) == ["2026-10-19T06:00", "2026-10-26T07:00", "2026-11-02T07:00"]
    assert said["timed"][1]["ends"] == "2026-10-26T07:55:00+00:00"


def test_a_lesson_keeps_its_time_on_the_wall_when_the_clocks_go_forward() -> None:
    said = read(lesson("1", "20270322T080000", "RRULE:FREQ=WEEKLY;COUNT=3"), weeks=SPRING)
    assert begins(said) == ["2027-03-22T07:00", "2027-03-29T06:00", "2027-04-05T06:00"]


def test_a_time_that_the_clocks_leave_out_counts_from_before_the_change_and_one_they_have_twice_is_the_first() -> None:
    assert begins(read(lesson("1", "20270328T023000"), weeks=SPRING)) == ["2027-03-28T01:30"]
    assert begins(read(lesson("1", "20261025T023000"))) == ["2026-10-25T00:30"]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Paris", ["2026-10-19T06:00", "2026-10-26T07:00"]),
        ("Indian/Reunion", ["2026-10-19T04:00", "2026-10-26T04:00"]),
        ("Pacific/Tahiti", ["2026-10-19T18:00", "2026-10-26T18:00"]),
    ],
)
def test_floating_times_are_of_the_schools_zone(zone: str, expected: list[str]) -> None:
    floating = "UID:1\nDTSTART:20261019T080000\nDTEND:20261019T090000\nRRULE:FREQ=WEEKLY;COUNT=2"
    assert begins(read(floating, zone=ZoneInfo(zone))) == expected


def test_times_in_utc_and_of_other_zones_are_what_they_say() -> None:
    utc = "UID:1\nDTSTART:20261019T080000Z\nDTEND:20261019T090000Z"
    london = "UID:2\nDTSTART;TZID=Europe/London:20261019T080000\nDTEND;TZID=Europe/London:20261019T090000"
    outlook = "UID:3\nDTSTART;TZID=Romance Standard Time:20261020T080000\nDURATION:PT1H"
    assert begins(read(utc, london, outlook)) == ["2026-10-19T07:00", "2026-10-19T08:00", "2026-10-20T06:00"]


def test_a_zone_that_there_is_not_is_the_schools() -> None:
    assert begins(read("UID:1\nDTSTART;TZID=Our/School:20261019T080000\nDURATION:PT1H")) == ["2026-10-19T06:00"]
    said = read("UID:1\nDTSTART:20261019T080000\nDURATION:PT1H", head="X-WR-TIMEZONE:Our/School")
    assert begins(said) == ["2026-10-19T06:00"]


def test_a_zone_of_the_calendars_own_is_taken_by_its_definition() -> None:
    own = "\n".join(
        ["BEGIN:VTIMEZONE", "TZID:Ours", "BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0300",
         "TZOFFSETTO:+0300", "END:STANDARD", "END:VTIMEZONE"]
    )  # fmt: skip
    assert begins(read("UID:1\nDTSTART;TZID=Ours:20261019T080000\nDURATION:PT1H", head=own)) == ["2026-10-19T05:00"]


def test_the_default_zone_of_a_calendar_makes_its_rules_keep_to_the_wall() -> None:
    google = "UID:1\nDTSTART:20261019T060000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=2"
    said = read(google, head="X-WR-TIMEZONE:Europe/Paris")
    assert begins(said) == ["2026-10-19T06:00", "2026-10-26T07:00"]


def test_left_out_moved_and_cancelled_lessons_of_a_rule() -> None:
    said = read(
        lesson("1", "20261005T080000", "RRULE:FREQ=WEEKLY;COUNT=5", "EXDATE;TZID=Europe/Paris:20261012T080000"),
        lesson("1", "20261020T100000", "RECURRENCE-ID;TZID=Europe/Paris:20261019T080000", "LOCATION:Salle 4"),
        lesson("1", "20261026T080000", "RECURRENCE-ID;TZID=Europe/Paris:20261026T080000", "STATUS:CANCELLED"),
    )
    assert begins(said) == ["2026-10-05T06:00", "2026-10-20T08:00", "2026-10-26T07:00", "2026-11-02T07:00"]
    assert [event["location"] for event in said["timed"]] == ["", "Salle 4", "", ""]
    assert [event["is_cancelled"] for event in said["timed"]] == [False, False, True, False]


def test_from_one_lesson_on_the_rule_may_be_another() -> None:
    said = read(
        lesson("1", "20261005T080000", "RRULE:FREQ=WEEKLY;COUNT=4"),
        lesson("1", "20261019T090000", "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Paris:20261019T080000"),
    )
    assert begins(said) == ["2026-10-05T06:00", "2026-10-12T06:00", "2026-10-19T07:00", "2026-10-26T08:00"]


def test_a_calendar_that_takes_back_cancels_all_that_it_names() -> None:
    (event,) = read(lesson("1", "20261019T080000"), head="METHOD:CANCEL")["timed"]
    assert event["is_cancelled"]


def test_whole_days_end_on_the_day_before_the_calendars_end() -> None:
    said = read(
        "UID:1\nDTSTART;VALUE=DATE:20261017\nDTEND;VALUE=DATE:20261102\nSUMMARY:Vacances de la Toussaint",
        "UID:2\nDTSTART;VALUE=DATE:20261111\nSUMMARY:Armistice",
        "UID:3\nDTSTART;VALUE=DATE:20260801\nDTEND;VALUE=DATE:20260820\nSUMMARY:Past",
    )
    days = [(day["title"], day["begins"], day["ends"]) for day in said["whole_days"]]
    assert days == [("Vacances de la Toussaint", "2026-10-17", "2026-11-01"), ("Armistice", "2026-11-11", "2026-11-11")]
    assert said["timed"] == []


def test_only_what_begins_in_the_weeks_asked_for_is_told() -> None:
    since, until = datetime(2026, 10, 19, 8, tzinfo=PARIS), datetime(2026, 11, 2, 8, tzinfo=PARIS)
    said = read(lesson("1", "20260907T080000", "RRULE:FREQ=WEEKLY"), weeks=(since, until))
    assert begins(said) == ["2026-10-19T06:00", "2026-10-26T07:00"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("DTSTART:20261019T080000Z\nDURATION:PT1H\nRRULE:FREQ=HOURLY", "too-often"),
        ("DTSTART:20261019T080000Z\nDURATION:PT1H\nRRULE:FREQ=MINUTELY;COUNT=2", "too-often"),
        ("DTSTART:20261019T080000Z\nDURATION:PT1H\nRRULE:FREQ=SECONDLY", "too-often"),
        ("DTSTART:20261019T080000Z\nRRULE:FREQ=DAILY;BYHOUR=8,9,10,11,12;BYMINUTE=0,10,20,30,40", "too-often"),
        ("DTSTART:20261019T080000Z\nDURATION:PT1H\nRRULE:FREQ=SOMETIMES", "unreadable"),
        ("DTSTART:20261019T080000Z\nDURATION:PT1H\nEXDATE:whenever", "unreadable"),
        ("DTSTART:the nineteenth\nDURATION:PT1H", "unreadable"),
        ("DTSTART:20261019T080000Z\nDTEND:20261019T070000Z", "unreadable"),
        ("DTSTART:20261019T080000Z\nDTEND:20261019T090000Z\nDTEND:20261019T100000Z", "unreadable"),
        ("DTSTART:20261019T080000Z\nDTSTART:20261019T090000Z\nDTEND:20261019T100000Z", "unreadable"),
        ("DTSTART:20261019T080000Z\nDTSTART:20261019T090000Z\nDURATION:PT1H", "unreadable"),
        ("LOCATION:here", "unreadable"),
    ],
)
def test_an_event_that_cannot_be_taken_is_named_and_the_others_stay(event: str, reason: str) -> None:
    said = read(f"UID:bad\nSUMMARY:Chimie\n{event}", lesson("good", "20261020T080000"))
    assert said["problems"] == [{"uid": "bad", "title": "Chimie", "reason": reason}]
    assert begins(said) == ["2026-10-20T06:00"]


def test_events_without_a_name_or_with_one_name_for_several_are_all_there() -> None:
    bare = "DTSTART:20261019T{hour}0000Z\nDURATION:PT1H"
    assert len(read(bare.format(hour="08"), bare.format(hour="09"))["timed"]) == 2
    unwritable = bare.format(hour="08") + "\nCREATED:20270101T000000Z/20200101T000000Z"
    assert len(read(unwritable, unwritable)["timed"]) == 2
    assert len(read(lesson("1", "20261019T080000"), lesson("1", "20261020T080000"))["timed"]) == 2
    newer = lesson("1", "20261019T080000", "SEQUENCE:1"), lesson("1", "20261020T080000", "SEQUENCE:2")
    assert begins(read(*newer)) == ["2026-10-20T06:00"]


def test_one_name_at_one_time_in_several_rooms_is_a_lesson_in_each() -> None:
    said = read(*(lesson("1", "20261019T080000", f"LOCATION:{room}") for room in ("Salle 4", "Labo", "Salle 4")))
    assert [event["location"] for event in said["timed"]] == ["Labo", "Salle 4"]


def test_every_problem_is_told() -> None:
    said = read(*(f"UID:{number}\nLOCATION:here" for number in range(120)))
    assert [problem["uid"] for problem in said["problems"]] == [str(number) for number in range(120)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["CATEGORIES:3e B,Maths"], "3e B"),
        (["CATEGORIES:3e B", "CATEGORIES:Maths"], "3e B"),
        (["DESCRIPTION:Prof. X\\nCLASS: 3e B \\nSalle 4", "CATEGORIES:Maths"], "3e B"),
        (["DESCRIPTION:classe\u00a0: 3e B"], "3e B"),
        (["DESCRIPTION:Classe :\\nMaths"], ""),
        (["CLASS:PRIVATE"], ""),
        ([], ""),
    ],
)
def test_the_class_is_a_line_of_the_description_or_the_first_category(lines: list[str], expected: str) -> None:
    (event,) = read(lesson("1", "20261019T080000", *lines))["timed"]
    assert event["class_name"] == expected


def test_texts_are_one_short_line_without_what_cannot_be_seen() -> None:
    summary = "SUMMARY:Maths\\n \u202e\u0007 et  Éco" + "x" * 500
    (event,) = read(f"UID:1\nDTSTART:20261019T080000Z\nDURATION:PT1H\n{summary}")["timed"]
    assert event["title"].startswith("Maths et Écoxxx")
    assert len(event["title"]) == ical_child.MOST_TEXT


def test_several_calendars_in_one_file_are_all_read() -> None:
    both = calendar(lesson("1", "20261019T080000")) + calendar(lesson("2", "20261020T080000"))
    assert len(ical_child.read(both, PARIS, *AUTUMN)["timed"]) == 2


def test_a_letter_may_be_folded_in_its_middle_and_a_mark_may_stand_first() -> None:
    whole = calendar(lesson("1", "20261019T080000", "LOCATION:École"))
    folded = b"\xef\xbb\xbf" + whole.replace("É".encode(), b"\xc3\r\n \x89").replace(b"\r\n", b"\n")
    (event,) = ical_child.read(folded, PARIS, *AUTUMN)["timed"]
    assert event["location"] == "École"


WHOLE = calendar(lesson("1", "20261019T080000", "LOCATION:École"))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "something else than a calendar"),
        (b"<!DOCTYPE html><html>sign in</html>", "something else than a calendar"),
        (WHOLE[: len(WHOLE) // 2], "breaks off"),
        (WHOLE.decode().encode("latin-1"), "not written in UTF-8, as its line 9 shows"),
        (WHOLE.decode().encode("utf-16"), "not written in UTF-8"),
        (WHOLE.replace(b"END:VEVENT\r\n", b""), "not closed"),
        (WHOLE.replace(b"LOCATION", b"BEGIN:VEVENT\r\nUID:2\r\nEND:VEVENT\r\nLOCATION"), "lie within others"),
        (WHOLE.replace(b"VERSION:2.0", b"no name, no value"), "cannot be read"),
    ],
    ids=["empty", "page", "cut", "latin-1", "utf-16", "unclosed", "within", "no-lines"],
)
def test_what_is_no_calendar_is_said_in_a_sentence(body: bytes, sentence: str) -> None:
    with pytest.raises(NotTakenError, match=sentence) as caught:
        ical_child.read(body, PARIS, *AUTUMN)
    assert caught.value.code == "calendar-unreadable"


def test_too_many_events_and_too_many_lessons_are_refused() -> None:
    with pytest.raises(NotTakenError, match="2001 events") as caught:
        read(*(lesson(str(number)) for number in range(ical_child.MOST_EVENTS + 1)))
    assert caught.value.code == "calendar-too-large"
    often = (
        lesson(str(number), "20261001T080000", "RRULE:FREQ=DAILY;BYHOUR=8,9,10,11,13,14,15,16") for number in range(45)
    )
    with pytest.raises(NotTakenError, match="more than 20000 lessons") as caught:
        read(*often)
    assert caught.value.code == "calendar-too-large"
