"""The centre's HTTP API by its own schema, on a real centre with a real database, broker and room.

Whatever is sent, by whoever: an answer in time, never a 500, its headers on it, and no traceback in the log.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from controller.accounts.passwords import hash_password
from controller.api.app import ROUTERS
from controller.store.accounts import Account, Grant
from controller.store.store import open_store
from tests.broker import Broker
from tests.fuzz.test_sdp import mutated
from tests.integration.controller.scripted import (
    FRAGMENT,
    OFFER,
    ROOM,
    RunningCentre,
    centre_config,
    now,
    register,
    running_centre,
    scripted_room,
)

ANSWER_MOST_S = 5.0
EACH = 8
"""Examples of each operation, for each of right and wrong inputs."""

Request = dict[str, Any]


def api() -> dict[str, Any]:
    """Return the schema of the centre's API, which a centre at work does not give away."""
    app = FastAPI()
    for router in ROUTERS:
        app.include_router(router)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a page answers GET and HEAD under one name
        return app.openapi()


def requests(schema: dict[str, Any]) -> list[Request]:
    """Return requests that fit the schema, and ones that do not, for every operation."""
    made: list[Request] = []
    for result in schemathesis.openapi.from_dict(schema).get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(max_examples=EACH, suppress_health_check=list(HealthCheck))
            @given(operation.as_strategy(generation_mode=mode))
            def collect(case: Any) -> None:
                arguments = case.as_transport_kwargs(base_url="http://centre")
                headers = {
                    k: v for k, v in arguments["headers"].items() if k.lower() in ("content-type", "last-event-id")
                }
                made.append(
                    {
                        "method": arguments["method"],
                        "url": arguments["url"].removeprefix("http://centre"),
                        "params": arguments.get("params"),
                        "headers": headers,
                        "json": arguments.get("json"),
                        "content": arguments.get("data"),
                        "template": case.operation.path,
                    }
                )

            try:
                collect()
            except Unsatisfiable:  # nothing about it can be wrong
                continue
    return made


def offers_and_candidates(viewer: str, link: str, bearer: dict[str, str]) -> list[Request]:
    """WHEP takes text that no schema describes. Offers come by the link, for one ticket may not make so many."""
    made: list[Request] = []

    @settings(max_examples=40)
    @given(
        mutated(OFFER), mutated(FRAGMENT), st.binary(max_size=50), st.sampled_from(["application/sdp", "text/x", ""])
    )
    def collect(offer: str, fragment: str, noise: bytes, kind: str) -> None:
        sdp, url = {"Content-Type": "application/sdp"}, f"/whep/{ROOM}?link={link}"
        trickle = {"Content-Type": "application/trickle-ice-sdpfrag", **bearer}
        for body in (offer.encode("utf-8", "surrogatepass"), noise):
            made.append({"method": "POST", "url": url, "headers": sdp, "content": body})
        for body in (fragment.encode("utf-8", "surrogatepass"), noise):
            made.append({"method": "PATCH", "url": f"/whep/{ROOM}/{viewer}", "headers": trickle, "content": body})
        made.append({"method": "POST", "url": url, "headers": {"Content-Type": kind}, "content": noise})

    collect()
    return made


async def answer_of(http: httpx.AsyncClient, request: Request, who: Mapping[str, str]) -> httpx.Response:
    """Send, and return the head of the answer; live events would never end."""
    sent = {key: value for key, value in request.items() if key != "template" and value is not None}
    try:
        sent["headers"] = {**sent.get("headers", {}), **who}
        made = http.build_request(**sent)
    except (UnicodeEncodeError, TypeError, ValueError):  # what no client could send
        return httpx.Response(400, headers={"content-security-policy": "", "x-content-type-options": ""})
    async with asyncio.timeout(ANSWER_MOST_S):
        answer = await http.send(made, stream=True)
        await answer.aclose()
    return answer


async def everything_is_answered(http: httpx.AsyncClient, sent: list[Request], who: Mapping[str, str]) -> set[int]:
    seen = set()
    for request in sent:
        try:
            answer = await answer_of(http, request, who)
        except httpx.LocalProtocolError:  # a header or an address that no client could send
            continue
        said = f"{answer.status_code} to {request}"
        assert answer.status_code < 500, said
        assert "content-security-policy" in answer.headers, said
        assert "x-content-type-options" in answer.headers, said
        seen.add(answer.status_code)
    return seen


def at_this_centre(requests: list[Request], values: Mapping[str, str]) -> list[Request]:
    """Return the requests once more, with what is really there in the place of made-up names."""
    there = []
    for request in requests:
        template = request["template"]
        if "{" in template:
            url = template.format(**{key: quote(value) for key, value in values.items()})
            there.append({**request, "url": url})
    return there


@pytest.mark.timeout(120)
async def test_every_request_has_an_answer_that_is_no_fault_of_ours(
    tmp_path: Path, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    made = await asyncio.to_thread(lambda: requests(api()))
    assert len({(request["method"], request["template"]) for request in made}) > 25
    config = centre_config(tmp_path / "centre", broker)
    await register(config)
    async with open_store(config.database) as store:
        await store.accounts.put(
            Account("admin", (Grant("admin"),), await asyncio.to_thread(hash_password, "x")), now=now()
        )
    async with running_centre(config) as centre, scripted_room(broker) as room:
        await room.start()
        await centre.sign_in("admin", "x")  # before wrong passwords are counted
        ticket, lesson, viewer = await joined(centre, await room.access())
        bearer = {"Authorization": f"Bearer {ticket}"}
        real = {
            "room": ROOM,
            "viewer": viewer,
            "lesson": lesson,
            "link": "abc",
            "share": "s-1",
            "token_id": "0" * 16,
            "name": "admin",
            "path": "css/base.css",
        }
        there = at_this_centre(made, real)
        async with httpx.AsyncClient(base_url=centre.url, timeout=ANSWER_MOST_S) as stranger:
            assert await everything_is_answered(stranger, made, {}) >= {200, 401, 422}
            assert 200 in await everything_is_answered(stranger, there, bearer)
            link = (await room.access()).link.rsplit("/", 1)[1]
            whep = await asyncio.to_thread(offers_and_candidates, viewer, link, bearer)
            assert await everything_is_answered(stranger, whep, {}) >= {201, 204, 400, 415}
        kept = [request for request in made + there if (request["method"], request["template"]) != SIGN_OUT]
        assert 200 in await everything_is_answered(centre.http, kept, {})
        assert (await centre.http.get("/api/v1/rooms")).status_code == 200
    faults = [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]
    assert [record.getMessage() for record in faults if not _is_of_sqlalchemy(record)] == []


def _is_of_sqlalchemy(record: logging.LogRecord) -> bool:
    """Say whether this is SQLAlchemy leaving a task behind: a page went while its question was with the database.

    The connection is closed all the same; the task only waited to be told so.
    """
    return record.name == "asyncio" and "AsyncAdapt_aiosqlite" in record.getMessage()


SIGN_OUT = ("DELETE", "/api/v1/session")


async def joined(centre: RunningCentre, access: Any) -> tuple[str, str, str]:
    """Return a ticket, its lesson, and a viewer made with it."""
    ticket = await centre.join(code=access.code)
    headers = {"Authorization": f"Bearer {ticket['token']}", "Content-Type": "application/sdp"}
    answer = await centre.http.post(ticket["whep"], content=OFFER, headers=headers)
    assert answer.status_code == 201, answer.text
    return ticket["token"], ticket["view"]["lesson"], answer.headers["location"].rsplit("/", 1)[1]
