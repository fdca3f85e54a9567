"""Two pupils and a teacher on real parts: the lobby, hands in order, a question, and showing out for good."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, Request

from tests.browser.people import People, Pupil

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


async def deliberate(panel: Page, selector: str) -> None:
    """Touch again as somebody does who means it."""
    await asyncio.sleep(0.6)
    await panel.click(selector)


def ticket_of(pupil: Pupil) -> list[tuple[str, str]]:
    """Return where the page offers, and with which ticket, as it does so."""
    offers: list[tuple[str, str]] = []

    def note(request: Request) -> None:
        if request.method == "POST" and "/whep/" in request.url:
            offers.append((request.url, request.headers["authorization"]))

    pupil.page.on("request", note)
    return offers


async def test_two_pupils_knock_raise_hands_and_one_is_shown_out(people: People) -> None:
    panel, lina, noe = await people.teacher(), await people.pupil(), await people.pupil()
    offers = ticket_of(lina)
    await panel.click("#start")
    await panel.wait_for_selector("#panel[data-state=live]")
    await panel.click("#pupils")
    await panel.click("[data-act=lobby]")
    await panel.locator("dialog", has_text="Les nouveaux attendent").wait_for()
    await panel.click("#pupils-close")

    for name, pupil in (("Lina", lina), ("Noé", noe)):
        await pupil.enter(name)
        await pupil.is_in("lobby")
        await pupil.reads("#lobby", "Le professeur va te faire entrer")
    await panel.locator("[data-call=knock]", has_text="Lina frappe et 1 de plus").wait_for()
    assert (await panel.inner_text("#sign")).startswith("ouvert, personne")
    await panel.click("[data-call=knock] [data-act=admit]")
    await lina.is_in_class()
    await noe.is_in("lobby")
    await panel.locator("[data-call=knock]", has_text="Noé frappe").wait_for()
    await panel.click("[data-call=knock] [data-act=admit]")
    await noe.is_in_class()

    await noe.page.click("#hand")
    await noe.reads("#hand-words", "c’est ensuite à toi")
    await lina.page.click("#hand")
    await lina.reads("#hand-words", "tu es 2e")
    await panel.locator("[data-call=hand]", has_text="Noé et 1 de plus").wait_for()
    await panel.click("[data-call=hand] [data-act=take]")
    await noe.reads("#hand-words", "C’est à toi")
    await lina.reads("#hand-words", "c’est ensuite à toi")
    await panel.locator("#speaking", has_text="Noé").wait_for()

    await noe.page.click("#question")
    await noe.page.fill("#question-text", "C’est la page 42 ?")
    await noe.page.click("#question-send")
    await noe.reads("#question-list", "Reçue")
    await panel.click("[data-act=read]")
    await panel.locator(".asked", has_text="C’est la page 42 ?").wait_for()
    await panel.click("[data-act=answered]")
    await noe.reads("#question-list", "Répondue")

    code = people.rig.wait_state("live")["access"]["code"]
    await panel.locator(".pupil-list li", has_text="Lina").locator("[data-act=ask-remove]").click()
    await deliberate(panel, ".asking [data-act=remove]")
    await lina.is_in("ended")
    await lina.reads("#ended-title", "Le professeur t’a fait sortir")
    await panel.click("#pupils-close")

    def is_turned(view: dict[str, Any]) -> bool:
        return bool(view["access"]["code"] != code and not view["audience"]["is_code_old"])

    await asyncio.to_thread(people.rig.wait_for_panel, is_turned, "another code")
    url, ticket = offers[-1]
    async with httpx.AsyncClient() as http:
        headers = {"Authorization": ticket, "Content-Type": "application/sdp"}
        answer = await http.post(url, headers=headers, content="v=0\r\n")
    assert (answer.status_code, answer.json()["code"]) == (403, "not-admitted")
    await noe.page.click("#hand")  # who stayed is still heard
    await panel.locator("#speaking").wait_for(state="detached")
