"""The panel against other pages in a real browser: other sites, other ports of this machine, a rebound name."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, Route, async_playwright, expect

from tests import chromium
from tests.browser.people import People
from tests.peers import need
from tests.rig import Rig

pytestmark = pytest.mark.asyncio(loop_scope="session")

ACTS = ("lesson/stop", "lesson/pause", "lesson/on-air", "unlock", "lesson/start")
"""Start comes last: nothing of the attack may put its own traces away."""
EVIL = "evil.example"

ATTACK_JS = """async ([panel, acts]) => {
  const tried = {};
  const settled = (name, promise) =>
    promise.then((said) => (tried[name] = said), (error) => (tried[name] = error.name));
  const loads = (element, address) => new Promise((done) => {
    element.onload = () => done('loaded');
    element.onerror = () => done('refused');
    element.src = address;
    document.body.append(element);
  });
  for (const act of acts) {
    const address = panel + '/api/' + act;
    const post = {method: 'POST', credentials: 'include', body: '{}'};
    await settled('no-cors ' + act, fetch(address, {...post, mode: 'no-cors'}).then((answer) => answer.type));
    await settled('cors ' + act, fetch(address, post)
      .then((answer) => answer.text()));
    const frame = document.createElement('iframe');
    frame.name = 'target-' + act;
    document.body.append(frame);
    const form = document.createElement('form');
    form.method = 'post';
    form.action = address;
    form.target = frame.name;
    document.body.append(form);
    const sent = new Promise((done) => (frame.onload = () => done('sent')));
    form.submit();
    await settled('form ' + act, sent);
  }
  for (const path of ['/api/panel', '/api/qr.svg', '/api/preview/board.jpg', '/', '/static/i18n/fr.json']) {
    await settled('read ' + path, fetch(panel + path, {credentials: 'include'}).then((answer) => answer.text()));
  }
  await settled('image', loads(new Image(), panel + '/api/qr.svg'));
  await settled('script', loads(document.createElement('script'), panel + '/static/panel/main.js'));
  await settled('frame', loads(document.createElement('iframe'), panel + '/'));
  await settled('events', new Promise((done) => {
    const events = new EventSource(panel + '/api/events', {withCredentials: true});
    events.onopen = () => done('opened');
    events.onerror = () => (events.close(), done('refused'));
  }));
  return tried;
}"""


@pytest.fixture(scope="module")
def other_site() -> Iterator[int]:
    """A page that belongs to somebody else, on a port of this machine; the name it is asked by makes it its site."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = b"<!doctype html><title>other</title><body>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@asynccontextmanager
async def rebound_browser() -> AsyncIterator[Browser]:
    """A Chromium for which the other site's name leads to this machine, as a rebound DNS answer does."""
    async with async_playwright() as playwright:
        flags = [
            *chromium.FLAGS,
            f"--host-resolver-rules=MAP {EVIL} 127.0.0.1",
            # newer Chromiums guard the machine too; what is tested here is the panel's own refusal
            "--disable-features=LocalNetworkAccessChecks",
        ]
        browser = await playwright.chromium.launch(executable_path=need(chromium.PROGRAM, chromium.PACKAGE), args=flags)
        yield browser
        await browser.close()


async def nothing_comes_of(page: Page, rig: Rig) -> None:
    address = rig.links["panel"].partition("/?")[0]
    tried = await page.evaluate(ATTACK_JS, [address, list(ACTS)])
    for name, outcome in tried.items():
        kind = name.split(" ")[0]
        if kind in ("cors", "read"):
            assert outcome == "TypeError", name
        elif kind in ("image", "events", "script"):
            assert outcome == "refused", name
    frames = [frame for frame in page.frames if frame.url.startswith(address)]
    assert [await frame.locator("#app").count() for frame in frames] == [0] * len(frames)
    view = rig.panel()
    assert view is not None
    assert view["state"] == "idle"


@pytest.mark.parametrize("host", [EVIL, "localhost", "127.0.0.1"])
async def test_another_page_starts_and_reads_nothing_while_the_panel_is_open(
    rig: Rig, other_site: int, host: str
) -> None:
    """``127.0.0.1`` on another port is the same site: the browser sends the cookie; it is refused all the same."""
    rig.wait_ready()
    async with rebound_browser() as browser:
        context = await browser.new_context()
        panel = await context.new_page()
        await panel.goto(rig.links["panel"])
        await panel.wait_for_selector("#panel")
        other = await context.new_page()
        await other.goto(f"http://{host}:{other_site}/")
        await nothing_comes_of(other, rig)
        # the same browser's own page may: what was refused was refused for where it came from
        pressed = "async () => (await fetch('/api/lesson/stop', {method: 'POST', body: '{}'})).status"
        assert await panel.evaluate(pressed) == 409


async def test_a_rebound_name_opens_nothing(rig: Rig) -> None:
    rig.wait_ready()
    port = urlsplit(rig.links["panel"]).port
    site = f"http://{EVIL}:{port}"
    async with rebound_browser() as browser:
        page = await browser.new_page()
        answer = await page.goto(f"{site}/")
        assert answer is not None
        assert answer.status == 403

        async def as_the_attacker_had_served_it(route: Route) -> None:
            await route.fulfill(body="<!doctype html><title>other</title><body>", content_type="text/html")

        await page.route(f"{site}/", as_the_attacker_had_served_it)
        await page.goto(f"{site}/")
        asks = "async ([path, method]) => (await fetch(path, {method, credentials: 'include'})).status"
        for path, method in (("/api/panel", "GET"), ("/api/lesson/start", "POST"), ("/api/qr.svg", "GET")):
            assert await page.evaluate(asks, [path, method]) == 403
        # also when somebody was talked into opening the panel's link under that name
        token = rig.links["panel"].partition("?")[2]
        assert await page.evaluate(asks, [f"/?{token}", "GET"]) == 403
        assert await page.evaluate(asks, ["/api/lesson/start", "POST"]) == 403
    view = rig.panel()
    assert view is not None
    assert view["state"] == "idle"


async def test_without_the_token_the_page_says_where_the_panel_opens(people: People) -> None:
    people.complaints.expected.add(403)
    page = await people.page()
    await page.goto(people.rig.links["panel"].partition("?")[0])
    await expect(page.locator("#shut h1")).to_have_text("Ce panneau s’ouvre depuis l’écran de la salle")
    await expect(page.locator("#start")).to_have_count(0)


async def test_the_address_keeps_no_token_and_the_page_outlives_the_agent(people: People) -> None:
    panel = await people.teacher()
    assert "token" not in panel.url
    assert await panel.evaluate("document.cookie") == ""
    people.complaints.expects_outage = True
    people.rig.kill_agent()
    people.rig.wait_ready()
    await panel.wait_for_selector("#panel[data-stale=false]")
    assert await panel.evaluate("async () => (await fetch('/api/panel')).status") == 200
    await expect(panel.locator("#shut")).to_have_count(0)
