"""The pages as a browser gets them."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from tests.integration.controller.scripted import RunningCentre


@pytest.mark.parametrize("path", ["/", "/j/abcdefghijklmnopqrstuv", "/it/"])
async def test_each_page_comes_with_a_policy_that_allows_no_inline_script_but_its_import_map(
    centre: RunningCentre, path: str
) -> None:
    answer = await centre.http.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    inline = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", answer.text, re.DOTALL)
    for script in inline:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy


async def test_everything_a_page_names_is_there_with_its_type(centre: RunningCentre) -> None:
    types = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".json": "application/json"}
    named = set()
    for page in ("/", "/it/"):
        named |= set(re.findall(r"""(?:src|href)=["'](/static/[^"'?#]+)""", (await centre.http.get(page)).text))
    assert named
    for path in named:
        answer = await centre.http.get(path)
        assert answer.status_code == 200, path
        suffix = "." + path.rsplit(".", 1)[1]
        assert answer.headers["content-type"].startswith(types.get(suffix, "")), path
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_an_unchanged_file_is_not_sent_again(centre: RunningCentre) -> None:
    first = await centre.http.get("/static/vendor/preact.mjs")
    again = await centre.http.get("/static/vendor/preact.mjs", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    head = await centre.http.head("/static/vendor/preact.mjs")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/static/csp.py",
        "/static/__init__.py",
        "/static/README.md",
        "/static/panel/index.html",
        "/static/vendor/../csp.py",
        "/static/vendor/%2e%2e/%2e%2e/pyproject.toml",
        "/static/vendor/..%2f..%2fpyproject.toml",
        "/static//etc/passwd",
        "/static/vendor",
        "/static/lib/%00.js",
        "/static/",
        "/nothing",
    ],
)
async def test_nothing_but_the_pages_files_is_served(centre: RunningCentre, path: str) -> None:
    answer = await centre.http.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not-found"


async def test_every_answer_carries_the_security_headers(centre: RunningCentre) -> None:
    for path in ("/", "/api/v1/rooms", "/nothing", "/healthz", "/static/vendor/preact.mjs"):
        headers = (await centre.http.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'none'"), path
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers
