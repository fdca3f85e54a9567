"""Debian's Firefox ESR over WebDriver BiDi (W3C), without a driver between: Firefox itself listens for it.

Playwright drives a Firefox of its own make alone, which is not what pupils have.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import signal
import subprocess
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.chromium import PRESENTED_JS

PROGRAM, PACKAGE = "firefox-esr", "firefox-esr"
START_S, END_S = 60.0, 15.0
COMMAND_S = 60.0
"""A browser on a loaded machine answers late; one that answers never is what this is for."""
LOOK_S = 0.1
PREFERENCES: dict[str, bool | int | str] = {
    # Firefox under BiDi turns off by itself what calls home and asks at the first run (remote.prefs.recommended).
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.prefetch-next": False,
    "intl.accept_languages": "fr-FR, fr",
    "ui.prefersReducedMotion": 1,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    # Mozilla's own H.264 would be fetched from its servers: none comes here, as on a school's closed network.
    "media.gmp-manager.updateEnabled": False,
    "media.gmp-manager.url": "",
}
_LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


class Bidi:
    """Commands, each with its answer, and events, over one WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.events: list[dict[str, Any]] = []
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the result. AssertionError with what Firefox says when it refuses, TimeoutError after `COMMAND_S`."""
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        async with asyncio.timeout(COMMAND_S):
            told = await answer
        assert told["type"] == "success", f"{method}: {told.get('error')}: {told.get('message')}"
        result: dict[str, Any] = told["result"]
        return result

    async def read(self) -> None:
        """Take in what comes, until the line closes."""
        with suppress(ConnectionClosed):
            async for text in self._socket:
                told = json.loads(text)
                if told["type"] == "event":
                    self.events.append(told)
                elif (answer := self._answers.pop(told["id"], None)) is not None and not answer.done():
                    answer.set_result(told)


class FirefoxPage:
    """One page in a window and a profile of its own. The methods are those of Playwright's page, as far as needed."""

    def __init__(self, bidi: Bidi, context: str) -> None:
        self.url = "about:blank"
        self._bidi, self._context = bidi, context

    async def goto(self, url: str) -> None:
        """Load an address, up to its DOMContentLoaded."""
        self.url = url
        await self._bidi.command("browsingContext.navigate", context=self._context, url=url, wait="interactive")

    async def evaluate(self, expression: str, arg: Any = None) -> Any:
        """Return an expression's value, awaited; of a function, what it returns for ``arg``. Both as JSON."""
        script = f"""(async () => {{
          const it = ({expression});
          return JSON.stringify((await (typeof it === 'function' ? it({json.dumps(arg)}) : it)) ?? null);
        }})()"""
        told = await self._bidi.command(
            "script.evaluate", expression=script, target={"context": self._context}, awaitPromise=True
        )
        assert told["type"] == "success", f"{expression}: {told.get('exceptionDetails', {}).get('text')}"
        return json.loads(told["result"]["value"])

    async def wait_for_selector(self, selector: str, *, timeout: float = 1e3 * COMMAND_S) -> None:
        """Wait until an element is visible; ``timeout`` in milliseconds."""
        find = "selector => [...document.querySelectorAll(selector)].some((found) => found.checkVisibility())"
        end_s = time.monotonic() + timeout / 1e3
        while not await self.evaluate(find, selector):
            assert time.monotonic() < end_s, f"waited {timeout / 1e3:g} s in vain for {selector} on {self.url}"
            await asyncio.sleep(LOOK_S)

    async def click(self, selector: str) -> None:
        """Press the mouse on an element, as a hand does: it is a touch that permits sound."""
        await self.wait_for_selector(selector)
        await self.evaluate(
            "selector => document.querySelector(selector).scrollIntoView({ block: 'center' })", selector
        )
        locator = {"type": "css", "value": selector}
        found = await self._bidi.command("browsingContext.locateNodes", context=self._context, locator=locator)
        element = {"type": "element", "element": {"sharedId": found["nodes"][0]["sharedId"]}}
        moves = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": element},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        await self._act("pointer", moves)

    async def fill(self, selector: str, value: str) -> None:
        """Type into a field that is empty."""
        await self.click(selector)
        strokes = [{"type": stroke, "value": key} for key in value for stroke in ("keyDown", "keyUp")]
        if strokes:
            await self._act("key", strokes)

    async def close(self) -> None:
        """Close the window."""
        await self._bidi.command("browsingContext.close", context=self._context)

    async def _act(self, kind: str, actions: list[dict[str, Any]]) -> None:
        source = {"type": kind, "id": kind, "actions": actions}
        await self._bidi.command("input.performActions", context=self._context, actions=[source])


class Firefox:
    """A headless Firefox that runs."""

    def __init__(self, bidi: Bidi) -> None:
        self._bidi = bidi

    async def prepare(self) -> None:
        """Begin the session."""
        await self._bidi.command("session.new", capabilities={})
        await self._bidi.command("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])

    async def page(self, script: str | None = None) -> FirefoxPage:
        """Return an empty page in a window of its own: in a shared one, only the front page is drawn.

        ``script`` runs before its own; without one the page records what it presents (`presented.js`).
        """
        user = (await self._bidi.command("browser.createUserContext"))["userContext"]
        opened = await self._bidi.command("browsingContext.create", type="window", userContext=user)
        function = f"() => {{ {PRESENTED_JS.read_text() if script is None else script} }}"
        contexts = [opened["context"]]
        await self._bidi.command("script.addPreloadScript", functionDeclaration=function, contexts=contexts)
        return FirefoxPage(self._bidi, opened["context"])

    def complaints(self, *ours: str) -> list[str]:
        """Return, once, exceptions and errors of pages so far, and their requests to others than these addresses."""
        events, self._bidi.events = self._bidi.events, []
        origins = {urlsplit(one)[:2] for one in ours}
        found = []
        for event in events:
            told = event["params"]
            if event["method"] == "log.entryAdded" and told["level"] == "error":
                found.append(f"{told['type']}: {told['text']}")
            elif event["method"] == "network.beforeRequestSent":
                address = urlsplit(told["request"]["url"])
                if address.scheme in ("http", "https", "ws", "wss") and address[:2] not in origins:
                    found.append(f"third party: {told['request']['url']}")
        return found

    async def end(self) -> None:
        """Ask it to close."""
        await self._bidi.command("browser.close")


@asynccontextmanager
async def running(program: str, folder: Path, sound: Mapping[str, str]) -> AsyncIterator[Firefox]:
    """Run Firefox with a new profile in ``folder`` for the block; ``sound`` is the environment of a sound server.

    Without a loudspeaker Firefox never lets the page's own sound thread run.
    """
    profile = folder / "profile"
    profile.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("".join(lines))
    said_file = folder / "firefox.err"
    argv = [program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    environment = {**os.environ, **sound, "HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"}
    with said_file.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment, start_new_session=True
        )
    try:
        address = await _address(process, said_file)
        async with connect(f"{address}/session", max_size=None, ping_interval=None, proxy=None) as socket:
            bidi = Bidi(socket)
            reading = asyncio.create_task(bidi.read())
            try:
                firefox = Firefox(bidi)
                await firefox.prepare()
                yield firefox
                await firefox.end()
            finally:
                reading.cancel()
                await asyncio.wait({reading})
        async with asyncio.timeout(END_S):
            await process.wait()
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _address(process: Process, said_file: Path) -> str:
    """Wait until Firefox says where it listens; AssertionError with what else it said."""
    end_s = time.monotonic() + START_S
    while True:
        said = await asyncio.to_thread(said_file.read_text, errors="replace")
        if found := _LISTENS.search(said):
            return found[1]
        assert process.returncode is None, f"Firefox ended at once: {said[-2000:]}"
        assert time.monotonic() < end_s, f"Firefox was not ready in {START_S:g} s: {said[-2000:]}"
        await asyncio.sleep(LOOK_S)
