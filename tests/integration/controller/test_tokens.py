"""Tokens of programs, on a real centre."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.accounts.grants import Permission
from controller.accounts.passwords import hash_password
from controller.accounts.tokens import ApiTokens
from controller.cli import main
from controller.store.accounts import Account, Grant
from controller.store.store import open_store
from estrade import rooms as rooms_command
from protocol.errors import AccessError
from tests.broker import Broker
from tests.integration.controller.scripted import (
    ROOM,
    RunningCentre,
    ScriptedRoom,
    Stream,
    now,
)
from tests.waiting import until

HASH = hash_password("correct horse")
PATH = "/api/v1/tokens"
Program = Callable[..., httpx.AsyncClient]


@pytest.fixture
async def staffed(centre: RunningCentre) -> RunningCentre:
    """The centre with an administrator, signed in, and a viewer."""
    async with open_store(centre.config.database) as store:
        await store.accounts.put(Account("admin", (Grant("admin"),), HASH), now=now())
        await store.accounts.put(Account("looker", (Grant("viewer"),), HASH), now=now())
    await centre.sign_in()
    return centre


@pytest.fixture
async def program(centre: RunningCentre) -> AsyncIterator[Program]:
    """Make a client that sends a token, and no cookie."""
    made: list[httpx.AsyncClient] = []

    def with_token(token: str, **headers: str) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            base_url=centre.url, timeout=20, headers={"Authorization": f"Bearer {token}", **headers}
        )
        made.append(client)
        return client

    yield with_token
    for client in made:
        await client.aclose()


async def make(centre: RunningCentre, *permissions: str, scope: str = "all", **more: Any) -> tuple[str, str]:
    """Make a token; return it and its id."""
    body = {"name": "Grafana", "permissions": permissions, "scope": scope, **more}
    answer = await centre.http.post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["token"], answer.json()["view"]["id"]


async def outcome(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> str:
    answer = await client.request(method, path, json=body)
    return "ok" if answer.status_code < 400 else str(answer.json()["code"])


async def test_a_token_does_what_it_lists_where_it_lists_it(
    staffed: RunningCentre, room: ScriptedRoom, program: Program
) -> None:
    await until(lambda: _is_online(staffed), "the room is online")
    reads, _ = await make(staffed, "read")
    assert reads.startswith("est_")
    acts, _ = await make(staffed, "lesson", scope=f"room:{ROOM}")
    elsewhere, _ = await make(staffed, "read", "lesson", scope="school:another")
    seen = {
        name: [
            await outcome(program(token), "GET", "/api/v1/rooms"),
            await outcome(program(token), "GET", f"/api/v1/rooms/{ROOM}"),
            await outcome(program(token), "POST", f"/api/v1/rooms/{ROOM}/stop"),
        ]
        for name, token in (("reads", reads), ("acts", acts), ("elsewhere", elsewhere))
    }
    assert seen == {
        "reads": ["ok", "ok", "forbidden"],
        "acts": ["forbidden", "forbidden", "ok"],
        "elsewhere": ["ok", "forbidden", "forbidden"],
    }
    assert (await program(elsewhere).get("/api/v1/rooms")).json()["rooms"] == []
    assert [c.args["actor"] for c in room.commands_named("lesson.stop")] == ["admin (Grafana)"]
    async with open_store(staffed.config.database) as store:
        noted = [(r.actor, r.kind, r.act, r.outcome) for r in await store.accounts.audit()]
    assert ("admin (Grafana)", "token", "lesson.stop", "ok") in noted
    assert ("admin", "account", "token.make", "ok") in noted


async def _is_online(centre: RunningCentre) -> bool:
    return bool((await centre.room())["link"] == "online")


async def test_a_token_may_never_do_more_than_its_account(staffed: RunningCentre, program: Program) -> None:
    token, _ = await make(staffed, "read", "lesson")
    client = program(token)
    assert await outcome(client, "POST", f"/api/v1/rooms/{ROOM}/stop") == "room-offline"
    async with open_store(staffed.config.database) as store:
        await store.accounts.put(Account("admin", (Grant("viewer"),), HASH), now=now())
        assert await outcome(client, "POST", f"/api/v1/rooms/{ROOM}/stop") == "forbidden"
        assert await outcome(client, "GET", "/api/v1/rooms") == "ok"
        await store.accounts.put(Account("admin", (), HASH), now=now())
    assert await outcome(client, "GET", "/api/v1/rooms") == "forbidden"


async def test_no_token_makes_tokens_or_has_a_session(staffed: RunningCentre, program: Program) -> None:
    every = [p.value for p in Permission if p in _MAY_HAVE]
    token, token_id = await make(staffed, *every)
    client = program(token)
    body = {"name": "another", "permissions": ["read"]}
    assert await outcome(client, "POST", PATH, body) == "forbidden"
    assert await outcome(client, "GET", PATH) == "forbidden"
    assert await outcome(client, "DELETE", f"{PATH}/{token_id}") == "forbidden"
    assert await outcome(client, "GET", "/api/v1/session") == "forbidden"
    assert await outcome(client, "POST", "/api/v1/session/totp") == "forbidden"
    for wrong in (["accounts"], ["read", "accounts"], ["public"], ["fly"], []):
        assert await outcome(staffed.http, "POST", PATH, {**body, "permissions": wrong}) == "body-invalid"
    for more in ({"scope": "everywhere"}, {"days": 0}, {"days": 401}, {"name": " "}, {"name": "x" * 41}):
        assert await outcome(staffed.http, "POST", PATH, {**body, **more}) == "body-invalid"
    await staffed.sign_in("looker")
    assert await outcome(staffed.http, "POST", PATH, body) == "forbidden"


_MAY_HAVE = {
    Permission.READ, Permission.LESSON, Permission.ROOM, Permission.LOOK, Permission.INCIDENT, Permission.SETTINGS,
    Permission.REGISTRY, Permission.ENROL, Permission.SCHEDULE, Permission.AUDIT,
}  # fmt: skip


async def test_a_wrong_token_is_not_helped_by_a_cookie_beside_it(staffed: RunningCentre, program: Program) -> None:
    """Or another site's page could name one, and act by the cookie that the browser sends with it."""
    token, _ = await make(staffed, "lesson")
    cookie = f"estrade={staffed.http.cookies['estrade']}"
    for sent in ("est_made-up", "est_"):
        forged = program(sent, Cookie=cookie, **{"Sec-Fetch-Site": "cross-site"})
        assert await outcome(forged, "POST", f"/api/v1/rooms/{ROOM}/stop") == "access-refused"
    other_scheme = program("something-else", Cookie=cookie, **{"Sec-Fetch-Site": "cross-site"})
    assert await outcome(other_scheme, "POST", f"/api/v1/rooms/{ROOM}/stop") == "cross-site"
    right = program(token, **{"Sec-Fetch-Site": "cross-site"})
    assert await outcome(right, "POST", f"/api/v1/rooms/{ROOM}/stop") == "room-offline"


async def test_a_token_ends_by_its_time_and_by_being_taken_back(staffed: RunningCentre, program: Program) -> None:
    token, token_id = await make(staffed, "read")
    client = program(token)
    [view] = (await staffed.http.get(PATH)).json()["tokens"]
    assert view["used_at"] is None
    assert await outcome(client, "GET", "/api/v1/rooms") == "ok"
    assert (await staffed.http.get(PATH)).json()["tokens"][0]["used_at"] is not None
    async with client.stream("GET", "/api/v1/events") as response:
        stream = Stream(response)
        await stream.next("room")
        assert await outcome(staffed.http, "DELETE", f"{PATH}/{token_id}") == "ok"
        with pytest.raises(EOFError):
            await stream.next("room", deadline_s=5)
    assert await outcome(client, "GET", "/api/v1/rooms") == "access-refused"
    assert await outcome(staffed.http, "DELETE", f"{PATH}/{token_id[:-1]}") == "not-found"
    async with open_store(staffed.config.database) as store:
        past = datetime.now(UTC) - timedelta(days=91)
        old, record = await ApiTokens(store, now=lambda: past).make("old", "admin", [Permission.READ], "all", 90)
        assert await outcome(program(old), "GET", "/api/v1/rooms") == "token-expired"
        assert await store.tokens.forget(record.expires_at, 10) == 0
        assert await store.tokens.forget(record.expires_at + timedelta(seconds=1), 10) == 1
        assert [kept.id for kept in await store.tokens.all()] == [token_id]


async def test_no_token_stands_in_the_database(staffed: RunningCentre) -> None:
    token, _ = await make(staffed, "read")
    files = [file for file in staffed.config.state_dir.iterdir() if ".db" in file.name]
    data = b"".join(file.read_bytes() for file in files)
    assert b"Grafana" in data
    assert token.encode() not in data
    assert token.removeprefix("est_").encode() not in data


async def test_the_command_line_makes_lists_and_takes_back(
    staffed: RunningCentre, broker: Broker, tmp_path: Path, capsys: Any, program: Program
) -> None:
    config, files = staffed.config, staffed.config.broker
    file = tmp_path / "controller.toml"
    file.write_text(
        f'instance = "{config.instance}"\nstate_dir = "{config.state_dir}"\n'
        f'[broker]\nca_file = "{files.ca_file}"\n'
        f'rpc = {{ cert_file = "{files.rpc.cert_file}", key_file = "{files.rpc.key_file}" }}\n'
        f'events = {{ cert_file = "{files.events.cert_file}", key_file = "{files.events.key_file}" }}\n'
    )

    async def run(*argv: str) -> tuple[int, Any]:
        status = await asyncio.to_thread(main, ["--config", str(file), "--json", "token", *argv])
        said = capsys.readouterr()
        return status, json.loads(said.out) if said.out else said.err

    make_it = ("make", "Backups", "--user")
    status, told = await run(*make_it, "looker", "--may", "read,lesson", "--days", "7")
    assert status == 0
    client = program(told["token"])
    assert await outcome(client, "GET", "/api/v1/rooms") == "ok"
    assert await outcome(client, "POST", f"/api/v1/rooms/{ROOM}/stop") == "forbidden", "looker may not either"
    for argv, why in (
        ((*make_it, "nobody", "--may", "read"), 'no account "nobody"'),
        ((*make_it, "looker", "--may", "read,fly"), "'fly' is not a valid Permission; a token has one or more of"),
        ((*make_it, "looker", "--may", "accounts"), "a token has one or more of"),
        ((*make_it, "looker", "--may", "read", "--scope", "here"), "scope: "),
        (("revoke", "0123456789abcdef"), "no such token"),
    ):
        status, said = await run(*argv)
        assert status == 2
        assert why in said
    status, listed = await run("list")
    assert [(t["name"], t["user"], t["may"]) for t in listed["tokens"]] == [("Backups", "looker", "lesson,read")]
    assert (await run("revoke", listed["tokens"][0]["id"]))[0] == 0
    assert await outcome(client, "GET", "/api/v1/rooms") == "access-refused"


async def test_rooms_are_listed_with_a_token_by_whoever_has_a_second_step(
    staffed: RunningCentre, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rooms() -> Any:
        await asyncio.to_thread(
            rooms_command.run, staffed.url, name="admin", password_stdin=False, ca_file=None, as_json=True
        )
        return json.loads(capsys.readouterr().out)["rooms"]

    async with open_store(staffed.config.database) as store:
        assert await store.second_steps.begin("admin", b"sealed", 1, [])
    monkeypatch.setenv("ESTRADE_PASSWORD", "correct horse")
    with pytest.raises(AccessError) as refused:
        await rooms()
    assert refused.value.code == "totp-needed"
    token, _ = await make(staffed, "read")
    monkeypatch.setenv("ESTRADE_TOKEN", f"{token}\n")
    assert [room["id"] for room in await rooms()] == [ROOM]
    monkeypatch.setenv("ESTRADE_TOKEN", "est_made-up")
    with pytest.raises(AccessError, match="not known here"):
        await rooms()


async def test_an_account_that_is_switched_off_has_no_tokens(staffed: RunningCentre, program: Program) -> None:
    token, _ = await make(staffed, "read")
    async with open_store(staffed.config.database) as store, store.database._engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE users SET is_off = 1 WHERE name = 'admin'")
    assert await outcome(program(token), "GET", "/api/v1/rooms") == "access-refused"
