"""IT's page: the second step of signing in."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import expect

from protocol.pages import RecoveryCodes, SecondStepSetUp, SessionView
from tests.browser.pages.conftest import OpenPage, Serve, assert_accessible, assert_fits
from tests.browser.pages.stub import Answer, refusal
from tests.browser.pages.test_it import ROOMS, Centre
from tests.chromium import Complaints

pytestmark = pytest.mark.asyncio(loop_scope="session")

QR = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'%3E"
    "%3Cpath d='M0 0h9v9H0z'/%3E%3C/svg%3E"
)


class SecondStep:
    """An account with a second step, or about to have one: the code 123456 is right."""

    def __init__(self, centre: Centre, state: str) -> None:
        self._centre = centre
        self._is_on = state == "on"
        self._say(state)
        server = centre.server
        server.answers["POST /api/v1/session"] = self._sign_in
        server.answers["POST /api/v1/session/totp"] = SecondStepSetUp(
            secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
            qr=QR,
            pending="sealed",
        )
        server.answers["PUT /api/v1/session/totp"] = self._begin
        server.answers["POST /api/v1/session/totp/end"] = self._end

    def _say(self, state: str) -> None:
        self._centre.who = SessionView.model_validate({"name": "it", "role": "admin", "second_step": state})

    def _sign_in(self, body: bytes) -> Answer:
        told = json.loads(body)
        if told["password"] != "right":
            return refusal("sign-in-failed", 401)
        if self._is_on and told["code"] != "123456":
            return refusal("totp-wrong" if told["code"] else "totp-needed", 401)
        return self._centre.sign_in(body)

    def _begin(self, body: bytes) -> Answer:
        if json.loads(body) != {"pending": "sealed", "code": "123456"}:
            return refusal("totp-wrong", 401)
        self._say("on")
        return RecoveryCodes(codes=tuple(f"abcd{n}-fghjk" for n in range(2, 10)))

    def _end(self, body: bytes) -> Answer:
        if json.loads(body) != {"code": "123456"}:
            return refusal("totp-wrong", 401)
        self._centre.is_signed_in = False
        self._say("off")
        return None


async def test_the_second_step_follows_the_password(serve: Serve, open_page: OpenPage, complaints: Complaints) -> None:
    complaints.expected = {401}
    centre = Centre(serve("it"), ROOMS)
    centre.is_signed_in = False
    SecondStep(centre, "on")
    page = await open_page(centre.url)
    await page.fill("#name", "it")
    await page.fill("#password", "right")
    await page.keyboard.press("Enter")
    await expect(page.locator("#code")).to_be_focused()
    await expect(page.locator(".problem")).to_have_count(0)
    await assert_accessible(page)
    await page.keyboard.type("000000")
    await page.keyboard.press("Enter")
    await expect(page.locator(".problem")).to_contain_text("Ce code est faux")
    await page.click("#again")
    await page.fill("#password", "right")
    await page.fill("#name", "it")
    await page.keyboard.press("Enter")
    await page.locator("#code").press_sequentially("123456")
    await page.keyboard.press("Enter")
    await expect(page.locator("table.rooms")).to_be_visible()
    await expect(page.locator("#code")).to_have_count(0)


@pytest.mark.parametrize("dark", [False, True])
async def test_a_second_step_is_set_up_and_taken_away_on_the_page(
    serve: Serve, open_page: OpenPage, complaints: Complaints, dark: bool
) -> None:
    complaints.expected = {401}
    centre = Centre(serve("it"), ROOMS)
    SecondStep(centre, "off")
    page = await open_page(centre.url, width=360 if dark else 1280, height=800, dark=dark)
    await assert_fits(page)
    await page.click("#step")
    await expect(page.locator("#secret")).to_have_text("JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP")
    await expect(page.locator("#code")).to_be_focused()
    await assert_fits(page)
    await assert_accessible(page)
    await page.keyboard.type("111111")
    await page.keyboard.press("Enter")
    await expect(page.locator(".dialog .problem")).to_contain_text("Ce code est faux")
    await page.fill("#code", "123456")
    await page.keyboard.press("Enter")
    await expect(page.locator("#recovery li")).to_have_count(8)
    await assert_accessible(page)
    await page.click("#step-done")
    await expect(page.locator(".dialog")).to_have_count(0)
    await page.click("#step")
    await page.fill("#code", "123456")
    await page.click("#step-end")
    await expect(page.locator("#sign-in")).to_be_visible()


@pytest.mark.parametrize("width", [360, 1280])
async def test_a_step_that_the_centre_asks_for_comes_before_the_rooms(
    serve: Serve, open_page: OpenPage, width: int
) -> None:
    centre = Centre(serve("it"), ROOMS)
    SecondStep(centre, "missing")
    page = await open_page(centre.url, width=width, height=900)
    await expect(page.locator("#code")).to_be_visible()
    await expect(page.locator("table.rooms")).to_have_count(0)
    assert "/api/v1/rooms" not in [path for _, path, _ in centre.server.asked]
    await assert_fits(page)
    await assert_accessible(page)
    await page.fill("#code", "123456")
    await page.keyboard.press("Enter")
    await page.click("#step-done")
    await expect(page.locator("#summary")).to_be_visible()
