"""One room: what becomes an incident, when, and when it is over."""

from __future__ import annotations

import math

import pytest

from controller.incidents.causes import LINK, SCHOOL_OFFLINE, Finding, Severity, Wish
from controller.incidents.decisions import Close, Escalate, Flapping, Key, Open, Reopen, Stored, Tell
from controller.incidents.judge import Judge
from controller.incidents.lesson_calendar import LessonCalendar, Planned, Urgency
from controller.incidents.site import Heard
from protocol.messages import CheckStatus
from tests.unit.controller.incidents.script import ROOM, Script, key


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.mark.parametrize(
    ("check", "status", "idle_s", "lesson_s", "clear_s"),
    [
        ("picture-black", "critical", 20, 10, 60),
        ("picture-frozen", "critical", 20, 10, 60),
        ("picture-covered", "critical", 20, 10, 60),
        ("sound-dead", "critical", 20, 10, 60),
        ("sound-wrong-source", "critical", 20, 10, 60),
        ("host-disk", "critical", 60, 60, 60),
        ("picture-blurred", "warning", 300, 300, 300),
        ("picture-black", "warning", 300, 300, 300),
    ],
)
@pytest.mark.parametrize("in_lesson", [False, True])
def test_a_fault_is_held_down_and_its_end_too(
    script: Script, check: str, status: str, idle_s: int, lesson_s: int, clear_s: int, in_lesson: bool
) -> None:
    if in_lesson:
        script.judge.lesson(ROOM, "running", 0.0)
    script.tell(**{check: status})
    script.run(400)
    opens_s = lesson_s if in_lesson else idle_s
    assert [(at_s, one.key, one.since_s) for at_s, one in script.of(Open)] == [(opens_s, key(f"check:{check}"), 0.0)]
    script.tell(**{check: "ok"})
    script.run(800)
    assert [(at_s, one.reason) for at_s, one in script.of(Close)] == [(400 + clear_s, "recovered")]


def test_a_lost_device_is_an_incident_and_a_missing_spare_a_warning(script: Script) -> None:
    script.tell(front="critical", spare="warning")
    script.run(310)
    assert [(at_s, one.key.cause, one.severity) for at_s, one in script.of(Open)] == [
        (20, "device:front", Severity.CRITICAL),
        (300, "device:spare", Severity.WARNING),
    ]


def test_a_missing_spare_explains_nothing(script: Script) -> None:
    script.tell(spare="warning", sound_quiet="warning")
    script.run(310)
    assert {one.key.cause for _, one in script.of(Open)} == {"device:spare", "check:sound-quiet"}


def test_a_warning_that_becomes_critical_is_not_held_down_anew(script: Script) -> None:
    script.tell(host_temperature="warning")
    script.run(290)
    script.tell(host_temperature="critical")
    script.run(400)
    assert [at_s for at_s, _ in script.of(Open)] == [300]
    assert [at_s for at_s, _ in script.of(Escalate)] == [350]


def test_what_is_well_again_in_between_begins_anew(script: Script) -> None:
    for at_s in range(0, 100, 15):
        script.run(at_s)
        script.tell(picture_black="critical" if at_s % 30 == 0 else "ok")
    script.run(400)
    assert [at_s for at_s, _ in script.of(Open)] == [110]


@pytest.mark.parametrize("seen_s", [15, 5])
def test_what_cannot_be_told_for_a_while_is_neither_evidence_nor_takes_any_away(script: Script, seen_s: int) -> None:
    for _ in range(15 // seen_s):
        script.tell(picture_black="critical")
        script.run(script.now_s + seen_s)
        script.tell(picture_black="unknown")
        script.run(script.now_s + 300)
    assert script.history == []
    script.tell(picture_black="critical")
    again_s = script.now_s
    script.run(again_s + 100)
    assert [(at_s, one.since_s) for at_s, one in script.of(Open)] == [(again_s + 5, again_s - 15)]


def test_what_cannot_be_told_after_a_wish_is_no_evidence_either(script: Script) -> None:
    script.judge.wish(ROOM, ["camera"], 0.0)
    script.tell(picture_black="critical")
    script.run(50)
    script.judge.wish(ROOM, [], script.now_s)
    script.run(60)  # since 51
    script.tell(picture_black="unknown")
    script.run(400)
    script.tell(picture_black="critical")
    script.run(500)
    assert [at_s for at_s, _ in script.of(Open)] == [400 + 20 - 9]


def test_pages_show_a_fault_at_once(script: Script) -> None:
    script.tell(picture_black="critical", picture_rate="warning")
    script.turn()
    assert script.judge.shown(ROOM, 0.0) == ("online", CheckStatus.CRITICAL)
    assert script.history == []
    script.tell(picture_black="ok")
    assert script.judge.shown(ROOM, 0.0) == ("online", CheckStatus.WARNING)
    script.judge.link(ROOM, "late", 0.0)
    assert script.judge.shown(ROOM, 0.0) == ("late", CheckStatus.WARNING)


def test_a_warning_that_becomes_critical_is_told_once_more_and_never_milder(script: Script) -> None:
    script.tell(host_temperature="warning")
    script.run(400)
    script.tell(host_temperature="critical")
    script.run(500)
    script.tell(host_temperature="warning")
    script.run(1000)
    assert [at_s for at_s, _ in script.of(Open)] == [300]
    assert [(at_s, one.severity) for at_s, one in script.of(Escalate)] == [(460, Severity.CRITICAL)]
    script.tell(host_temperature="ok")
    script.run(2000)
    assert [at_s for at_s, _ in script.of(Close)] == [1060]


def test_what_comes_back_soon_is_the_same_incident(script: Script) -> None:
    script.tell(picture_black="critical")
    script.run(30)
    script.tell(picture_black="ok")
    script.run(300)
    script.tell(picture_black="critical")
    script.run(400)
    script.tell(picture_black="ok")
    script.run(2000)
    script.tell(picture_black="critical")
    script.run(2100)
    assert [type(one).__name__ for _, one in script.history] == ["Open", "Close", "Reopen", "Close", "Open"]
    assert [at_s for at_s, _ in script.of(Reopen)] == [320]


# --- what explains what -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "hidden"),
    [
        ("host_load", "picture_rate"),
        ("layers_lowered", "picture_rate"),
        ("host_load", "layers_lowered"),
        ("host_throttled", "host_load"),
        ("board_power", "board_picture_black"),
        ("host_link", "line_loss"),
    ],
)
@pytest.mark.parametrize("first", ["cause", "hidden"])
def test_one_cause_is_one_incident(script: Script, cause: str, hidden: str, first: str) -> None:
    script.tell(**{cause if first == "cause" else hidden: "warning"})
    script.run(50)
    script.tell(**{cause: "warning", hidden: "warning"})
    script.run(1000)
    assert [one.key.cause for _, one in script.of(Open)] == ["check:" + cause.replace("_", "-")]
    script.tell(**{cause: "ok"})
    script.run(1400)
    assert [(at_s, one.key.cause) for at_s, one in script.of(Open)][1:] == [(1301, "check:" + hidden.replace("_", "-"))]


def test_a_warning_hides_nothing_critical(script: Script) -> None:
    script.tell(board_power="warning", board_picture_black="critical")
    script.run(100)
    assert [one.key.cause for _, one in script.of(Open)] == ["check:board-picture-black"]


def test_a_lost_camera_takes_the_incidents_of_its_picture_over(script: Script) -> None:
    script.tell(picture_frozen="critical", front="ok")
    script.run(30)
    script.tell(front="critical", picture_frozen="unknown")
    script.run(100)
    assert [one.key.cause for _, one in script.of(Open)] == ["check:picture-frozen", "device:front"]
    assert [(at_s, one.key.cause, one.reason, one.by) for at_s, one in script.of(Close)] == [
        (50, "check:picture-frozen", "covered", key("device:front"))
    ]


def test_a_device_that_is_not_configured_any_more_has_no_incident(script: Script) -> None:
    script.tell(front="critical")
    script.run(30)
    script.take_out("device:front")
    script.run(40)
    assert [(at_s, one.reason) for at_s, one in script.of(Close)] == [(31, "gone")]


def test_a_room_that_is_away_has_one_incident_and_its_others_wait(script: Script) -> None:
    script.tell(picture_black="critical", host_disk="critical")
    script.run(30)
    script.judge.link(ROOM, "offline", script.now_s)
    script.run(3000)
    assert [one.key.cause for _, one in script.of(Open)] == ["check:picture-black", LINK]
    assert script.of(Close) == []
    script.judge.link(ROOM, "online", script.now_s)
    script.tell(picture_black="ok")
    script.run(3200)
    assert [(at_s, one.key.cause) for at_s, one in script.of(Close)] == [(3060, LINK), (3061, "check:picture-black")]
    assert [(at_s, one.key.cause) for at_s, one in script.of(Open)][2:] == [(3061, "check:host-disk")]


def test_what_is_late_says_nothing_new(script: Script) -> None:
    script.tell(picture_black="critical")
    script.run(15)
    script.judge.link(ROOM, "late", script.now_s)
    script.run(30)
    assert script.history == []
    script.judge.link(ROOM, "online", script.now_s)
    script.run(31)
    assert [at_s for at_s, _ in script.of(Open)] == [31]


def test_a_lost_room_that_may_be_back_is_not_lost_yet(script: Script) -> None:
    """Its lesson ended out of our hearing: it is missed less soon now, and was not heard meanwhile."""
    script.judge.link(ROOM, "offline", 0.0)
    script.run(50)
    script.judge.link(ROOM, "late", script.now_s)
    script.run(65)
    assert script.history == []
    script.judge.link(ROOM, "offline", script.now_s)
    script.run(200)
    assert [at_s for at_s, _ in script.of(Open)] == [75]


@pytest.mark.parametrize("link", ["off", "unknown"])
def test_a_room_that_was_switched_off_or_that_we_cannot_see_is_no_incident(script: Script, link: str) -> None:
    script.judge.link(ROOM, link, 0.0)  # type: ignore[arg-type]  # the parameter's words
    script.run(500)
    assert script.history == []


# --- what was asked for -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "check"),
    [
        ("camera", "picture_black"),
        ("camera", "picture_under_exposed"),
        ("board", "board_picture_black"),
        ("display", "board_power"),
        ("display", "board_picture_black"),
        ("sound", "sound_quiet"),
    ],
)
def test_what_somebody_put_off_is_no_fault(script: Script, wish: Wish, check: str) -> None:
    script.judge.wish(ROOM, [wish], 0.0)
    script.tell(**{check: "critical"})
    script.run(400)
    assert script.history == []
    assert script.judge.shown(ROOM, script.now_s).status is CheckStatus.OK
    script.judge.wish(ROOM, [], script.now_s)
    script.run(800)
    assert [one.key.cause for _, one in script.of(Open)] == ["check:" + check.replace("_", "-")]


def test_a_muted_room_with_a_dead_microphone_is_a_fault(script: Script) -> None:
    script.judge.wish(ROOM, ["sound"], 0.0)
    script.tell(sound_dead="critical")
    script.run(30)
    assert [one.key.cause for _, one in script.of(Open)] == ["check:sound-dead"]


def test_a_microphone_muted_by_its_own_switch_is_no_fault(script: Script) -> None:
    script.tell(sound_muted="critical", sound_dead="critical", sound_quiet="warning")
    script.run(1000)
    assert script.history == []
    assert script.judge.shown(ROOM, script.now_s).status is CheckStatus.OK


def test_a_room_that_says_dark_for_a_film_is_no_fault(script: Script) -> None:
    """The room itself tells a film from a wrong exposure: it says unknown, and an open incident waits."""
    script.tell(picture_under_exposed="warning")
    script.run(400)
    script.tell(picture_under_exposed="unknown")
    script.run(5000)
    script.tell(picture_under_exposed="ok")
    script.run(5400)
    assert [at_s for at_s, _ in script.of(Open)] == [300]
    assert [(at_s, one.reason) for at_s, one in script.of(Close)] == [(5300, "recovered")]


def test_what_no_look_could_confirm_for_a_week_is_over(script: Script) -> None:
    script.tell(picture_black="critical")
    script.run(30)
    script.tell(picture_black="unknown")
    script.turn()
    week_s = script.now_s + 7 * 86_400
    assert script.judge.next_s == week_s
    script.now_s = week_s
    script.turn()
    assert [one.reason for _, one in script.of(Close)] == ["unseen"]


# --- who is told ------------------------------------------------------------------------------------------------------


def test_a_lesson_decides_how_urgent_it_is(script: Script) -> None:
    calendar = LessonCalendar((Planned(5000.0, 8000.0, "l-1"),), ((2000.0, 9000.0),))
    script.judge.plan(ROOM, calendar, 0.0)
    script.tell(host_disk="critical")
    script.run(4200)
    assert [(one.urgency, one.tell) for _, one in script.of(Open)] == [(Urgency.QUIET, False)]
    assert [(at_s, one.urgency, one.tell) for at_s, one in script.of(Escalate)] == [
        (2000, Urgency.NORMAL, True),
        (4100, Urgency.URGENT, True),
    ]


def test_a_running_lesson_is_urgent_whatever_is_planned(script: Script) -> None:
    script.judge.plan(ROOM, LessonCalendar((), ()), 0.0)
    script.tell(host_disk="critical")
    script.run(100)
    script.judge.lesson(ROOM, "running", script.now_s)
    script.run(110)
    assert [(at_s, one.urgency, one.tell) for at_s, one in script.of(Escalate)] == [(101, Urgency.URGENT, True)]


def test_maintenance_opens_nothing_and_shows_everything(script: Script) -> None:
    script.judge.maintain("room", ROOM, 500.0, 0.0)
    script.tell(host_disk="critical")
    script.run(499)
    assert script.history == []
    assert script.judge.shown(ROOM, script.now_s) == ("maintenance", CheckStatus.CRITICAL)
    script.run(600)
    assert [at_s for at_s, _ in script.of(Open)] == [560]
    assert script.judge.shown(ROOM, script.now_s) == ("online", CheckStatus.CRITICAL)


def test_maintenance_that_ends_early_begins_the_evidence_anew(script: Script) -> None:
    script.judge.maintain("school", "hugo", 5000.0, 0.0)
    script.tell(host_disk="critical")
    script.run(400)
    script.judge.maintain("school", "hugo", 400.0, 400.0)
    script.run(500)
    assert [at_s for at_s, _ in script.of(Open)] == [460]


def test_what_was_open_closes_in_maintenance_and_nobody_is_told(script: Script) -> None:
    script.tell(host_disk="critical")
    script.run(100)
    script.judge.maintain("room", ROOM, 5000.0, 100.0)
    script.tell(host_disk="ok")
    script.run(300)
    assert [(at_s, one.tell) for at_s, one in script.of(Close)] == [(160, False)]


def test_plugging_things_in_and_out_at_maintenance_is_no_flapping(script: Script) -> None:
    script.judge.maintain("room", ROOM, 2000.0, 0.0)
    for at_s in range(0, 2000, 30):
        script.run(at_s)
        script.tell(front="critical" if at_s % 60 == 0 else "ok")
    script.tell(front="ok")
    script.run(4000)
    assert script.history == []


def test_a_mute_keeps_the_incident_and_tells_when_it_ends(script: Script) -> None:
    script.judge.mute(key("check:host-disk"), 300.0, 0.0)
    script.tell(host_disk="critical")
    script.run(299)
    assert [(at_s, one.tell) for at_s, one in script.of(Open)] == [(60, False)]
    assert script.judge.shown(ROOM, script.now_s).status is CheckStatus.CRITICAL
    script.run(400)
    assert [(at_s, one.key) for at_s, one in script.of(Tell)] == [(300, key("check:host-disk"))]
    script.tell(host_disk="ok")
    script.run(600)
    assert [one.tell for _, one in script.of(Close)] == [True]


@pytest.mark.parametrize("muted_until_s", [900.0, 130.0])
def test_what_came_and_went_while_muted_is_never_told(script: Script, muted_until_s: float) -> None:
    """Nor when the mute ends while it is well and only not yet closed."""
    script.judge.mute(key("check:host-disk"), muted_until_s, 0.0)
    script.tell(host_disk="critical")
    script.run(100)
    script.tell(host_disk="ok")
    script.run(1000)
    assert [getattr(one, "tell", True) for _, one in script.history] == [False, False]


@pytest.mark.parametrize("well_s", [50, 100])
def test_flapping_is_told_once(script: Script, well_s: int) -> None:
    """Whether it would have closed in between or not."""
    for _ in range(40):
        script.tell(picture_black="critical")
        script.run(script.now_s + 70)
        script.tell(picture_black="ok")
        script.run(script.now_s + well_s)
    began_s, began = next((at_s, one) for at_s, one in script.history if getattr(one, "is_flapping", False))
    assert isinstance(began, Flapping if well_s < 60 else Reopen)
    assert began.tell
    assert [one for at_s, one in script.history if at_s > began_s] == []
    script.run(10_000)
    assert [one for at_s, one in script.history if at_s > began_s] == [
        Flapping(began.key, is_flapping=False, tell=False),
        Close(began.key, "recovered", tell=True),
    ]


def flap(script: Script, until_s: float) -> None:
    """Let the picture be black and not black until then; it ends well."""
    while script.now_s < until_s:
        script.tell(picture_black="critical")
        script.run(script.now_s + 70)
        script.tell(picture_black="ok")
        script.run(script.now_s + 50)


def told(script: Script) -> list[tuple[float, str]]:
    """Return what people hear of, and when."""
    return [
        (at_s, type(one).__name__)
        for at_s, one in script.history
        if isinstance(one, Tell) or getattr(one, "tell", False)
    ]


def test_what_begins_to_flap_at_night_is_told_once_when_the_lesson_comes(script: Script) -> None:
    script.judge.plan(ROOM, LessonCalendar((Planned(4000.0, 9000.0, "l-1"),), ()), 0.0)
    flap(script, 4500)
    assert [(at_s > 1000, one.is_flapping) for at_s, one in script.of(Flapping)] == [(False, True)]
    assert told(script) == [(3100, "Escalate")]
    script.tell(picture_black="critical")
    script.run(10_000)
    assert told(script) == [(3100, "Escalate")]
    assert script.of(Close) == []


@pytest.mark.parametrize("stays", [True, False])
def test_what_grows_more_urgent_while_it_flaps_is_told_when_it_is_calm_and_there(script: Script, stays: bool) -> None:
    script.judge.plan(ROOM, LessonCalendar((Planned(4000.0, 9000.0, "l-1"),)), 0.0)
    flap(script, 4500)
    assert [at_s for at_s, _ in script.of(Escalate)] == [3100]
    assert [kind for _, kind in told(script)] == ["Open", "Flapping"]
    script.tell(picture_black="critical" if stays else "ok")
    script.run(10_000)
    calm_s = script.of(Flapping)[-1][0]
    assert told(script)[2:] == [(calm_s, "Tell" if stays else "Close")]


def test_what_flaps_too_fast_to_be_held_is_an_incident_all_the_same(script: Script) -> None:
    for at_s in range(0, 120, 5):
        script.run(at_s)
        script.tell(sound_dead="critical" if at_s % 10 == 0 else "ok")
    assert [(one.key.cause, one.is_flapping) for _, one in script.of(Open)] == [("check:sound-dead", True)]


def test_what_somebody_closed_opens_again_only_after_it_was_well(script: Script) -> None:
    script.tell(host_disk="critical")
    script.run(100)
    script.judge.dismiss(key("check:host-disk"))
    script.run(3000)
    assert [(at_s, one.reason) for at_s, one in script.of(Close)] == [(101, "by-hand")]
    assert len(script.of(Open)) == 1
    script.tell(host_disk="ok")
    script.run(3010)
    script.tell(host_disk="critical")
    script.run(3100)
    assert [at_s for at_s, _ in script.of(Open)][1:] == [3070]


# --- begun anew -------------------------------------------------------------------------------------------------------


def test_incidents_that_were_stored_go_on(script: Script) -> None:
    stored = [
        Stored(key("check:host-disk"), Severity.CRITICAL, Urgency.NORMAL, was_told=True),
        Stored(key("check:picture-black"), Severity.CRITICAL, Urgency.NORMAL, was_told=True),
        Stored(key("check:sound-dead"), Severity.CRITICAL, Urgency.NORMAL, was_told=False, closed_s=-100.0),
        Stored(
            key("check:host-clock"), Severity.WARNING, Urgency.NORMAL, was_told=False, closed_s=-50.0, is_dismissed=True
        ),
        Stored(Key("room", "sold", LINK), Severity.CRITICAL, Urgency.NORMAL, was_told=True),
    ]
    script = Script(is_online=False)
    script.judge.restore(stored, [], 0.0)
    script.run(2)
    assert script.history == [(1.0, Close(Key("room", "sold", LINK), "retired", tell=False))]
    script.judge.link(ROOM, "online", script.now_s)
    script.tell(host_disk="ok", picture_black="critical", sound_dead="critical", host_clock="warning")
    script.run(1000)
    assert [(at_s, type(one).__name__, one.key.cause) for at_s, one in script.history[1:]] == [  # type: ignore[union-attr]  # all have it
        (23, "Reopen", "check:sound-dead"),
        (63, "Close", "check:host-disk"),
    ]


@pytest.mark.parametrize(
    ("urgency", "muted_until_s", "maintained_until_s", "told_s"),
    [
        (Urgency.NORMAL, 300.0, 0.0, [300]),
        (Urgency.NORMAL, 0.0, 300.0, [300]),
        (Urgency.NORMAL, -50.0, 0.0, [15]),
        (Urgency.QUIET, 300.0, 0.0, []),
    ],
)
def test_what_was_kept_from_people_is_told_by_who_takes_over(
    script: Script, urgency: Urgency, muted_until_s: float, maintained_until_s: float, told_s: list[int]
) -> None:
    """Also where the mute ended meanwhile: once the room had time to say that it is well."""
    untold = Stored(key("check:host-disk"), Severity.CRITICAL, urgency, was_told=False, muted_until_s=muted_until_s)
    script.judge.plan(ROOM, LessonCalendar((), ()), 0.0)
    script.judge.restore([untold], [], 0.0)
    script.judge.maintain("room", ROOM, maintained_until_s, 0.0)
    script.tell(host_disk="critical")
    script.run(400)
    assert [at_s for at_s, _ in script.of(Tell)] == told_s
    script.tell(host_disk="ok")
    script.run(500)
    assert [one.tell for _, one in script.of(Close)] == [bool(told_s)]


def test_nothing_opens_before_we_have_settled() -> None:
    script = Script()
    script.judge.restore([], [], 0.0)
    script.judge.lesson(ROOM, "running", 0.0)
    script.tell(sound_dead="critical")
    script.run(100)
    assert [at_s for at_s, _ in script.of(Open)] == [15]


def test_rooms_have_time_to_come_back_to_us(script: Script) -> None:
    script.judge.broker(is_there=False, now_s=0.0)
    script.judge.link(ROOM, "unknown", 0.0)
    script.run(5)
    script.judge.broker(is_there=True, now_s=script.now_s)
    script.judge.link(ROOM, "offline", script.now_s)
    script.run(200)
    assert [at_s for at_s, _ in script.of(Open)] == [5 + 90]


def test_others_are_given_time_for_a_report_before_a_room_is_alone(script: Script) -> None:
    """Its broker connection broke at once, theirs will: nobody was heard since, and nobody had to be yet."""
    for other in ("hugo-02", "hugo-03"):
        script.judge.add(other, "hugo", "075")
        script.judge.link(other, "online", 0.0)
    script.judge.lesson(ROOM, "running", 0.0)
    script.run(100)
    script.heard_s = 100.0
    script.judge.link(ROOM, "offline", 100.0)
    script.run(300)
    assert [(at_s, one.key) for at_s, one in script.of(Open)] == [(124, Key("school", "hugo", SCHOOL_OFFLINE))]


def test_a_retired_room_has_no_incidents(script: Script) -> None:
    script.tell(host_disk="critical", picture_black="critical")
    script.run(40)
    script.judge.retire(ROOM, script.now_s)
    script.run(400)
    assert [(one.key.cause, one.reason) for _, one in script.of(Close)] == [("check:picture-black", "retired")]
    assert script.judge.next_s == math.inf


def test_the_centre_has_incidents_too(script: Script) -> None:
    script.judge.find([Finding("crl-age", CheckStatus.WARNING)], 0.0)
    script.run(400)
    script.judge.find([Finding("crl-age", CheckStatus.OK)], script.now_s)
    script.run(800)
    assert [(at_s, one.key) for at_s, one in script.of(Open)] == [(300, Key("centre", "centre", "crl-age"))]
    assert [at_s for at_s, _ in script.of(Close)] == [700]


def test_times_that_were_put_off_do_not_pile_up(script: Script) -> None:
    """A room is due in a week, then soon, then in a week again, and so all day."""
    script.tell(picture_black="critical")
    script.run(30)
    script.tell(picture_black="unknown")
    week_s = script.now_s + 7 * 86_400
    for _ in range(500):
        for status in ("critical", "unknown"):
            script.tell(host_disk=status)
            script.turn()
    assert len(script.judge._heap) <= 2 * 4  # a room, its school, its territory, the centre
    while script.judge.next_s <= week_s:
        script.now_s = script.judge.next_s
        script.turn()
    assert [(at_s, one.reason) for at_s, one in script.of(Close)] == [(week_s, "unseen")]


def test_five_thousand_rooms_that_are_well_cost_nothing() -> None:
    """What is well leaves no timer and is asked nothing, and what was wrong is forgotten."""
    asked: list[str] = []

    def heard(room: str) -> Heard:
        asked.append(room)
        return Heard(0.0, 10.0)

    judge = Judge(heard)
    for n in range(5_000):
        judge.add(f"r-{n}", f"s-{n // 40}", "075")
        judge.link(f"r-{n}", "online", 0.0)
        judge.report(f"r-{n}", [Finding("check:host-disk", CheckStatus.OK)], 0.0)
    judge.report("r-1", [Finding("check:host-disk", CheckStatus.CRITICAL)], 0.0)
    assert judge.turn(1.0) == []
    judge.report("r-1", [Finding("check:host-disk", CheckStatus.OK)], 10.0)
    judge.turn(10.0)
    judge.turn(10_000.0)
    assert judge.next_s == math.inf
    assert asked == []
