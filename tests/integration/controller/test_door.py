"""The centre's door: every answer carries its headers; nothing comes in too large or too often."""

from __future__ import annotations

import asyncio
import base64
import hashlib

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from controller.accounts.grants import Permission
from controller.accounts.passwords import hash_password
from controller.api import errors
from controller.api.app import ROUTERS
from controller.api.security import HEADERS, MOST_BODY_BYTES, STRICT_POLICY, Wrapping, permission_of
from controller.centre import ARRIVALS_AT_ONCE
from controller.sdp import MOST_SDP_BYTES
from controller.store.accounts import Account, Grant
from controller.store.store import open_store
from tests.integration.controller.scripted import OFFER, ROOM, SDP, RunningCentre, ScriptedRoom, now

ROUTES = sorted(
    (method, route.path, permission_of(route) or Permission.PUBLIC)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in route.methods or ()
)


def check_headers(answer: httpx.Response, where: str) -> None:
    for name, value in HEADERS.items():
        assert answer.headers.get(name) == value, f"{where}: {name}"
    policy = answer.headers.get("content-security-policy", "")
    assert policy.startswith("default-src 'none'"), where
    assert "unsafe" not in policy, where
    assert answer.headers.get("cross-origin-resource-policy") in ("same-origin", "cross-origin"), where
    assert "server" not in answer.headers, where
    if "/api/" in where or "/whep/" in where:
        assert answer.headers.get("cache-control") == "no-store", where


async def test_every_address_and_every_refusal_carries_the_headers(centre: RunningCentre) -> None:
    there = {"room": ROOM, "viewer": "v", "lesson": "l", "link": "abc", "path:path": "vendor/preact.mjs"}
    assert len(ROUTES) > 25
    for method, template, permission in ROUTES:
        path = template
        for key, value in there.items():
            path = path.replace("{" + key + "}", value)
        for headers, body in (({}, b""), ({"Sec-Fetch-Site": "cross-site"}, b""), ({}, b"x" * (MOST_SDP_BYTES + 1))):
            answer = await centre.http.request(method, path, headers=headers, content=body)
            check_headers(answer, f"{method} {path} {headers} {len(body)} {answer.status_code}")
            if permission is not Permission.PUBLIC:
                assert answer.status_code in (401, 403, 404, 413), f"{method} {path}"
    for method, path in (
        ("GET", "/nothing"),
        ("PUT", "/"),
        ("POST", "/healthz"),
        ("GET", "/static/%00"),
        ("TRACE", "/"),
    ):
        answer = await centre.http.request(method, path)
        assert answer.status_code in (404, 405)
        check_headers(answer, f"{method} {path}")


async def test_a_fault_of_ours_carries_the_headers_too_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    router = APIRouter()

    @router.get("/api/broken")
    async def broken() -> None:
        raise ValueError("a secret")

    app = FastAPI()
    app.include_router(router)
    errors.install(app)
    app.add_middleware(Wrapping, body_limits=lambda path: (MOST_BODY_BYTES, "body-too-large"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://centre") as http:
        answer = await http.get("/api/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.headers["content-security-policy"] == STRICT_POLICY
    check_headers(answer, "GET /api/broken")
    assert "secret" not in answer.text
    assert "a secret" in caplog.text


@pytest.mark.parametrize(
    ("path", "most"),
    [("/api/v1/join", MOST_BODY_BYTES), ("/api/v1/session", MOST_BODY_BYTES), (f"/whep/{ROOM}", MOST_SDP_BYTES)],
)
async def test_a_body_has_its_limit_before_anything_is_asked(centre: RunningCentre, path: str, most: int) -> None:
    assert (await centre.http.post(path, content=b"x" * (most + 1))).status_code == 413
    assert (await centre.http.post(path, content=b"x" * most)).status_code != 413


async def test_one_address_comes_into_a_lesson_as_a_school_does_and_no_faster(
    centre: RunningCentre, room: ScriptedRoom
) -> None:
    access = await room.access()
    joins = [await centre.http.post("/api/v1/join", json={"code": access.code}) for _ in range(ARRIVALS_AT_ONCE + 20)]
    seen = [answer.status_code for answer in joins]
    assert seen[:ARRIVALS_AT_ONCE] == [200] * ARRIVALS_AT_ONCE
    refused = joins[-1]
    assert (refused.status_code, refused.json()["code"]) == (429, "offer-throttled")
    assert float(refused.headers["retry-after"]) >= 1
    link = access.link.rsplit("/", 1)[1]
    by_link = await centre.http.post(f"/whep/{ROOM}?link={link}", content=OFFER, headers=SDP)
    assert by_link.status_code == 429, "a player without a ticket is an arrival too"


async def test_a_stolen_database_opens_nothing(centre: RunningCentre, room: ScriptedRoom) -> None:
    """Neither a password nor a session, neither a ticket nor a link or code lies in it, as it is or in base64."""
    password = "correct horse battery staple"
    async with open_store(centre.config.database) as store:
        await store.accounts.put(
            Account("admin", (Grant("admin"),), await asyncio.to_thread(hash_password, password)), now=now()
        )
    await centre.sign_in("admin", password)
    access = await room.access()
    ticket = (await centre.join(code=access.code))["token"]
    session = next(iter(centre.http.cookies.jar)).value or ""
    sought = [password, session, ticket, access.code, access.code.replace("-", ""), access.link.rsplit("/", 1)[1]]
    files = [file for file in centre.config.state_dir.iterdir() if ".db" in file.name]
    data = b"".join(file.read_bytes() for file in files)
    assert b"$argon2id$" in data
    for secret in sought:
        assert secret.encode() not in data
        assert base64.b64encode(secret.encode())[:-4] not in data
    async with httpx.AsyncClient(base_url=centre.url) as thief:
        stolen = await thief.get("/api/v1/session", headers={"Cookie": f"estrade={_hash_of(session)}"})
        assert stolen.status_code == 401, "what is stored of a session is not what opens it"


def _hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
