"""A hand that is raised, taken and heard: the panel, and two pupils' browsers, one with a microphone that speaks."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import async_playwright

from tests import chromium
from tests.browser.people import People, Pupil, until
from tests.browser.test_lesson import start, stop
from tests.integration.streams.speaker import spoken
from tests.peers import need
from tests.rig import Rig

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120), pytest.mark.alone]

LISTEN_S = 4.0
HEARD_A_SECOND = 0.05
"""Energy in a second that is more than the room's own wobble (0.06 a second, 0.02 up or down); the voice adds 0.27 and
more."""


async def is_connected(pupil: Pupil) -> None:
    """Wait until sound arrives on the page."""

    async def has_sound() -> bool:
        return bool(await pupil.page.evaluate("() => !!window.estrade")) and "sound" in await pupil.inbound()

    await until(has_sound, "sound to arrive")


async def energy_a_second(*pupils: Pupil) -> list[float]:
    """Return what each hears, over some seconds."""
    before = [await pupil.energy() for pupil in pupils]
    await asyncio.sleep(LISTEN_S)
    return [(await pupil.energy() - was) / LISTEN_S for pupil, was in zip(pupils, before, strict=True)]


def microphone_file(folder: Path) -> Path:
    """Write what the browser's fake microphone says, as loud as it goes."""
    sentence = spoken(folder, "Madame, je n’ai pas compris la question trois, est-ce que je peux la lire ?")
    path = folder / "microphone.wav"
    loud = (sentence / np.abs(sentence).max() * 32_000).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(loud.tobytes())
    return path


async def test_a_hand_that_is_taken_is_heard_by_the_others_until_the_teacher_ends_it(
    rig: Rig, people: People, tmp_path: Path
) -> None:
    flags = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    says = f"--use-file-for-fake-audio-capture={microphone_file(tmp_path)}"
    panel, noe = await people.teacher(), await people.pupil()
    async with async_playwright() as playwright:
        browser = await chromium.launch(playwright, need(chromium.PROGRAM, chromium.PACKAGE), *flags, says)
        at_home = People(rig, browser)
        lina = await at_home.pupil()
        await lina.enter("Lina")
        await noe.enter("Noé")
        await start(panel)
        for pupil in (lina, noe):
            await pupil.is_in("class")
            await is_connected(pupil)
            await pupil.hears_the_room()
        alone = await energy_a_second(lina, noe)

        await lina.page.click("#hand")
        await panel.click("[data-call=hand] [data-act=take]")
        await panel.locator("#speaking").get_by_text("Lina").wait_for()
        await lina.reads("#talk-title", "C’est à toi de parler")
        await lina.page.click("#talk-start")
        await lina.reads("#talk-title", "Il n’y a pas de haut-parleur dans la salle")  # the simulated one has none
        await panel.wait_for_selector("#speaking[data-talk=no-loudspeaker]")
        await noe.page.locator("#speaks-fact", has_text="Un élève parle").wait_for()
        assert await lina.page.is_hidden("#speaks-fact")
        with_lina = await energy_a_second(lina, noe)
        assert with_lina[1] - alone[1] > HEARD_A_SECOND, "the other pupil does not hear it"
        assert abs(with_lina[0] - alone[0]) < HEARD_A_SECOND, "the pupil hears itself, or the room no more"

        await panel.click("#talk-end")
        await lina.reads("#talk-words", "Le professeur a repris la parole.")
        await noe.page.wait_for_selector("#speaks-fact", state="hidden")
        assert await lina.page.get_attribute("html", "data-microphone") == "closed"

        async def is_quiet_again() -> bool:  # what had arrived before is played out first
            return abs((await energy_a_second(noe))[0] - alone[1]) < HEARD_A_SECOND

        await until(is_quiet_again, "the room alone after the end")
        await stop(panel)
        await lina.is_in("ended")
        await at_home.leave()
        await browser.close()
        assert not at_home.complaints.found
