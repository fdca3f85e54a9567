"""A lesson as a pupil has it whose browser has no H.264: Debian's Firefox, beside a teacher in Chromium."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page

from mqttlink.link import Message
from protocol.messages import Health
from tests.browser.people import Attendee, People, until
from tests.browser.witness import witness_link

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.alone, pytest.mark.timeout(300)]

CODEC_JS = """async () => {
  const reports = [...(await window.estrade.connection.getStats()).values()];
  const codecs = new Map(reports.map((one) => [one.id, one.mimeType]));
  return reports.filter((one) => one.type === 'inbound-rtp').map((one) => codecs.get(one.codecId));
}"""
KNOWN_JS = "RTCRtpReceiver.getCapabilities('video').codecs.map((codec) => codec.mimeType)"


async def wish(pupil: Attendee, use: str) -> None:
    await pupil.page.click("#quality")
    await pupil.page.click(f"#wish-use label:has([value={use}])")
    await pupil.page.click("#quality-sheet [data-close]")


async def hears(panel: Page) -> None:
    lamp = panel.locator(".hearing", has_text="1 sur 1 vous entend et vous voit")
    await lamp.wait_for(timeout=45_000)


async def sending(people: People) -> tuple[str | None, str | None]:
    """Return the layers of board and camera that the one pupil is sent."""
    view = await asyncio.to_thread(people.rig.panel)
    told = [one["sending"] for one in view["viewers"] if one["sending"]] if view else []
    return (told[0]["board"], told[0]["camera"]) if told else (None, None)


async def test_a_pupil_in_firefox_is_in_class_in_vp8_which_is_encoded_for_nobody_else(
    people: People, fox_pupil: Attendee
) -> None:
    pupil = fox_pupil
    healths: list[Health] = []

    async def hear(message: Message) -> None:
        healths.append(Health.model_validate_json(message.payload))

    async def is_encoded(wanted: bool) -> None:
        """Wait for numbers of a whole period after now."""
        since = len(healths) + 1

        async def is_so() -> bool:
            rates = [health.tracks["camera"].encoded_hz for health in healths[since:] if "camera" in health.tracks]
            return any((rate > 1) is wanted for rate in rates)

        await until(is_so, f"pictures to be {'encoded' if wanted else 'left alone'}", 30)

    assert "video/H264" not in await pupil.page.evaluate(KNOWN_JS)
    link = witness_link(people.rig)
    link.on_message("estrade/v1/+/+/health", hear)
    async with link.running():
        await link.wait_connected()
        panel = await people.teacher()
        await pupil.enter("Lina")
        await pupil.is_in("waiting")
        await panel.click("#start")
        await panel.wait_for_selector("#panel[data-state=live]")
        await pupil.is_in_class()
        before = await pupil.inbound()
        await pupil.sees_the_room("camera")
        await pupil.sees_the_room("board")
        await pupil.hears_the_room()
        after = await pupil.inbound()
        for track in ("board", "camera"):
            assert after[track]["framesDecoded"] > before[track]["framesDecoded"], track
        assert (after["camera"]["frameWidth"], after["camera"]["frameHeight"]) == (640, 360)
        assert (after["board"]["frameWidth"], after["board"]["frameHeight"]) == (1280, 720)
        assert sorted(await pupil.page.evaluate(CODEC_JS)) == ["audio/opus", "video/VP8", "video/VP8"]
        assert await sending(people) == ("vp8", "vp8")
        await is_encoded(True)
        rates = [health.tracks["camera"].encoded_hz for health in healths if "camera" in health.tracks]
        assert max(rates) < 20  # 15 a second, and no H.264 at 30 beside it
        await pupil.page.goto("about:blank")
        await until(lambda: has_left(people), "the room to know that the pupil left", 30)
        await is_encoded(False)
    await panel.wait_for_selector("#panel[data-state=live]")


async def has_left(people: People) -> bool:
    view = await asyncio.to_thread(people.rig.panel)
    return view is not None and not view["viewers"]


async def test_a_pupil_in_firefox_changes_layers_raises_a_hand_and_is_known_to_hear(
    people: People, fox_pupil: Attendee
) -> None:
    pupil = fox_pupil
    panel = await people.teacher()
    await panel.click("#start")
    await panel.wait_for_selector("#panel[data-state=live]")
    await pupil.enter("Lina")
    await pupil.is_in_class()
    await hears(panel)

    await pupil.page.click("#hand")
    await panel.locator("[data-call=hand]", has_text="Lina").wait_for()
    await pupil.page.wait_for_selector("#hand[aria-pressed=true]", timeout=45_000)
    await pupil.page.click("#hand")
    await panel.locator("[data-call=hand]").wait_for(state="detached")

    await wish(pupil, "sound-only")
    await until(lambda: is_sent(people, None, None), "the pictures to end", 30)
    await pupil.hears_the_room()
    await wish(pupil, "automatic")
    await pupil.is_in_class()
    await pupil.hears_the_room()
    await hears(panel)

    await pupil.page.click("#mute")
    await panel.locator(".names .how", has_text="a coupé le son").wait_for(timeout=45_000)
    await pupil.page.click("#mute")
    await hears(panel)


async def is_sent(people: People, board: str | None, camera: str | None) -> bool:
    return await sending(people) == (board, camera)
