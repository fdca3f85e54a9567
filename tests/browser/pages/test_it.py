"""IT's page: who comes in, what the list and a room say, what the two acts lead to."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from agent.sending_alarm import SendingAlarm
from controller.cli import parser
from protocol.lesson import LessonState
from protocol.messages import (
    STOPPED_FROM_AFAR,
    Check,
    CheckStatus,
    DeviceReport,
    DeviceRole,
    LessonEnded,
    OnAir,
    Problem,
    ProposalAnswered,
    Sign,
    Text,
)
from protocol.pages import ActAnswer, EventsView, EventView, OidcView, ProposeAnswer, RoomsView, RoomView, SessionView
from tests.browser.pages.conftest import OpenPage, Serve, assert_accessible, assert_fits
from tests.browser.pages.stub import Answer, PageServer, refusal
from tests.chromium import Complaints

pytestmark = pytest.mark.asyncio(loop_scope="session")


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def camera(problem: str | None = None) -> DeviceReport:
    return DeviceReport(
        id="camera",
        role=DeviceRole.CAMERA,
        name="BRIO",
        driver="v4l2",
        is_open=True,
        status=CheckStatus.CRITICAL if problem else CheckStatus.OK,
        since=ago(12_600),
        problem=Problem(code=problem, message="said in English") if problem else None,
    )


def room(name: str, **changes: Any) -> RoomView:
    told: dict[str, Any] = {
        "id": name.lower().replace(" ", "-").replace("é", "e"),
        "name": name,
        "territory": "doubs",
        "link": "online",
        "link_since": ago(86_400),
        "reported_age_s": 2.0,
        "is_stale": False,
        "status": CheckStatus.OK,
        "state": LessonState.IDLE,
        "devices": (camera(),),
        "on_air": OnAir(),
        "sign": Sign.OFF,
    }
    return RoomView.model_validate({**told, **changes})


LIVE = {"state": "live", "lesson": "l-1", "lesson_started_at": ago(9_000), "viewers": 8, "sign": "live"}
ROOMS = (
    room("Salle 2"),
    room("Salle 10", **LIVE),
    room("Salle 3", **LIVE, status="critical", devices=(camera("device-lost"),)),
    room("École", territory="jura", link="offline", link_since=ago(19_800), is_stale=True, status="critical"),
)
HAPPENED = (
    EventView(id="e2", room="salle-10", kind="device.back", at=ago(50), fact={"role": "camera", "away_s": 9.0}),
    EventView(id="e1", room="salle-10", kind="lesson.started", at=ago(760), fact={"origin": "panel"}),
)


class Centre:
    """A centre with one account, ``it`` / ``right``."""

    def __init__(self, server: PageServer, rooms: Sequence[RoomView], role: str = "admin") -> None:
        self.server = server
        self.url = f"{server.url}/it/"
        self.is_signed_in = True
        self.who = SessionView.model_validate({"name": "it", "role": role})
        server.events_path = "/api/v1/events"
        server.answers["/api/v1/session"] = self._session
        server.answers["/api/v1/oidc"] = OidcView(label=None)
        server.answers["POST /api/v1/session"] = self.sign_in
        server.answers["DELETE /api/v1/session"] = self._sign_out
        server.answers["/api/v1/rooms"] = RoomsView(at=ago(0), rooms=tuple(rooms), cursor="e-1-1")
        for one in rooms:
            server.answers[f"/api/v1/rooms/{one.id}/events"] = EventsView(
                events=tuple(event for event in HAPPENED if event.room == one.id)
            )

    def _session(self, body: bytes) -> Answer:
        return self.who if self.is_signed_in else refusal("access-refused", 401)

    def sign_in(self, body: bytes) -> Answer:
        if json.loads(body)["password"] != "right":
            return refusal("sign-in-failed", 401)
        self.is_signed_in = True
        return self.who

    def _sign_out(self, body: bytes) -> Answer:
        self.is_signed_in = False
        return None

    def acts(self) -> list[str]:
        return [path for method, path, _ in self.server.asked if method == "POST" and "/rooms/" in path]


async def names(page: Page) -> list[str]:
    return await page.locator("table.rooms tbody th").all_inner_texts()


async def test_signing_in_and_out(serve: Serve, open_page: OpenPage, complaints: Complaints) -> None:
    complaints.expected = {401}
    centre = Centre(serve("it"), ROOMS)
    centre.is_signed_in = False
    page = await open_page(centre.url)
    await expect(page.locator("#other")).to_have_count(0)
    await page.fill("#name", "it")
    await page.fill("#password", "wrong")
    await page.keyboard.press("Enter")
    await expect(page.locator(".problem")).to_contain_text("Le nom ou le mot de passe est faux.")
    await assert_accessible(page)
    await page.fill("#password", "right")
    await page.keyboard.press("Enter")
    await expect(page.locator("table.rooms")).to_be_visible()
    await page.click("#sign-out")
    await expect(page.locator("#sign-in")).to_be_visible()
    assert not centre.is_signed_in


@pytest.mark.parametrize(
    ("code", "said"), [("no-grant", "aucun de ses groupes"), ("oidc-failed", "Il faut recommencer")]
)
async def test_the_way_over_another_service_is_a_link_and_says_why_it_failed(
    serve: Serve, open_page: OpenPage, complaints: Complaints, code: str, said: str
) -> None:
    complaints.expected = {401}
    centre = Centre(serve("it"), ROOMS)
    centre.is_signed_in = False
    centre.server.answers["/api/v1/oidc"] = OidcView(label="ENT")
    page = await open_page(f"{centre.url}?problem={code}")
    await expect(page.locator("#other")).to_have_text("Se connecter avec ENT")
    assert await page.locator("#other").get_attribute("href") == "/api/v1/oidc/start"
    await expect(page.locator(".problem")).to_contain_text(said)
    assert page.url == centre.url, "a page loaded again does not say it again"
    await assert_fits(page)
    await assert_accessible(page)


@pytest.mark.parametrize("dark", [False, True])
async def test_rooms_are_listed_worst_first_and_change_by_themselves(
    serve: Serve, open_page: OpenPage, dark: bool
) -> None:
    centre = Centre(serve("it"), ROOMS)
    page = await open_page(centre.url, width=1440, height=900, dark=dark)
    await expect(page.locator("#summary")).to_have_text("4 salles, 2 en direct, 1 avec un problème, 1 injoignable")
    assert await names(page) == ["Salle 3", "École", "Salle 10", "Salle 2"]
    await expect(page).to_have_title("(2) Salles · Estrade")
    await assert_accessible(page)
    centre.server.push("room", room("Salle 2", **{**LIVE, "viewers": 3}))
    await expect(page.locator("#summary")).to_contain_text("3 en direct")
    centre.server.push("room", room("École", territory="jura"))
    await expect(page).to_have_title("(1) Salles · Estrade")
    assert await names(page) == ["Salle 3", "Salle 2", "Salle 10", "École"]
    await page.click("#view-tiles")
    await expect(page.locator(".tile")).to_have_count(2)
    await expect(page.get_by_role("link", name="Salle 10 : en direct")).to_be_visible()
    centre.server.push("room", room("Salle 10", **LIVE, link="offline", is_stale=True))
    await expect(page.locator("#summary")).to_have_text("4 salles, 2 en direct, 1 avec un problème, 1 injoignable")
    await expect(page.locator(".tile", has_text="doubs").locator("p")).to_have_text(
        "3 salles, 2 en direct, 1 avec un problème, 1 injoignable"  # the one with a problem is live, too
    )
    await assert_accessible(page)


@pytest.mark.parametrize("locale", ["fr-FR", "en-GB"])
async def test_an_empty_list_says_how_a_room_gets_into_it(serve: Serve, open_page: OpenPage, locale: str) -> None:
    page = await open_page(Centre(serve("it"), ()).url, locale=locale)
    words = await page.locator(".empty").inner_text()
    command = re.search(r"estrade-controller ([a-z ]+[a-z])", words)
    assert command is not None, words
    known = parser().parse_args([*command[1].split(), "b12", "--name", "Salle B12", "--territory", "075"])
    assert known.id == "b12"


async def test_search_and_filter_live_in_the_address(serve: Serve, open_page: OpenPage) -> None:
    centre = Centre(serve("it"), ROOMS)
    page = await open_page(centre.url)
    await page.fill("#search", "ecole")
    await expect(page.locator("table.rooms tbody tr")).to_have_count(1)
    assert page.url == f"{centre.url}?q=ecole"
    await page.reload()
    await expect(page.locator("#search")).to_have_value("ecole")
    assert await names(page) == ["École"]
    await page.fill("#search", "zzz")
    await page.get_by_role("link", name="Voir toutes les salles").click()
    await page.get_by_role("link", name=re.compile("^En direct")).click()
    await expect(page.locator("table.rooms tbody tr")).to_have_count(2)
    assert page.url == f"{centre.url}?show=live"
    await page.go_back()
    await expect(page.locator("table.rooms tbody tr")).to_have_count(4)
    await page.get_by_role("button", name="Salle", exact=True).click()
    await expect(page.locator("table.rooms tbody th").first).to_have_text("École")
    assert await names(page) == ["École", "Salle 2", "Salle 3", "Salle 10"]


async def test_a_room_says_in_one_line_what_it_does_and_what_happened(serve: Serve, open_page: OpenPage) -> None:
    centre = Centre(serve("it"), ROOMS)
    page = await open_page(centre.url, width=1440, height=900)
    await page.get_by_role("link", name="Salle 10").click()
    await expect(page.locator("#top-line")).to_contain_text(re.compile("En direct depuis 2\\s?h\\s?3\\d, 8 élèves"))
    await expect(page.locator(".history li")).to_have_count(2)
    await expect(page.locator(".history li").first).to_contain_text("Caméra : de retour après")
    await assert_accessible(page)
    left = EventView(id="e3", room="salle-10", kind="viewer.left", at=ago(0), fact={"stayed_s": 600})
    for event in (left, left, left.model_copy(update={"id": "e4", "room": "salle-2"})):
        centre.server.push("event", event)
    centre.server.push("room", room("Salle 10", **{**LIVE, "viewers": 7}))
    await expect(page.locator("#top-line")).to_contain_text("7 élèves")
    await expect(page.locator(".history li")).to_have_count(3)
    await expect(page.locator(".history li").first).to_contain_text("Un élève est parti")
    ended = LessonEnded(lesson="l-1", reason=STOPPED_FROM_AFAR, duration_s=120.0, viewers_most=1)
    stopped = EventView(id="e5", room="salle-10", kind=ended.kind, at=ago(0), fact=ended.model_dump(mode="json"))
    centre.server.push("event", stopped)
    await expect(page.locator(".history li").first).to_contain_text("Classe arrêtée d’ici")
    await expect(page.locator(".history li").first).to_contain_text("1 élève au plus")
    alone = ended.model_copy(update={"viewers_most": 0})
    stopped = EventView(id="e6", room="salle-10", kind=alone.kind, at=ago(0), fact=alone.model_dump(mode="json"))
    centre.server.push("event", stopped)
    await expect(page.locator(".history li").first).to_have_text(re.compile("aucun élève$"))
    await page.goto(f"{centre.url}?room=salle-3")
    await expect(page.locator("#top-line")).to_contain_text(re.compile("caméra perdue depuis 3\\s?h"))
    await expect(page.locator("table")).to_contain_text("device-lost")


async def test_after_a_death_everything_is_shown_as_past(serve: Serve, open_page: OpenPage) -> None:
    page = await open_page(f"{Centre(serve('it'), ROOMS).url}?room=ecole")
    await expect(page.locator("#top-line")).to_contain_text(re.compile("Ne répond plus depuis 5\\s?h"))
    await expect(page.locator("#stale")).to_contain_text("n’est peut-être plus vrai")
    await expect(page.locator("table")).to_contain_text("allait bien")
    await expect(page.locator("#propose")).to_be_disabled()
    await assert_accessible(page)


async def test_stopping_asks_first_and_tells_the_result(serve: Serve, open_page: OpenPage) -> None:
    centre = Centre(serve("it"), ROOMS)
    centre.server.answers["POST /api/v1/rooms/salle-10/stop"] = ActAnswer()
    page = await open_page(f"{centre.url}?room=salle-10")
    await page.click("#stop")
    await expect(page.locator("dialog")).to_contain_text("8 élèves la suivent")
    await assert_accessible(page)
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog")).to_have_count(0)
    assert centre.acts() == []
    await page.click("#stop")
    await page.click("#stop-yes")
    await expect(page.locator("#outcome")).to_contain_text("Classe arrêtée")
    assert centre.acts() == ["/api/v1/rooms/salle-10/stop"]


async def test_a_microphone_is_muted_from_afar_and_not_unmuted(serve: Serve, open_page: OpenPage) -> None:
    centre = Centre(serve("it"), ROOMS)
    centre.server.answers["POST /api/v1/rooms/salle-10/mute"] = ActAnswer()
    page = await open_page(f"{centre.url}?room=salle-10")
    await expect(page.locator("#mute")).to_have_text("Couper le micro")
    await page.click("#mute")
    await expect(page.locator("#outcome")).to_contain_text("Seul le professeur le rouvre")
    assert centre.acts() == ["/api/v1/rooms/salle-10/mute"]
    centre.server.push("room", room("Salle 10", **{**LIVE, "on_air": OnAir(sound=False)}))
    await expect(page.locator("#top-line")).to_contain_text("micro coupé")
    await expect(page.locator("#mute")).to_have_count(0)
    await expect(page.locator("#stop")).to_be_enabled()
    await assert_accessible(page)


async def test_an_alarm_stays_on_the_room_until_somebody_says_that_it_was_seen(
    serve: Serve, open_page: OpenPage
) -> None:
    sent = SendingAlarm(Path("/nowhere/at/all"))
    sent.sound()
    happened = EventView(id="e1", room="salle-2", kind="sending.stopped", at=ago(9), fact={"after_s": 4.0})
    centre = Centre(serve("it"), [room("Salle 2", status="critical", checks=(sent.check(),))])
    centre.server.answers["/api/v1/rooms/salle-2/events"] = EventsView(events=(happened,))
    centre.server.answers["POST /api/v1/rooms/salle-2/seen"] = ActAnswer()
    page = await open_page(f"{centre.url}?room=salle-2")
    await expect(page.locator(".alarm")).to_contain_text("partaient sans classe en cours")
    await expect(page.locator(".history")).to_contain_text("envoi arrêté net")
    await assert_accessible(page)
    await page.click(".alarm button")
    await expect(page.locator("#outcome")).to_contain_text("marquée comme vue")
    assert centre.acts() == ["/api/v1/rooms/salle-2/seen"]
    assert json.loads(centre.server.asked[-1][2]) == {"check": "on-air"}
    centre.server.push("room", room("Salle 2"))
    await expect(page.locator(".alarm")).to_have_count(0)


async def test_every_check_is_shown_with_its_value_and_age_the_worst_first(serve: Serve, open_page: OpenPage) -> None:
    def check(name: str, status: str, value: float | None = None, unit: str | None = None) -> Check:
        message = Text(fr="Le boîtier chauffe.", en="It gets hot.") if status == "warning" else None
        status_ = CheckStatus(status)
        return Check(id=name, status=status_, since=ago(3 * 60 + 5), value=value, unit=unit, message=message)

    checks = (
        check("picture-black", "ok", 12.345, "%"),
        check("host-certificate", "ok", 120.0, "d"),
        check("from-the-future", "unknown"),
        check("host-temperature", "warning", 86.04, "°C"),
    )
    centre = Centre(serve("it"), [room("Salle 2", status="warning", checks=checks)])
    page = await open_page(f"{centre.url}?room=salle-2")
    rows = page.locator("#checks tbody tr")
    await expect(rows).to_have_count(4)
    told = [re.sub(r"[\s\u00a0\u202f]+", " ", await row.inner_text()) for row in await rows.all()]
    assert told == [
        "Boîtier : température ! à surveiller depuis 3 min 86 °C",
        "from-the-future ? on ne sait pas depuis 3 min –",
        "Caméra : image noire ✓ en ordre depuis 3 min 12,3 %",
        "Certificat de la salle ✓ en ordre depuis 3 min 120 j",
    ]
    await assert_accessible(page)
    await page.set_viewport_size({"width": 390, "height": 844})
    await assert_fits(page)


@pytest.mark.parametrize("width", [390, 320])
async def test_a_corridors_phone_has_the_whole_table_of_checks(serve: Serve, open_page: OpenPage, width: int) -> None:
    checks = tuple(
        Check(id=name, status=CheckStatus.WARNING, since=ago(50_000), value=value, unit=unit)
        for name, value, unit in (
            ("board-power", 3990.0, "h"),
            ("picture-flicker", 1234.5, None),
            ("host-restarts", 12.25, "/h"),
            ("host-load", 7.25, "/core"),
            ("sound-hum", -120.5, "dBFS"),
        )
    )
    page = await open_page(f"{Centre(serve('it'), [room('Salle 2', checks=checks)]).url}?room=salle-2", width=width)
    await expect(page.locator("#checks tbody tr")).to_have_count(5)
    over = "document.querySelector('#checks').scrollWidth - document.querySelector('#checks').parentElement.clientWidth"
    assert await page.evaluate(over) <= 0
    table, card = (
        await page.locator("#checks").bounding_box(),
        await page.locator("#checks").locator("..").bounding_box(),
    )
    assert table is not None
    assert card is not None
    assert table["x"] + table["width"] <= card["x"] + card["width"]


async def test_one_pupil_is_spoken_of_as_one(serve: Serve, open_page: OpenPage) -> None:
    alone = room("Salle 1", **{**LIVE, "viewers": 1})
    for locale, words in (("fr-FR", "1 élève la suit."), ("en-GB", "1 pupil follows it.")):
        page = await open_page(f"{Centre(serve('it'), (alone,)).url}?room=salle-1", locale=locale)
        await page.click("#stop")
        await expect(page.locator("dialog")).to_contain_text(words)


async def test_a_proposal_that_fails_is_told_in_words(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {504}
    centre = Centre(serve("it"), ROOMS)
    centre.server.answers["POST /api/v1/rooms/salle-2/propose"] = refusal("room-timeout", 504)
    page = await open_page(f"{centre.url}?room=salle-2")
    await page.click("#propose")
    await expect(page.locator("#outcome")).to_contain_text("La salle n’a pas répondu à temps")
    await assert_accessible(page)
    centre.server.answers["POST /api/v1/rooms/salle-2/propose"] = ProposeAnswer(proposal="p-1")
    await page.click("#propose")
    await expect(page.locator("#outcome")).to_contain_text("la salle a deux minutes pour répondre")
    centre.server.push("room", room("Salle 2", proposal="p-1"))
    await expect(page.locator("#propose")).to_be_disabled()


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("accepted", "Proposition acceptée dans la salle à"),
        ("refused", "Proposition refusée dans la salle à"),
        ("expired", "Proposition restée sans réponse dans la salle."),
    ],
)
async def test_a_proposal_does_not_stand_any_more_once_the_room_has_answered(
    serve: Serve, open_page: OpenPage, reason: str, words: str
) -> None:
    def answered(number: int, proposal: str, reason: str) -> EventView:
        fact = ProposalAnswered.model_validate(
            {"proposal": proposal, "accepted": reason == "accepted", "reason": reason}
        )
        return EventView(id=f"e{number}", room="salle-2", kind=fact.kind, at=ago(0), fact=fact.model_dump(mode="json"))

    centre = Centre(serve("it"), ROOMS)
    centre.server.answers["POST /api/v1/rooms/salle-2/propose"] = ProposeAnswer(proposal="p-2")
    page = await open_page(f"{centre.url}?room=salle-2")
    await page.click("#propose")
    await expect(page.locator("#outcome")).to_contain_text("la salle a deux minutes")
    centre.server.push("event", answered(1, "p-1", "expired"))  # of the one whose place it took
    await expect(page.locator(".history")).to_contain_text("Proposition restée sans réponse")
    await expect(page.locator("#outcome")).to_contain_text("la salle a deux minutes")
    centre.server.push("event", answered(2, "p-2", reason))
    await expect(page.locator("#outcome")).to_contain_text(words)
    await expect(page.locator("#propose")).to_be_enabled()
    await assert_accessible(page)


async def test_who_may_only_look_is_told_so(serve: Serve, open_page: OpenPage) -> None:
    page = await open_page(f"{Centre(serve('it'), ROOMS, role='viewer').url}?room=salle-10")
    await expect(page.locator("#stop")).to_be_disabled()
    await expect(page.locator("#outcome")).to_have_text("Ce compte peut regarder, pas agir.")


async def test_a_silent_centre_is_told_with_its_age_and_a_lost_session_asks_again(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {503, 401}
    centre = Centre(serve("it"), ROOMS)
    page = await open_page(centre.url)
    await expect(page.locator("table.rooms")).to_be_visible()
    centre.server.events_path = ""
    centre.server.answers["/api/v1/events"] = refusal("internal", 503)
    centre.server.cut_lines()
    await expect(page.locator("#centre-banner")).to_contain_text(re.compile("ne répond plus depuis \\d+\\s?s"))
    await assert_accessible(page)
    centre.server.answers["/api/v1/events"] = refusal("access-refused", 401)
    await expect(page.locator("#sign-in")).to_be_visible()


async def test_the_list_is_a_file_for_a_spreadsheet(serve: Serve, open_page: OpenPage, tmp_path: Path) -> None:
    page = await open_page(f"{Centre(serve('it'), ROOMS).url}?show=problem")
    async with page.expect_download() as download:
        await page.click("#csv")
    await (await download.value).save_as(tmp_path / "rooms.csv")
    lines = (tmp_path / "rooms.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].startswith("id;name;territory;")
    assert [line.split(";")[0] for line in lines[1:]] == ["salle-3"]


@pytest.mark.parametrize(("width", "height"), [(390, 844), (320, 600), (720, 450)])
async def test_no_size_of_screen_loses_anything(serve: Serve, open_page: OpenPage, width: int, height: int) -> None:
    page = await open_page(Centre(serve("it"), ROOMS).url, width=width, height=height)
    for place in ("", "?view=tiles", "?room=salle-3"):
        await page.goto(page.url.partition("?")[0] + place)
        await expect(page.locator("h1")).to_be_visible()
        await assert_fits(page)


async def test_thousands_of_rooms_are_usable(serve: Serve, open_page: OpenPage) -> None:
    """The list draws what is read at once; search reaches all of it."""
    many = [room(f"Salle {number}", territory=f"college-{number // 50}") for number in range(2000)]
    page = await open_page(f"{Centre(serve('it'), many).url}?view=list")
    await expect(page.locator("#summary")).to_contain_text("salles")
    await expect(page.locator("table.rooms tbody tr")).to_have_count(200)
    await page.fill("#search", "salle 1999")
    await expect(page.locator("table.rooms tbody tr")).to_have_count(1)
    await page.fill("#search", "")
    await page.click("#view-tiles")
    await expect(page.locator("a.square")).to_have_count(2000)


async def test_a_teacher_may_stop_and_mute(serve: Serve, open_page: OpenPage) -> None:
    centre = Centre(serve("it"), ROOMS, role="teacher")
    page = await open_page(f"{centre.url}?room=salle-10")
    await expect(page.locator("#stop")).to_be_enabled()
    await expect(page.locator("#mute")).to_be_enabled()
