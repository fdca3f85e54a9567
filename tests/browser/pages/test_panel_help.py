"""What the room's panel says of what is wrong, of tests and of whom to call; what it shows to whom."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from agent.selftest.outcome import Outcome
from protocol.messages import DeviceRole
from tests.browser.pages.conftest import OpenPage, Serve, assert_accessible, assert_fits
from tests.browser.pages.panel_room import (
    IDLE,
    ILL_TEST,
    LIVE,
    NOW,
    STATES,
    WRONG,
    a_test,
    but,
    device,
    room,
    sent,
    shown,
)
from tests.browser.pages.stub import refusal
from tests.chromium import Complaints

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_room_is_tested_by_a_button_and_each_verdict_says_what_to_do(
    serve: Serve, open_page: OpenPage
) -> None:
    server = room(serve, IDLE)
    server.answers["POST /api/selftest"] = but(selftest=a_test("running"))
    server.answers["POST /api/selftest/stop"] = but(selftest=a_test("stopped"))
    server.answers["POST /api/selftest/close"] = IDLE
    page = await open_page(server.url)
    await shown(page)
    await page.click("#test")
    await expect(page.locator("#selftest [role=status]")).to_contain_text("Rien n’est envoyé")
    await expect(page.locator("#start")).to_be_visible()
    await page.click("#test-stop")
    await expect(page.locator("#selftest [role=status]")).to_have_text("Le test a été arrêté.")
    server.push("panel", but(selftest=ILL_TEST))
    first = page.locator(".test-steps li").first
    await expect(first).to_contain_text("Haut-parleur vers micro")
    await expect(first.locator(".test-do")).to_contain_text("montez le volume")
    await expect(page.locator(".test-do")).to_have_count(2)
    await page.click("#test-close")
    await expect(page.locator("#test")).to_be_visible()
    server.push("panel", but(selftest=a_test("announced", "centre")))
    await expect(page.locator("#selftest [role=status]")).to_contain_text("Le centre demande")
    server.push("panel", LIVE)
    await expect(page.locator("#selftest")).to_have_count(0)
    assert sent(server) == [("/api/selftest", {}), ("/api/selftest/stop", {}), ("/api/selftest/close", {})]


async def test_what_the_test_at_start_found_is_told_with_what_it_is_about(serve: Serve, open_page: OpenPage) -> None:
    late = Outcome("failed", "late")
    found = a_test("done", "start", "quiet", uplink=late, clock=late)
    page = await open_page(room(serve, but(**{**LIVE.model_dump(), "selftest": found})).url)
    lines = page.locator("#start-findings li")
    await expect(lines).to_have_count(2)
    await expect(lines.first).to_contain_text("Débit vers le centre\xa0: Pas de réponse à temps.")
    await expect(lines.last).to_contain_text("Horloge\xa0: Pas de réponse à temps.")
    await page.click("#help")
    await expect(page.locator("dialog.help li")).to_have_count(2)


async def test_a_driver_that_was_set_aside_is_said_and_can_be_tried_again(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, STATES["set aside"])
    server.answers["POST /api/device/retry"] = LIVE
    page = await open_page(server.url)
    facts = page.locator(".facts")
    await expect(facts).to_contain_text(re.compile("Caméra\\s: son pilote plante sans cesse"))
    await expect(facts).to_contain_text(re.compile("Tableau\\s: aucune image n’arrive"))
    await page.get_by_role("button", name="Réessayer\u00a0: Caméra").click()
    await expect(facts).not_to_contain_text("Caméra")
    assert sent(server) == [("/api/device/retry", {"device": "camera"})]


async def test_without_the_centre_the_class_goes_on_in_words(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, but(**{**LIVE.model_dump(), "centre": "away", "centre_since": NOW}))
    page = await open_page(server.url)
    await expect(page.locator("#centre-banner")).to_contain_text("ne répond pas depuis 09:00. La classe continue")
    server.push("panel", LIVE)
    await expect(page.locator("#centre-banner")).to_have_count(0)


async def test_a_silent_room_program_is_told_with_its_age(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {503}
    server = room(serve, LIVE)
    page = await open_page(server.url)
    await shown(page)
    server.events_path = ""
    server.answers["/api/events"] = refusal("internal", 503)
    server.cut_lines()
    await expect(page.locator("#line-banner")).to_contain_text(re.compile("ne répond plus depuis \\d+\\s?s"))
    await assert_accessible(page, enhanced=True)
    server.events_path = "/api/events"
    await expect(page.locator("#line-banner")).to_have_count(0)


async def test_what_is_wrong_is_told_calmly_the_worst_first_with_what_to_do(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, LIVE)
    page = await open_page(server.url)
    await shown(page)
    banners, spoken = page.locator(".banner.check"), page.locator("#checks-spoken")
    await expect(banners).to_have_count(0)
    server.push("panel", but(**{**LIVE.model_dump(), "checks": WRONG[1:2]}))
    await expect(banners).to_have_text(
        ["On entend à peine la personne qui parle. Rapprochez le micro, ou augmentez son niveau."]
    )
    await expect(spoken).to_contain_text("On entend à peine")
    server.push("panel", but(**{**LIVE.model_dump(), "checks": WRONG}))
    await expect(banners).to_have_count(3)
    assert [await one.get_attribute("data-check") for one in await banners.all()] == [one.id for one in WRONG[:3]]
    await expect(banners.first).to_have_class(re.compile("bad"))
    assert "On entend à peine" not in await spoken.inner_text()  # it was said once
    await expect(page.locator("#checks-more")).to_have_text("et 2 autres")
    await page.click("#checks-more")
    await expect(page.locator("dialog li")).to_have_count(5)
    await expect(page.locator("dialog")).to_contain_text("Le certificat de la salle est périmé")
    await expect(page.locator("dialog")).to_contain_text("host-certificate")
    await assert_accessible(page, enhanced=True)
    await page.keyboard.press("Escape")
    server.push("panel", LIVE)
    await expect(banners).to_have_count(0)
    await expect(spoken).to_have_text("")


async def test_one_line_says_that_all_is_well_or_how_much_is_not(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, IDLE)
    page = await open_page(server.url)
    await shown(page)
    well = page.locator("#well")
    for view, text, status in (
        (IDLE, "tout va bien", "ok"),
        (but(checks=WRONG[1:2]), "1 chose à voir", "warning"),
        (STATES["unwell"], "5 choses à voir", "critical"),
        (STATES["ill"], "2 choses à voir", "critical"),
        (STATES["first"], "1 chose à voir", "warning"),
    ):
        server.push("panel", view)
        await expect(well).to_have_text(text)
        await expect(well).to_have_attribute("data-status", status)
    server.push("panel", LIVE)
    await expect(well).to_have_count(0)


async def test_the_rooms_normal_state_is_recorded_by_a_person(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {409}
    server = room(serve, IDLE)
    server.answers["POST /api/normal"] = refusal("device-not-now", 409)
    page = await open_page(server.url)
    await page.click("#help")
    outcome = page.locator("#normal-outcome")
    await expect(outcome).to_have_text("Pas encore mémorisé.")
    await page.click("#normal")
    await expect(outcome).to_contain_text("Allumez la lumière")
    await expect(page.locator("#refusal")).to_have_count(0)  # it is told where it was asked for
    server.answers["POST /api/normal"] = but(normal_at=NOW)
    await page.click("#normal")
    await expect(outcome).to_have_text("C’est mémorisé.")
    await assert_accessible(page, enhanced=True)
    assert sent(server) == [("/api/normal", {})] * 2


async def test_the_normal_state_is_not_offered_in_a_room_with_a_class(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, STATES["unwell live"])
    page = await open_page(server.url)
    await page.click("#help")
    await expect(page.locator("dialog.help")).to_be_visible()
    await expect(page.locator("#normal")).to_have_count(0)
    server.push("panel", STATES["open"])  # somebody set the room up
    await expect(page.locator("#normal")).to_be_visible()


async def test_help_tells_one_microphone_from_another(serve: Serve, open_page: OpenPage) -> None:
    ceiling = device(DeviceRole.MICROPHONE, "device-lost").model_copy(update={"id": "ceiling", "name": "Plafond"})
    page = await open_page(room(serve, but(devices=(*IDLE.devices, ceiling))).url)
    await page.click("#help")
    await expect(page.locator("dialog li")).to_contain_text("Micro «\xa0Plafond\xa0»\xa0: s’est arrêté")


async def test_help_says_whom_to_call_and_what_ails(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, STATES["ill"])
    page = await open_page(server.url)
    await page.click("#help")
    await expect(page.locator("dialog")).to_contain_text("Salle B12")
    await expect(page.locator("dialog")).to_contain_text("introuvable : vérifiez le câble")
    await expect(page.locator("dialog")).to_contain_text("device-not-found")
    await assert_accessible(page, enhanced=True)
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog")).to_have_count(0)


async def test_names_and_code_come_with_the_pin(serve: Serve, open_page: OpenPage, complaints: Complaints) -> None:
    complaints.expected = {403}
    server = room(serve, STATES["locked live"])
    server.answers["POST /api/unlock"] = refusal("pin-wrong", 403)
    server.answers["POST /api/lock"] = STATES["locked live"]
    page = await open_page(server.url)
    await shown(page)
    await expect(page.locator("#code")).to_have_count(0)
    await expect(page.locator(".names .name")).to_have_text("Prénom caché")
    await page.click("#pin-ask")
    await assert_accessible(page, enhanced=True)
    await assert_fits(page)
    for digit in "4711":
        await page.get_by_role("button", name=digit, exact=True).click()
    await expect(page.locator("#pin")).to_have_value("4711")
    await page.click("#pin-send")
    await expect(page.locator("dialog.pin [role=status]")).to_have_text("Ce code PIN n’est pas le bon.")
    await expect(page.locator("#refusal")).to_have_count(0)  # it is told where it was asked for
    await expect(page.locator("#pin")).to_be_focused()
    server.answers["POST /api/unlock"] = STATES["unlocked live"]
    await page.locator("#pin").fill("0815")
    await page.keyboard.press("Enter")
    await expect(page.locator("#code")).to_have_text("K7QF-92MX")
    await expect(page.locator("dialog.pin")).to_have_count(0)
    await expect(page.locator(".names .name", has_text="Lina")).to_be_visible()
    assert sent(server) == [("/api/unlock", {"pin": "4711"}), ("/api/unlock", {"pin": "0815"})]
    await page.click("#pin-hide")
    await expect(page.locator("#code")).to_have_count(0)
