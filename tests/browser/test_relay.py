"""A room whose line holds one pupil, and a media server that holds the others: who is in class stays in class."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.people import DEADLINE_S, People, Pupil, until
from tests.media_server import TOKEN, MediaServer
from tests.peers import need
from tests.rig import Rig

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(150), pytest.mark.timed]

ONE_PUPIL_BPS = 500_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MediaServer]:
    started = MediaServer(tmp_path_factory.mktemp("media-server"))
    started.start()
    yield started
    started.kill()


@pytest.fixture(scope="module")
def narrow(server: MediaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A room with a line for one pupil."""
    need("mosquitto", "mosquitto")
    folder = tmp_path_factory.mktemp("narrow")
    token = folder / "token"
    token.write_text(TOKEN)
    settings = {
        "media.uplink_bps": ONE_PUPIL_BPS,
        # small, so that two browsers, a media server and the room fit on one machine
        "media.camera_max_width_px": 320,
        "media.camera_max_height_px": 180,
        "media.camera_max_rate_hz": 10,
        "media.camera_bitrate_bps": 200_000,
        "media.board_max_width_px": 640,
        "media.board_max_height_px": 360,
        "media.board_bitrate_bps": 300_000,
        "relay.whip_lesson": server.whip("demo-lesson"),
        "relay.whip_board": server.whip("demo-board"),
        "relay.token_file": str(token),
        "camera.width_px": 320,
        "camera.height_px": 180,
        "camera.rate_hz": 10,
        "board.width_px": 768,
        "board.height_px": 432,
        "microphone.flash_and_beep_s": 1.0,
        "microphone.voice": "none",
    }
    # one centre serves many rooms: what differs is the room's id alone
    names = {name: server.whep(f"demo-{name}") + "?room={room}" for name in ("lesson", "board")}
    centre = {f"relay.whep_{name}": url for name, url in names.items()}
    started = Rig(folder / "estrade", settings=settings, centre_settings=centre)
    started.start()
    yield started
    started.end()


@pytest_asyncio.fixture(loop_scope="session")
async def people(narrow: Rig, browser: Browser) -> AsyncIterator[People]:
    narrow.wait_ready()
    there = People(narrow, browser)
    yield there
    await there.leave()
    if (view := narrow.panel()) is not None and view["state"] != "idle":
        narrow.press("lesson/stop")


ENERGY_JS = """async () => {
  const reports = [...(await estrade.connection.getStats()).values()];
  const sound = reports.find((entry) => entry.type === 'inbound-rtp' && entry.kind === 'audio');
  return (sound && sound.totalAudioEnergy) || 0;
}"""


async def is_in_class(pupil: Pupil, *tracks: str) -> None:
    """Wait until these videos show a further picture and a beep is heard; a small camera's time cannot be read."""
    await pupil.is_in("class")
    for track in tracks:
        js = f"() => seen.tracks.{track} ? seen.tracks.{track}.count : 0"
        before = await pupil.page.evaluate(js)
        await pupil.page.wait_for_function(f"before => ({js})() > before", arg=before, timeout=DEADLINE_S * 1000)
    energy = await pupil.page.evaluate(ENERGY_JS)
    await pupil.page.wait_for_function(
        f"async before => await ({ENERGY_JS})() > before + 1e-3", arg=energy, timeout=DEADLINE_S * 1000
    )


async def viewers(people: People) -> set[str]:
    """Return the connections of those who are in class."""
    view = people.rig.panel()
    assert view is not None
    return {viewer["viewer"] for viewer in view["viewers"]}


async def _have_changed(people: People, before: set[str]) -> bool:
    now = await viewers(people)
    return len(now) == len(before) and now != before


async def is_sent_from(pupil: Pupil, wanted: str) -> None:
    await until(partial(_is_from, pupil, wanted), f"media from the {wanted}", 30)


async def _is_from(pupil: Pupil, wanted: str) -> bool:
    return await source(pupil) == wanted


async def source(pupil: Pupil) -> str:
    """Return how many m-lines the page's connection for sound has: three of the room's, two of the media server's."""
    mids = await pupil.page.evaluate("window.estrade ? estrade.connection.getTransceivers().length : 0")
    return {0: "nowhere", 2: "media-server", 3: "room"}[mids]


async def test_pupils_move_to_the_media_server_and_back_when_it_dies(people: People, server: MediaServer) -> None:
    asked: set[str] = set()
    first = await people.pupil()
    first.page.context.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    await first.enter("Lina")
    people.rig.press("lesson/start")
    await is_in_class(first, "camera", "board")
    assert await source(first) == "room"

    second = await people.pupil()
    await second.enter("Noé")
    for pupil in (first, second):
        await is_sent_from(pupil, "media-server")
        await is_in_class(pupil, "camera", "board")
    assert server.published() == {"demo-lesson", "demo-board"}
    assert asked == {urlsplit(people.rig.links["pupil"]).netloc}, "no page asks anybody but the centre"

    # what the room sends from now on comes over another connection than the one that Lina came in with
    before = await viewers(people)
    await first.page.evaluate("window.dispatchEvent(new Event('online'))")
    await until(partial(_have_changed, people, before), "another connection of Lina's page")

    server.kill()
    for pupil in (first, second):
        await is_sent_from(pupil, "room")
        await is_in_class(pupil, "board")  # two cameras are more than the line holds
