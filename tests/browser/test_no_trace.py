"""What pupils type leaves no trace (DESIGN §4): a name and a question are planted in a real lesson and looked for
afterwards, everywhere."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import sqlite3
import unicodedata
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from playwright.async_api import Browser

from mqttlink.link import Message
from tests.browser.people import People, until
from tests.browser.witness import witness_link
from tests.peers import need
from tests.rig import Rig, wait_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME = "Zoëlynxa Qœvrépâ-Ŵikh"
QUESTION = "Pourquœi brümelixa-t-on Ğarvönique ?"
METRICS_TOKEN = "token-of-the-metrics"


def forms(name: str) -> dict[str, bytes]:
    """Return the name as it may lie in a file: as text of several kinds, and in the wrappings of text."""
    found: dict[str, bytes] = {}
    for kind in ("NFC", "NFD"):
        text = unicodedata.normalize(kind, name)
        found[f"{kind} UTF-8"] = text.encode()
        found[f"{kind} JSON"] = json.dumps(text)[1:-1].encode()
        found[f"{kind} JSON in JSON"] = json.dumps(json.dumps(text)[1:-1])[1:-1].encode()
        found[f"{kind} address"] = urllib.parse.quote(text).encode()
        found[f"{kind} form"] = urllib.parse.quote_plus(text).encode()
        found[f"{kind} hex"] = text.encode().hex().encode()
        found[f"{kind} Python"] = ascii(text)[1:-1].encode()
        found[f"{kind} UTF-16"] = text.encode("utf-16-le")
        found[f"{kind} UCS-4"] = text.encode("utf-32-le")
        for shift in range(3):  # what lies before it moves the groups of three bytes
            coded = base64.b64encode(b"\0" * shift + text.encode())
            inner = coded[4 if shift else 0 : -4]  # the ends depend on what is beside it
            found[f"{kind} base64 {shift}"] = inner
            found[f"{kind} base64url {shift}"] = inner.translate(bytes.maketrans(b"+/", b"-_"))
    first = name.split()[0]
    found["first name"] = first.encode()
    found["first name JSON"] = json.dumps(first)[1:-1].encode()
    return found


def traces(data: bytes) -> list[str]:
    """Return the forms of the name, or of the question, that are in the data."""
    lower = data.lower()
    found = [form for form, sought in forms(NAME).items() if sought in data or sought.lower() in lower]
    return found + [f"question {form}" for form, sought in forms(QUESTION).items() if sought.lower() in lower]


def traces_in(folder: Path) -> list[str]:
    """Return every file with a trace; the databases' own write-ahead logs are files like others."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            try:
                found += [f"{path.relative_to(folder)}: {form}" for form in traces(path.read_bytes())]
            except FileNotFoundError:  # a journal that went meanwhile
                continue
    return found


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    need("mosquitto", "mosquitto")
    started = Rig(tmp_path_factory.mktemp("estrade"))
    started.start()
    try:
        yield started
    finally:
        started.end()


class Witness:
    """Everything that is said between the programs, for as long as the block runs."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.live = bytearray()
        self.metrics = b""

    async def hear(self, message: Message) -> None:
        self.messages.append((message.topic, repr(message).encode() + message.payload))


def has_ended(process: psutil.Process) -> bool:
    """Say whether a process has ended; it may do so between two questions."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def show_metrics(rig: Rig) -> None:
    """Have the centre answer on /metrics, which it does for whoever has the token in a file."""
    config = rig.folder / "controller.toml"
    token_file = rig.folder / "metrics.token"
    token_file.write_text(METRICS_TOKEN)
    config.write_text(f"{config.read_text()}\n[metrics]\ntoken_file = {json.dumps(str(token_file))}\n")
    before = rig.controller
    before.terminate()
    wait_for(lambda: has_ended(before), "the controller's end")
    rig.wait_ready()


@asynccontextmanager
async def witness(rig: Rig) -> AsyncIterator[Witness]:
    seen = Witness()
    link = witness_link(rig)
    link.on_message("estrade/#", seen.hear)
    it = rig.links["it"].removesuffix("/it/")

    async def follow(http: httpx.AsyncClient) -> None:
        async with http.stream("GET", "/api/v1/events", timeout=None) as answer:
            assert answer.status_code == 200
            async for chunk in answer.aiter_bytes():
                seen.live += chunk

    async with httpx.AsyncClient(base_url=it) as http, link.running():
        account = {"name": rig.links["it_name"], "password": rig.links["it_password"]}
        assert (await http.post("/api/v1/session", json=account)).status_code == 200
        await link.wait_connected()
        live = asyncio.create_task(follow(http))
        try:
            yield seen
            metrics = await http.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
            assert metrics.status_code == 200
            seen.metrics = metrics.content
            room = rig.links["room"]
            for path in ("rooms", f"rooms/{room}", f"rooms/{room}/events"):
                seen.live += (await http.get(f"/api/v1/{path}")).content
        finally:
            live.cancel()
            await asyncio.wait({live})


@pytest.mark.timeout(150)
async def test_a_name_is_nowhere_after_a_lesson_with_everything_in_it(rig: Rig, browser: Browser) -> None:
    """Pause, an agent that is killed and one that falls, leaving and coming back."""
    rig.wait_ready()
    show_metrics(rig)
    people = People(rig, browser)
    async with witness(rig) as seen:
        pupil = await people.pupil()
        await pupil.enter(NAME)
        rig.press("lesson/start")
        await pupil.is_in("class")

        def is_named(view: dict[str, Any]) -> bool:
            return NAME in [viewer["name"] for viewer in view["viewers"] if viewer["is_connected"]]

        async def named(what: str) -> None:
            await asyncio.to_thread(rig.wait_for_panel, is_named, what)

        await named("the name on the panel, where it belongs")
        await pupil.page.click("#question")
        await pupil.page.fill("#question-text", QUESTION)
        await pupil.page.click("#question-send")

        def is_asked(view: dict[str, Any]) -> bool:
            return QUESTION in [one["text"] for one in view["audience"]["questions"]]

        async def asked(what: str) -> None:
            await asyncio.to_thread(rig.wait_for_panel, is_asked, what)

        await asked("the question on the panel, where it belongs")
        rig.press("lesson/pause", {"paused": True})
        await asyncio.sleep(0.5)
        rig.press("lesson/pause", {"paused": False})
        for number in (signal.SIGKILL, signal.SIGABRT):  # the second would write its memory to the disk
            agent = rig.agent
            assert agent.rlimit(psutil.RLIMIT_CORE) == (0, 0)
            agent.send_signal(number)
            await named("the name again, from the pupil's own page")
            await asked("the question again, from the pupil's own page")
        await pupil.page.goto("about:blank")
        await asyncio.to_thread(rig.wait_for_panel, lambda view: not is_named(view), "the pupil to be gone")
        again = await people.pupil()
        await again.enter(NAME)
        await again.is_in("class")
        await named("the pupil back")
        rig.press("lesson/stop")
        rig.wait_state("idle")
        await again.is_in("ended")
        assert not rig.panel()["viewers"]  # type: ignore[index]

        async def has_end() -> bool:
            return b"lesson.ended" in seen.live

        await until(has_end, "the end of the lesson at IT's page")
        at_work = traces_in(rig.folder)
    await people.leave()
    kinds = {topic.split("/")[4] for topic, _ in seen.messages if "/ctl/" not in topic}
    assert kinds >= {"state", "event", "cmd", "health", "config"}, "the witness heard the lesson"
    assert b"lesson.ended" in seen.live
    assert b"estrade_" in seen.metrics
    rig.end()  # what is written at the end is written now
    assert at_work == []
    assert traces_in(rig.folder) == []
    assert {topic for topic, message in seen.messages if traces(topic.encode() + message)} == set()
    assert traces(bytes(seen.live)) == []
    assert traces(seen.metrics) == []
    with (rig.folder / "logs" / "agent.log").open("a") as log:  # the control: the search does look there
        log.write(f"INFO agent: A pupil came name={NAME}\n{QUESTION}\n")
    assert {"logs/agent.log: NFC UTF-8", "logs/agent.log: question NFC UTF-8"} <= set(traces_in(rig.folder))


@pytest.mark.parametrize("form", sorted(forms(NAME)))
async def test_the_same_search_finds_a_name_that_lies_there(tmp_path: Path, form: str) -> None:
    """The control: in a log, in a database with its write-ahead log, and cut out of the middle of a coded text."""
    log = tmp_path / "logs" / "agent.log"
    log.parent.mkdir()
    log.write_bytes(b"2026-11-25 INFO agent: A pupil came name=" + forms(NAME)[form] + b" viewer=v-1\n")
    assert any(trace.startswith("logs/agent.log: ") for trace in traces_in(tmp_path))


async def test_the_search_finds_a_name_in_a_database_that_is_open_and_in_base64(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "estrade.db") as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE pupils (name TEXT)")
        database.execute("INSERT INTO pupils VALUES (?)", (NAME,))
        database.commit()
        assert any("estrade.db" in trace for trace in traces_in(tmp_path))
    database.close()
    for before in ("", "x", "xy", "xyz"):
        (tmp_path / "token").write_bytes(base64.urlsafe_b64encode(f"{before}{NAME}.".encode()))
        assert any(trace.startswith("token: ") for trace in traces_in(tmp_path)), before
