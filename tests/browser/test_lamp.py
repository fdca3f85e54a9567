"""The panel's lamp on real parts: what a pupil's page plays, against what the room's microphone hears."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator

import pytest
from playwright.async_api import Page, expect

from tests.browser.people import Attendee, People
from tests.peers import need
from tests.rig import Rig

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.alone, pytest.mark.timeout(120)]

TOLD_S = 10.0
"""The bar of 3 s is `benchmarks.lamp`'s."""
STRANGER_S = 30.0
"""Two people who speak may pause, or rise and fall together, for some seconds: only then is it longer than others."""
OTHERS = (
    "La Loire prend sa source au mont Gerbier-de-Jonc, traverse Nantes et se jette dans l'océan Atlantique. "
    "Qui peut me dire quelles villes elle arrose encore, et quels châteaux on voit sur ses bords ? "
)
SPARE = """
[[spare_microphone]]
driver = "file"
id = "corridor"
path = "{path}"
"""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A room where a teacher speaks, with a second microphone that stands before other people."""
    need("mosquitto", "mosquitto")
    program = need("espeak-ng", "espeak-ng")
    folder = tmp_path_factory.mktemp("lamp")
    sound = folder / "corridor.wav"
    subprocess.run([program, "-v", "fr+f2", "-w", str(sound), OTHERS * 3], check=True)
    started = Rig(folder / "estrade")
    started.start()
    try:
        config = folder / "estrade" / "agent.toml"
        config.write_text(config.read_text() + SPARE.format(path=sound))
        started.wait_ready()
        started.kill_agent()
        started.wait_for_panel(lambda view: len(view["devices"]) == 4, "the room with its second microphone")
        yield started
    finally:
        started.end()


async def says(panel: Page, words: str, line: str, within_s: float = TOLD_S) -> None:
    """Wait until the panel says how its one pupil is, and what the lamp says above."""
    began_s = time.monotonic()
    await expect(panel.locator(".names .how")).to_have_text(words, timeout=within_s * 1000)
    left_s = within_s - (time.monotonic() - began_s)
    await expect(panel.locator(".hearing")).to_contain_text(line, timeout=max(0.5, left_s) * 1000)


async def hears(panel: Page, within_s: float) -> None:
    lamp = panel.locator(".hearing[data-lamp=all]")
    await expect(lamp).to_contain_text("1 sur 1 vous entend et vous voit", timeout=within_s * 1000)


async def in_class(people: People, pupil: Attendee, within_s: float) -> Page:
    panel = await people.teacher()
    await asyncio.to_thread(people.rig.press, "lesson/start")
    await pupil.enter("Lina")
    await pupil.is_in("class")
    await hears(panel, within_s)
    return panel


async def test_the_lamp_tells_a_mute_and_another_microphone(people: People) -> None:
    await tells_truth(people, await people.pupil())


async def test_the_lamp_tells_the_same_of_a_pupil_in_firefox(people: People, fox_pupil: Attendee) -> None:
    await tells_truth(people, fox_pupil, 45)


async def tells_truth(people: People, pupil: Attendee, in_class_s: float = 20) -> None:
    panel = await in_class(people, pupil, in_class_s)
    await pupil.page.click("#mute")
    await says(panel, "a coupé le son", "0 sur 1")
    await pupil.page.click("#mute")
    await hears(panel, TOLD_S + 1)

    await pupil.page.evaluate("() => void (document.getElementById('camera').volume = 0)")
    await says(panel, "volume à zéro", "0 sur 1")
    await pupil.page.evaluate("() => void (document.getElementById('camera').volume = 1)")
    await hears(panel, TOLD_S + 1)

    choice = (people.rig.panel() or {})["microphones"]["wanted"]
    await asyncio.to_thread(people.rig.press, "lesson/microphone", {"id": "corridor"})
    await says(panel, "n’entend pas votre micro", "vérifiez votre micro", STRANGER_S)
    await asyncio.to_thread(people.rig.press, "lesson/microphone", {"id": choice})
    await hears(panel, TOLD_S + 1)
