"""A real OpenID provider for tests: ``oidc-provider`` on Node (``tests/fakes/oidc_provider.mjs``)."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

from tests.broker import free_port
from tests.peers import missing, need

START_TIMEOUT_S = 20.0
CLIENT, SECRET = "estrade", "a-secret-of-the-tests"
PROGRAM = Path(__file__).parent / "fakes/oidc_provider.mjs"
PACKAGE = Path(__file__).parent.parent / "node_modules/oidc-provider"
PEOPLE: dict[str, dict[str, Any]] = {
    "anne": {"preferred_username": "anne", "groups": ["staff", "estrade-admins"], "roles": ["estrade-viewers"]},
    "tom": {"preferred_username": "tom", "groups": ["teachers-college-1"]},
    "zoe": {"preferred_username": "zoe", "groups": ["pupils"]},
    "blank": {"preferred_username": " ", "groups": ["estrade-admins"]},
    "admin": {"preferred_username": "admin", "groups": ["estrade-admins"]},
}


class OidcProvider:
    """The provider as a child process."""

    def __init__(self) -> None:
        self._node = need("node", "nodejs")
        if not PACKAGE.is_dir():
            missing("oidc-provider is missing; it comes with: make npm")
        self._port = free_port()
        self.issuer = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        argv = [self._node, str(PROGRAM), str(self._port), CLIENT, SECRET, json.dumps(PEOPLE)]
        self._process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.02)
        self.stop()
        raise AssertionError("the OpenID provider did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def sign_in(self, url: str, person: str) -> str:
        """Go to ``url`` as a browser of somebody's own, sign in there, and return where it is sent back to."""
        async with httpx.AsyncClient() as browser:
            answer = await self._followed(browser, await browser.get(url))
            for typed in ({"prompt": "login", "login": person, "password": "any"}, {"prompt": "consent"}):
                form = re.search(r'<form[^>]* action="([^"]+)"', answer.text)
                assert form is not None, answer.text[:2000]
                answer = await browser.post(urljoin(str(answer.url), form[1]), data=typed)
                answer = await self._followed(browser, answer)
            return str(answer.headers["location"])

    async def _followed(self, browser: httpx.AsyncClient, answer: httpx.Response) -> httpx.Response:
        """Follow what leads to the provider itself."""
        while answer.is_redirect:
            to = urljoin(str(answer.url), answer.headers["location"])
            if not to.startswith(self.issuer):
                return answer
            answer = await browser.get(to)
        return answer
