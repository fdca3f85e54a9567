"""The panel's door on a running agent: the boot's token, other hosts and sites, the PIN."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from starlette.routing import Route

from agent.camera_views import CameraViews
from agent.config import RoomSettings
from agent.lesson import Lesson
from agent.room_recording import RoomRecording
from agent.selftest.runner import SelfTest
from agent.thumbnails import Thumbnails
from agent.web.audience import AudiencePanel
from agent.web.camera import CameraPanel
from agent.web.door import PanelDoor
from agent.web.pin import Pin, hash_pin
from agent.web.recording import RecordingPanel
from agent.web.server import PanelServer
from agent.web.token import PanelToken
from protocol.lesson import LessonState
from protocol.messages import Access, ConfigDocument, RoomConfig
from protocol.panel import PanelView
from tests.broker import Broker
from tests.integration.agent.conftest import Centre, room_settings, running_room
from tests.waiting import until

APIS = (
    ("GET", "panel"),
    ("GET", "events"),
    ("POST", "lesson/start"),
    ("POST", "lesson/stop"),
    ("POST", "lesson/resume"),
    ("POST", "lesson/drop"),
    ("POST", "lesson/pause"),
    ("POST", "lesson/freeze"),
    ("POST", "lesson/on-air"),
    ("POST", "lesson/framing"),
    ("POST", "device/retry"),
    ("POST", "proposal"),
    ("POST", "normal"),
    ("GET", "selftest"),
    ("POST", "selftest"),
    ("POST", "selftest/stop"),
    ("POST", "selftest/close"),
    ("POST", "unlock"),
    ("POST", "lock"),
    ("GET", "preview/board.jpg"),
    ("GET", "qr.svg"),
    ("POST", "lesson/framing"),
    ("POST", "lesson/microphone"),
    ("POST", "lesson/microphone/not-now"),
    ("POST", "screen"),
    ("POST", "screen/end"),
    ("POST", "audience/admit"),
    ("POST", "audience/admit-all"),
    ("POST", "audience/refuse"),
    ("POST", "audience/take"),
    ("POST", "audience/lower"),
    ("POST", "audience/lower-all"),
    ("POST", "audience/answered"),
    ("POST", "audience/settled"),
    ("POST", "audience/remove"),
    ("POST", "audience/lobby"),
    ("POST", "audience/lock"),
    ("POST", "camera/hold"),
    ("POST", "camera/release"),
    ("POST", "camera/recall"),
    ("POST", "camera/store"),
    ("POST", "camera/confirm"),
    ("GET", "camera/preset/board.jpg"),
    ("GET", "camera/check.jpg"),
    ("POST", "recording"),
    ("POST", "recording/delete"),
    ("POST", "recording/share"),
    ("GET", "recording/board.mp4"),
    ("GET", "recording/board.svg"),
    ("GET", "not/there"),
)
HEADERS = {
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
}


def browser(settings: RoomSettings) -> httpx.AsyncClient:
    """A browser that knows nothing yet; it keeps cookies."""
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.panel.port}", timeout=10)


def link(settings: RoomSettings) -> str:
    return "/?token=" + settings.panel.token_file.read_text().partition("\n")[0]


async def test_nothing_is_told_or_done_without_the_token(broker: Broker, tmp_path: Path) -> None:
    settings = room_settings(broker, tmp_path, devices={})
    async with running_room(settings) as room, browser(settings) as stranger:
        for method, path in APIS:
            answer = await stranger.request(method, f"/api/{path}")
            assert (answer.status_code, answer.json()["code"]) == (403, "panel-token"), path
            assert answer.headers.keys() >= HEADERS, path
        wrong = await stranger.get("/?token=" + "a" * 43)
        assert (wrong.status_code, wrong.headers["location"]) == (303, "/")
        assert "set-cookie" not in wrong.headers
        assert (await stranger.get("/")).status_code == 200, "the page itself says why it stays shut"
        assert (await room.view())["state"] == "idle"


async def nothing() -> None: ...


def test_every_address_of_the_panel_is_among_those(tmp_path: Path) -> None:
    door = PanelDoor(PanelToken(tmp_path / "token", "boot"), Pin(None))
    server = PanelServer(
        cast(Lesson, None),
        lambda: PanelView(room="b12", room_name="B12", state=LessonState.IDLE),
        0,
        door,
        nothing,
        selftest=lambda: cast(SelfTest, None),
    )
    camera = CameraPanel(None, cast(CameraViews, None), cast(Thumbnails, None), door.pin, cast(Any, None))
    server.add_routes(camera.routes())
    server.add_routes(AudiencePanel(cast(Lesson, None), cast(Any, None)).routes())
    server.add_routes(RecordingPanel(cast(RoomRecording, None), door.pin, cast(Any, None)).routes())
    names = re.compile(r"\{(track|name|id)\}")
    paths = {names.sub("board", route.path) for route in server._app().routes if isinstance(route, Route)}
    assert paths - {f"/api/{path}" for _, path in APIS} == {"/"}


async def test_the_token_becomes_a_cookie_that_outlives_the_agent(broker: Broker, tmp_path: Path) -> None:
    settings = room_settings(broker, tmp_path, devices={})
    async with browser(settings) as kiosk:
        async with running_room(settings):
            opened = await kiosk.get(link(settings))
            assert (opened.status_code, opened.headers["location"]) == (303, "/")
            cookie = opened.headers["set-cookie"].lower()
            assert "httponly" in cookie
            assert "samesite=strict" in cookie
            assert link(settings).partition("=")[2].lower() not in cookie, "the token is not had back from the cookie"
            assert (await kiosk.get("/api/panel")).status_code == 200
        async with running_room(settings):
            assert (await kiosk.get("/api/panel")).status_code == 200
        settings.panel.token_file.unlink()  # as a reboot does
        async with running_room(settings):
            assert (await kiosk.get("/api/panel")).json()["code"] == "panel-token"


@pytest.mark.parametrize(
    "host", ["estrade.example", "127.0.0.1", "127.0.0.1:1", "localhost.example:{port}", "127.0.0.1:1/x", ""]
)
async def test_another_host_is_refused_whatever_it_carries(broker: Broker, tmp_path: Path, host: str) -> None:
    """A rebound name, and a Host that would change what the address seems to be."""
    settings = room_settings(broker, tmp_path, devices={})
    async with running_room(settings) as room:
        for path in ("/", "/api/panel", "/static/css/base.css"):
            headers = {"Host": host.format(port=settings.panel.port)}
            answer = await room.panel.get(path, headers=headers)
            assert answer.status_code in (400, 403), path


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_another_site_reads_nothing_either(broker: Broker, tmp_path: Path, site: str) -> None:
    settings = room_settings(broker, tmp_path, devices={})
    async with running_room(settings) as room:
        for path in ("panel", "events", "qr.svg"):
            answer = await room.panel.get(f"/api/{path}", headers={"Sec-Fetch-Site": site})
            assert (answer.status_code, answer.json()["code"]) == (403, "cross-site")


def a_room_with_a_code() -> ConfigDocument:
    access = Access(lesson="l-1", code="K7QF-92MX", link="http://127.0.0.1/j/abcdefgh")
    return ConfigDocument(rev=1, config=RoomConfig(name="Salle B12", access=access))


async def test_the_pin_hides_code_and_link_and_never_the_buttons(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    (tmp_path / "pin").write_text(hash_pin("4711") + "\n")
    plain = room_settings(broker, tmp_path)
    settings = plain.model_copy(update={"panel": plain.panel.model_copy(update={"pin_file": tmp_path / "pin"})})
    await centre.configure(a_room_with_a_code())
    async with running_room(settings) as room:
        await until(lambda: any(state.config_rev == 1 for state in centre.states), "the configuration is taken")

        async def refused(path: str, body: dict[str, Any]) -> tuple[int, str]:
            answer = await room.press(path, body)
            return answer.status_code, answer.json()["code"]

        assert (await room.view())["pin"] == "locked"
        assert (await room.press("lesson/start")).status_code == 200
        live = await room.state_is("live")
        assert (live["pin"], live["access"]) == ("locked", None)
        assert (await room.press("lesson/pause", {"paused": True})).json()["paused"] is True
        assert (await room.panel.get("/api/qr.svg")).json()["code"] == "panel-locked"
        assert "K7QF" not in (await room.panel.get("/api/panel")).text
        assert await refused("unlock", {"pin": "0000"}) == (403, "pin-wrong")
        opened = (await room.press("unlock", {"pin": "4711"})).json()
        assert (opened["pin"], opened["access"]["code"]) == ("open", "K7QF-92MX")
        assert (await room.panel.get("/api/qr.svg")).status_code == 200
        assert (await room.press("lock")).json()["access"] is None
        for _ in range(3):
            assert await refused("unlock", {"pin": "0000"}) == (403, "pin-wrong")
        assert await refused("unlock", {"pin": "4711"}) == (429, "pin-throttled")
        assert (await room.press("lesson/stop")).status_code == 200


async def test_without_a_pin_nothing_is_hidden(broker: Broker, centre: Centre, tmp_path: Path) -> None:
    await centre.configure(a_room_with_a_code())
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        await until(lambda: any(state.config_rev == 1 for state in centre.states), "the configuration is taken")
        view = await room.view()
        assert (view["pin"], view["access"]["code"]) == ("none", "K7QF-92MX")


async def test_every_answer_carries_the_headers_also_a_fault_of_ours(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def view() -> PanelView:
        raise ValueError("a secret")  # what no view should do

    door = PanelDoor(PanelToken(tmp_path / "token", "boot"), Pin(None))
    server = PanelServer(cast(Lesson, None), view, 8480, door, nothing, selftest=lambda: cast(SelfTest, None))
    token = (tmp_path / "token").read_text().partition("\n")[0]
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(server._app())
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8480", headers=headers) as http:
        for method, path, status, code in (
            ("GET", "/api/panel", 500, "internal"),
            ("GET", "/api/nothing", 404, "not-found"),
            ("DELETE", "/api/panel", 405, "method-not-allowed"),
            ("GET", "/static/lib/../../csp.py", 404, "not-found"),
        ):
            answer = await http.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (status, code), path
            assert answer.headers.keys() >= HEADERS, path
            assert "secret" not in answer.text
    assert "a secret" in caplog.text
