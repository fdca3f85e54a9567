"""The pupils on the room's panel: what calls beside the lesson, and the dialog in which everything is done."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from protocol.panel import PanelAudience, PanelHand, PanelQuestion, PanelView
from tests.browser.pages.conftest import OpenPage, Serve, assert_accessible, assert_fits
from tests.browser.pages.panel_room import BUSY, LIVE, but, pupil, room, sent, shown
from tests.browser.pages.stub import PageServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHO = (pupil(1, "Lina"), pupil(2, "Noé", deaf="no-sound"), pupil(4, "Anaëlle-Marguerite"))
ACTS = ("admit", "admit-all", "refuse", "take", "lower", "lower-all", "answered", "settled", "remove", "lobby", "lock")

_TIRED_FINGER_JS = """async () => {
  document.querySelector('[data-act=ask-remove]').click();
  await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
  const again = document.querySelectorAll('.asking [data-act=remove]');
  again.forEach((button) => button.click());
  return again.length;
}"""


def live(audience: PanelAudience, **changes: Any) -> PanelView:
    return but(**{**LIVE.model_dump(), "viewers": WHO, "audience": audience, **changes})


def answering(server: PageServer, view: PanelView) -> None:
    for act in ACTS:
        server.answers[f"POST /api/audience/{act}"] = view


def names(page: Page, section: str) -> Any:
    return page.locator(f"section[aria-labelledby={section}-title] .who strong")


async def test_hands_are_in_order_and_each_is_spoken_once(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, live(PanelAudience()))
    page = await open_page(server.url)
    await shown(page)
    await expect(page.locator(".call")).to_have_count(0)
    noe, lina = PanelHand(pupil="p2", name="Noé", since_s=5), PanelHand(pupil="p1", name="Lina", since_s=1)
    server.push("panel", live(PanelAudience(hands=(noe,))))
    await expect(page.locator("[data-call=hand]")).to_contain_text("Noé")
    await expect(page.locator("#calls-spoken")).to_have_text("Noé lève la main.")
    server.push("panel", live(PanelAudience(hands=(noe, lina))))
    await expect(page.locator("[data-call=hand]")).to_contain_text("Noé et 1 de plus")
    await expect(page.locator("#calls-spoken")).to_have_text("Lina lève la main.")
    await expect(page.locator(".names .mark")).to_have_count(2)
    taken = noe.model_copy(update={"is_taken": True})
    answering(server, live(PanelAudience(hands=(taken, lina))))
    await page.click("[data-call=hand] [data-act=take]")
    await expect(page.locator("[data-call=called]")).to_contain_text("Noé")
    await expect(page.locator("[data-call=hand]")).to_contain_text("Lina")
    await page.click("#pupils")
    await expect(page.locator("#hands-title")).to_have_text("Mains (2)")
    await expect(names(page, "hands")).to_have_text(["Noé", "Lina"])
    answering(server, live(PanelAudience()))
    await page.click("[data-act=lower-all]")
    await expect(page.locator("dialog")).to_contain_text("Aucune main levée.")
    assert sent(server) == [("/api/audience/take", {"pupil": "p2"}), ("/api/audience/lower-all", {})]


async def test_who_knocks_is_let_in_or_refused_and_the_door_is_set(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, live(BUSY))
    answering(server, live(BUSY))
    page = await open_page(server.url)
    await expect(page.locator("[data-call=knock]")).to_contain_text("Zoé frappe et 1 de plus")
    await page.click("[data-call=knock] [data-act=admit]")
    await page.click("#pupils")
    await expect(page.locator("dialog")).to_contain_text("Les nouveaux attendent que vous les fassiez entrer.")
    await expect(page.locator("dialog")).to_contain_text("Le code de la classe est en train de changer.")
    await expect(names(page, "knocking")).to_have_text(["Zoé", "Idriss"])
    await page.get_by_role("button", name="Refuser\xa0: Idriss").click()
    await page.click("[data-act=admit-all]")
    await page.click("[data-act=lobby]")
    await page.click("[data-act=lock]")
    await assert_accessible(page, enhanced=True)
    server.push("panel", live(PanelAudience(is_locked=True, is_code_old=True), centre="away"))
    await expect(page.locator("dialog")).to_contain_text("Classe verrouillée")
    await expect(page.locator("dialog")).to_contain_text("changera dès que le centre répondra")
    await expect(page.locator("[data-act=lock]")).to_have_attribute("aria-pressed", "true")
    assert sent(server) == [
        ("/api/audience/admit", {"pupil": "p7"}),
        ("/api/audience/refuse", {"pupil": "p8"}),
        ("/api/audience/admit-all", {}),
        ("/api/audience/lobby", {"on": False}),
        ("/api/audience/lock", {"on": True}),
    ]


async def test_removing_takes_a_second_deliberate_touch(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, live(PanelAudience()))
    answering(server, live(PanelAudience(), viewers=WHO[1:]))
    page = await open_page(server.url)
    await page.click("#pupils")
    assert await page.evaluate(_TIRED_FINGER_JS) == 1
    await expect(page.locator(".asking")).to_contain_text("Exclure Lina\xa0?")
    await expect(page.locator(".asking")).to_contain_text("Le code changera")
    await assert_accessible(page, enhanced=True)
    await page.click(".asking [data-act=keep]")
    assert sent(server) == []
    await page.get_by_role("button", name="Exclure\xa0: Lina").click()
    await page.wait_for_timeout(600)
    await page.click(".asking [data-act=remove]")
    await expect(names(page, "there")).to_have_text(["Noé", "Anaëlle-Marguerite"])
    assert sent(server) == [("/api/audience/remove", {"pupil": "p1"})]


async def test_a_question_is_read_first_and_put_away(serve: Serve, open_page: OpenPage) -> None:
    text = "<b>Deux</b> lignes\nde question ?"
    asked = PanelQuestion(pupil="p2", id="q1", name="Noé", text=text, since_s=5)
    server = room(serve, live(BUSY.model_copy(update={"questions": (asked,)})))
    answering(server, live(PanelAudience()))
    page = await open_page(server.url)
    await page.click("[data-act=read]")
    await expect(page.locator("dialog section").first).to_contain_text("Questions (1)")
    await expect(page.locator(".asked")).to_have_text(text, use_inner_text=True)
    await page.click("[data-act=answered]")
    await expect(page.locator("dialog")).to_contain_text("Aucune question écrite.")
    await assert_accessible(page, enhanced=True)
    assert sent(server) == [("/api/audience/answered", {"pupil": "p2", "id": "q1"})]
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog")).to_have_count(0)


async def test_who_cannot_hear_is_named_with_what_was_found(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, live(BUSY))
    page = await open_page(server.url)
    row = page.locator(".names li", has_text="Noé")
    await expect(row).to_contain_text("n’entend pas\xa0: son coupé chez lui")
    newer = BUSY.troubles[0].model_copy(update={"found": "something-new"})
    server.push("panel", live(BUSY.model_copy(update={"troubles": (newer,)})))
    await expect(row).to_contain_text("dit qu’il n’entend pas")
    await expect(page.locator(".calls .reactions li")).to_have_text(["Je suis perdu 4", "Moins vite 1"])


async def test_a_room_without_a_loudspeaker_says_so_beside_the_hand(serve: Serve, open_page: OpenPage) -> None:
    hands = PanelAudience(hands=(PanelHand(pupil="p1", name="Lina", since_s=5),))
    server = room(serve, live(hands, has_loudspeaker=True))
    page = await open_page(server.url)
    await expect(page.locator("[data-call=hand]")).to_have_text(re.compile("Lina\\s*Oui"))
    server.push("panel", live(hands, has_loudspeaker=False))
    reason = "Sans haut-parleur dans la salle\xa0: seuls les élèves à distance l’entendront."
    await expect(page.locator("[data-call=hand]")).to_contain_text(reason)
    await page.click("#pupils")
    await expect(page.locator("section[aria-labelledby=hands-title]")).to_contain_text(reason)
    await assert_accessible(page, enhanced=True)


async def test_what_a_pupil_said_of_not_hearing_is_put_away(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, live(BUSY))
    answering(server, live(PanelAudience()))
    page = await open_page(server.url)
    await page.click("#pupils")
    await expect(page.locator("[data-act=settled]")).to_have_count(1)
    await assert_accessible(page, enhanced=True)
    await page.get_by_role("button", name="C’est réglé\xa0: Noé").click()
    await expect(page.locator("[data-act=settled]")).to_have_count(0)
    assert sent(server) == [("/api/audience/settled", {"pupil": "p2"})]


@pytest.mark.parametrize(("width", "height"), [(320, 600), (640, 400), (1280, 800), (3840, 2160)])
async def test_the_dialog_loses_nothing_on_any_screen(
    serve: Serve, open_page: OpenPage, width: int, height: int
) -> None:
    page = await open_page(room(serve, live(BUSY)).url, width=width, height=height, dark=width == 640)
    await page.click("#pupils")
    await page.get_by_role("button", name="Exclure\xa0: Lina").click()
    await assert_fits(page)
    dialog = await page.locator("dialog").bounding_box()
    assert dialog is not None
    assert dialog["x"] >= 0
    assert dialog["x"] + dialog["width"] <= width
    assert await page.evaluate("(one => one.scrollWidth - one.clientWidth)(document.querySelector('dialog'))") <= 0
    heights = await page.evaluate(
        "() => [...document.querySelectorAll('dialog button')].map(one => one.getBoundingClientRect().height)"
    )
    assert min(heights) >= 63.5


async def test_behind_the_pin_there_are_no_names_and_no_questions_and_all_the_buttons(
    serve: Serve, open_page: OpenPage
) -> None:
    hidden = PanelAudience(
        hands=(PanelHand(pupil="p1", name="", since_s=1),),
        questions=(PanelQuestion(pupil="p1", id="q1", name="", text="", since_s=1),),
    )
    nameless = tuple(one.model_copy(update={"name": ""}) for one in WHO)
    page = await open_page(room(serve, live(hidden, pin="locked", access=None, viewers=nameless)).url)
    await expect(page.locator("[data-call=hand]")).to_contain_text("Prénom caché")
    await page.click("#pupils")
    await expect(page.locator(".asked")).to_have_text("Question cachée")
    await expect(page.locator("[data-act=take]").last).to_be_visible()
