"""From press to pupil on real parts: what the pupil's browser got, what the pages say, and that they never complain."""

from __future__ import annotations

import asyncio
import logging
import statistics
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest
from playwright.async_api import Page

from tests.browser.people import People, Pupil, Viewer, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]

log = logging.getLogger(__name__)

SILENCE = 1e-4
"""A beep of 0.1 s adds 0.0125 to the energy; what is left of a muted room's noise is less than this."""


async def start(panel: Page) -> None:
    await panel.click("#start")
    await panel.wait_for_selector("#panel[data-state=live]")


async def stop(panel: Page) -> None:
    """Touch Stop, and touch again as somebody does who means it."""
    await panel.click("#stop")
    answer = panel.locator("#stop-yes")
    await answer.wait_for()
    await asyncio.sleep(0.6)  # sooner, the panel takes it for the same touch of a tired finger
    await answer.click()


async def test_a_pupil_who_waits_is_in_class_when_start_is_pressed(people: People) -> None:
    panel, early = await people.teacher(), await people.pupil()
    await early.enter("Lina")
    await early.is_in("waiting")
    await early.reads("#waiting", "La classe n’a pas commencé")

    await start(panel)
    await early.is_in_class()
    before = await early.inbound()
    await early.sees_the_room("camera")
    await early.sees_the_room("board")
    await early.hears_the_room()
    after = await early.inbound()
    for track in ("board", "camera"):
        assert after[track]["framesDecoded"] > before[track]["framesDecoded"], track
    assert (after["board"]["frameWidth"], after["board"]["frameHeight"]) == (1920, 1080)
    assert (after["camera"]["frameWidth"], after["camera"]["frameHeight"]) == (1280, 720)
    assert after["sound"]["totalAudioEnergy"] > before["sound"]["totalAudioEnergy"]

    code = (await panel.inner_text("#code")).lower().replace("-", " ")
    late = await people.pupil(code=code)
    await late.enter("Noé")
    await late.is_in_class()
    await late.hears_the_room()
    await panel.get_by_text("2 sur 2 vous entendent et vous voient").wait_for()
    assert sorted(await panel.locator(".names li:not([data-how=connecting]) .name").all_inner_texts()) == [
        "Lina",
        "Noé",
    ]

    await stop(panel)
    for pupil in (early, late):
        await pupil.is_in("ended")
        await pupil.reads("#ended-title", "La classe est terminée")
    await panel.wait_for_selector("#panel[data-state=idle]")
    await panel.get_by_text("2 élèves au plus").wait_for()


@pytest.mark.alone
async def test_lips_and_sound_are_in_step(people: People) -> None:
    wanted = 20
    pupil = await people.pupil(bypass_csp=True)
    await pupil.enter("")
    people.rig.press("lesson/start")
    await pupil.is_in_class()
    await pupil.page.evaluate("seen.listen(document.getElementById('camera'), 0.1)")

    apart_ms: list[float] = []

    async def is_in_step() -> bool:
        """A browser moves sound and picture together slowly, so the newest flashes count."""
        seen = await pupil.seen()
        flashes = seen["flashes"][-wanted - 1 : -1]  # the last one's beep may not have been heard yet
        apart_ms[:] = [min((flash - beep for beep in seen["beeps"]), key=abs) for flash in flashes if seen["beeps"]]
        return len(apart_ms) == wanted and abs(statistics.median(apart_ms)) <= 45

    try:
        await until(is_in_step, f"{wanted} flashes and beeps in step", 70)
    finally:
        log.info("Flash after beep, ms: %s", [round(one) for one in apart_ms])


@pytest.mark.alone
async def test_a_camera_that_dies_is_stood_in_for_and_comes_back(people: People) -> None:
    panel, pupil = await people.teacher(), await people.pupil()
    await pupil.enter("Lina")
    await start(panel)
    await pupil.is_in_class()
    await pupil.page.evaluate(
        """() => {
          const { connection } = window.estrade;
          window.before = connection;
          window.states = [];
          connection.addEventListener('connectionstatechange', () => states.push(connection.connectionState));
          seen.forget();
          seen.keepsPairs = true;
        }"""
    )
    await pupil.sees_the_room("camera")
    capture = people.rig.capture("camera")
    assert capture is not None
    capture.kill()

    async def has_stand_in() -> bool:
        return bool(await pupil.page.evaluate("seen.unread > 0"))

    await until(has_stand_in, "the stand-in picture")
    await pupil.sees_the_room("camera")
    await pupil.hears_the_room()
    again = people.rig.capture("camera")
    assert again is not None
    assert again.pid != capture.pid
    pairs = (await pupil.seen())["tracks"]["camera"]["pairs"]
    gap_ms = max(after[3] - before[3] for before, after in pairwise(pairs))
    log.info("Without a picture of the room: %.0f ms", gap_ms)
    assert gap_ms < 3000
    assert await pupil.page.evaluate("[window.estrade.connection === window.before, states]") == [True, []]
    await panel.wait_for_selector("#panel[data-state=live]")


@pytest.mark.alone
async def test_an_agent_killed_mid_lesson_goes_on_and_pupils_come_back(people: People) -> None:
    panel, pupil = await people.teacher(), await people.pupil()
    await pupil.enter("Lina")
    await start(panel)
    await pupil.is_in_class()
    await panel.click("#mute")
    await pupil.reads("#sound-fact", "Le professeur a coupé son micro")
    people.complaints.expected |= {503, 504}  # asked while the room comes back
    people.complaints.expects_outage = True
    killed_ms = time.time() * 1000
    people.rig.kill_agent()
    await until(lambda: is_after(pupil, killed_ms + 200), "pictures of the agent that came after")
    log.info("Pictures again %.0f ms after the agent was killed", time.time() * 1000 - killed_ms)
    assert time.time() * 1000 - killed_ms < 8000  # the bar of 4 s is a benchmark's
    await pupil.reads("#sound-fact", "Le professeur a coupé son micro")
    await panel.wait_for_selector("#panel[data-state=live]")
    await panel.get_by_text("Lina").wait_for()
    await panel.wait_for_selector("#mute[data-off=true]")


@pytest.mark.alone
async def test_a_pupil_on_another_network_keeps_picture_and_place(people: People) -> None:
    panel, first, second = await people.teacher(), await people.pupil(), await people.pupil()
    await start(panel)
    for pupil, name in ((first, "Lina"), (second, "Noé")):
        await pupil.enter(name)
        await pupil.is_in_class()
        await panel.get_by_text(name, exact=True).wait_for()
    await first.page.evaluate("window.before = window.estrade.connection; seen.forget(); seen.keepsPairs = true")
    await first.sees_the_room()
    changed_s = time.monotonic()
    await first.page.evaluate("window.dispatchEvent(new Event('online'))")

    async def has_moved() -> bool:
        return bool(await first.page.evaluate("window.estrade.connection !== window.before"))

    await until(has_moved, "another connection")
    await first.sees_the_room()
    assert time.monotonic() - changed_s < 6  # the bar of 3 s is a benchmark's
    await first.hears_the_room()
    pairs = (await first.seen())["tracks"]["camera"]["pairs"]
    assert max(after[3] - before[3] for before, after in pairwise(pairs)) < 1000
    await first.page.wait_for_timeout(500)
    await panel.get_by_text("2 sur 2 vous entendent et vous voient").wait_for()
    assert await panel.locator(".names .name").all_inner_texts() == ["Lina", "Noé"]


async def test_the_sound_goes_on_after_something_paused_the_page(people: People) -> None:
    """As a telephone call does; the lock screen shows the class."""
    panel, pupil = await people.teacher(), await people.pupil()
    await pupil.enter("Lina")
    await start(panel)
    await pupil.is_in_class()
    session = "[navigator.mediaSession.playbackState, navigator.mediaSession.metadata?.title]"
    assert await pupil.page.evaluate(session) == ["playing", "Salle 12"]
    await pupil.page.evaluate("document.getElementById('camera').pause()")

    async def plays() -> bool:
        return not await pupil.page.evaluate("document.getElementById('camera').paused")

    await until(plays, "the page to play again", 4)
    await pupil.hears_the_room()
    await stop(panel)
    await pupil.is_in("ended")
    assert await pupil.page.evaluate(session) == ["none", None]


async def is_after(pupil: Pupil, wall_ms: float) -> bool:
    return await pupil.captured_ms() > wall_ms


async def test_pause_and_mute_are_two_facts_that_survive_each_other(people: People) -> None:
    panel, pupil = await people.teacher(), await people.pupil()
    await pupil.enter("Lina")
    await start(panel)
    await pupil.is_in_class()
    await pupil.hears_the_room()
    muted, paused = "Le professeur a coupé son micro", "La classe est en pause. Elle reprend bientôt."

    await panel.click("#mute")
    await pupil.reads("#sound-fact", muted)
    await pupil.sees_the_room()
    assert await is_silent(pupil)

    await panel.click("#pause")
    await pupil.reads("#class-words", paused)
    assert await is_standing(pupil)
    await panel.click("#pause")
    await pupil.sees_the_room()
    await pupil.reads("#sound-fact", muted)
    assert await is_silent(pupil)

    await panel.click("#pause")
    await pupil.reads("#class-words", paused)
    await panel.click("#mute")
    await panel.wait_for_selector("#mute[data-off=false]")
    assert await is_standing(pupil)
    assert await is_silent(pupil)
    await panel.click("#pause")
    await pupil.sees_the_room()
    await pupil.hears_the_room()


async def test_a_frozen_board_stays_for_those_who_are_there_and_those_who_come(people: People) -> None:
    panel, pupil = await people.teacher(), await people.pupil()
    await pupil.enter("Lina")
    await start(panel)
    await pupil.is_in_class()
    await panel.click("#freeze")
    await pupil.reads("#class-words", "Le tableau est figé : le professeur prépare la suite.")
    late = await people.pupil()
    await late.enter("Noé")
    await late.reads("#class-words", "Le tableau est figé : le professeur prépare la suite.")
    await panel.click("#freeze")
    await pupil.sees_the_room()
    await late.sees_the_room()


async def is_silent(pupil: Viewer, for_s: float = 1.3) -> bool:
    """Return whether no beep comes for longer than the time between two."""

    async def has_fallen_silent() -> bool:
        before = await pupil.energy()
        await asyncio.sleep(for_s)
        return await pupil.energy() - before < SILENCE

    await until(has_fallen_silent, "silence", 5)
    return True


async def is_standing(pupil: Viewer, for_s: float = 0.7) -> bool:
    """Return whether pictures are presented that are none of the room."""

    async def has_gone() -> bool:
        before = await pupil.captured_ms()
        await asyncio.sleep(for_s)
        return await pupil.captured_ms() == before

    await until(has_gone, "the room's pictures to cease", 5)
    before = await pupil.seen()

    async def is_shown() -> bool:
        return bool((await pupil.seen())["unread"] > before["unread"])

    await until(is_shown, "the standing picture", 5)
    return True


async def test_it_sees_the_room_stops_it_and_proposes_a_start_that_the_room_accepts(people: People) -> None:
    panel, it, pupil = await people.teacher(), await people.page(), await people.pupil()
    await pupil.enter("Lina")
    links = people.rig.links
    people.complaints.expected.add(401)  # the page asks whether somebody is signed in
    await it.goto(links["it"])
    await it.fill("#name", links["it_name"])
    await it.fill("#password", links["it_password"])
    await it.press("#password", "Enter")
    await it.get_by_role("link", name="Salle 12").click()
    await it.locator("#top-line", has_text="Prête, pas de classe en cours").wait_for()
    people.complaints.expected.clear()

    await it.click("#propose")
    await panel.locator("dialog.proposal", has_text="it propose de démarrer la classe maintenant.").wait_for()
    await panel.click("#proposal-yes")
    await panel.wait_for_selector("#panel[data-state=live]")
    await pupil.is_in_class()
    await it.locator("#top-line", has_text="En direct depuis").wait_for()
    await it.locator("#top-line", has_text="1 élève").wait_for()
    history = it.locator(".history li")
    await history.filter(has_text="Classe démarrée : proposition acceptée").first.wait_for()
    await history.filter(has_text="Un élève est entré").first.wait_for()
    assert "Lina" not in await it.content()

    await it.click("#stop")
    await it.click("#stop-yes")
    await pupil.is_in("ended")
    await panel.wait_for_selector("#panel[data-state=idle]")
    await it.locator("#outcome", has_text="Classe arrêtée").wait_for()
    await history.first.filter(has_text="Classe arrêtée d’ici").wait_for()


PLAYER = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>player</title>
<video id="camera" autoplay playsinline></video>
<script>
  // What a foreign player does (draft-ietf-wish-whep): one offer with all its candidates in, one answer out.
  window.play = async (url) => {
    const connection = (window.connection = new RTCPeerConnection());
    connection.addTransceiver('audio', { direction: 'recvonly' });
    connection.addTransceiver('video', { direction: 'recvonly' });
    const stream = new MediaStream();
    document.querySelector('video').srcObject = stream;
    connection.ontrack = ({ track }) => stream.addTrack(track);
    const gathered = new Promise((resolve) => {
      connection.onicecandidate = ({ candidate }) => candidate || resolve();
    });
    await connection.setLocalDescription();
    await gathered;
    const headers = { 'Content-Type': 'application/sdp' };
    const answer = await fetch(url, { method: 'POST', headers, body: connection.localDescription.sdp });
    await connection.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
    return [answer.status, new URL(answer.headers.get('Location'), answer.url).href];
  };
</script>"""


@pytest.fixture
def player_site() -> Iterator[str]:
    """The origin of somebody else's site with a player."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PLAYER.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="player site")
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


async def test_a_plain_whep_player_gets_one_picture_and_the_sound(people: People, player_site: str) -> None:
    people.rig.press("lesson/start")
    people.rig.wait_state("live")
    page = await people.page()
    player = Viewer(page, ("sound", "camera"))
    people.complaints.allow(player_site)
    await page.goto(player_site)
    status, location = await page.evaluate("url => play(url)", people.rig.links["whep"])
    assert status == 201
    await player.sees_the_room("camera")
    await player.hears_the_room()
    assert set(await player.inbound()) == {"sound", "camera"}
    assert await page.evaluate("url => fetch(url, { method: 'DELETE' }).then(({ status }) => status)", location) == 200


async def test_a_room_that_is_off_is_waited_for(people: People) -> None:
    with people.rig.room_off():
        pupil = await people.pupil()
        await pupil.enter("Lina")
        await pupil.is_in("waiting")
        await pupil.reads("#waiting-line", "La salle est éteinte pour l’instant. C’est normal avant le cours.")
    people.rig.wait_ready()
    await pupil.page.locator("#waiting-line").filter(has_not_text="éteinte").wait_for(state="attached")
    people.complaints.expected.add(503)  # a room that is still warming up says so, and the page asks again
    people.rig.press("lesson/start")
    await pupil.is_in_class()


async def test_a_lesson_that_ended_and_a_wrong_link_are_told_in_french(people: People) -> None:
    view = people.rig.wait_state("idle")
    code = view["access"]["code"]
    people.rig.press("lesson/start")
    people.rig.wait_state("live")
    people.rig.press("lesson/stop")
    people.rig.wait_state("idle")
    people.rig.wait_for_panel(lambda view: view["access"]["code"] != code, "a code for the next lesson")

    people.complaints.expected |= {404, 409, 410}
    late = await people.pupil(code=code)
    await late.reads("#join-problem", "Cette classe est terminée.")
    await late.reads("#join-problem", "Code pour l’assistance : lesson-ended")

    page = await people.page()
    await page.goto(people.rig.links["pupil"][:-4] + "AAAA")
    await Viewer(page).reads("#refused-words", "Ce lien n’est pas, ou n’est plus, valable.")


async def test_wrong_codes_are_told_in_french_and_then_slowed_down(people: People) -> None:
    """Keep this the last one: for a minute no code is taken from this address."""
    people.complaints.expected |= {404, 429}
    pupil = await people.pupil(code="zzzz 2222")
    await pupil.reads("#code-problem", "Aucune classe n’a ce code. Relis-le lettre par lettre, puis réessaie.")
    for number in range(10):
        await pupil.page.fill("#code", f"ZZZZ-22{number}3")
        await pupil.page.click("#enter")
        await pupil.reads("#code-problem", "Code pour l’assistance")
    await pupil.reads("#code-problem", "Trop de codes faux ont été essayés d’ici. Il faut attendre")
    await pupil.reads("#code-problem", "code-throttled")
