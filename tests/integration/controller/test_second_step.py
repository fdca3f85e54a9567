"""The second step of signing in, on a real centre."""

from __future__ import annotations

import asyncio
import base64
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.accounts import totp
from controller.accounts.passwords import hash_password
from controller.accounts.second_step import SecondStep
from controller.cli import main
from controller.config import AccountsConfig
from controller.keys import Keys, load_keys
from controller.store.accounts import Account, Grant
from controller.store.store import open_store
from protocol.errors import AccessError
from tests.broker import Broker
from tests.integration.controller.scripted import RunningCentre, centre_config, now, register, running_centre

HASH = hash_password("correct horse")
PATH = "/api/v1/session/totp"


@pytest.fixture
async def staffed(centre: RunningCentre) -> RunningCentre:
    """The centre with an administrator, signed in."""
    async with open_store(centre.config.database) as store:
        await store.accounts.put(Account("admin", (Grant("admin"),), HASH), now=now())
    await centre.sign_in()
    return centre


def code(secret: str, *, later: int = 1) -> str:
    """Return what an app shows in the next step, which is taken already, or so many steps from now."""
    return totp.code_of(_bytes(secret), totp.step_at(datetime.now(UTC)) + later)


def _bytes(secret: str) -> bytes:
    return base64.b32decode(secret)


async def set_up(centre: RunningCentre) -> tuple[str, list[str]]:
    """Set a second step up; return its secret and recovery codes."""
    told = (await centre.http.post(PATH)).json()
    assert told["qr"].startswith("data:image/svg+xml")
    body = {"pending": told["pending"], "code": code(told["secret"], later=0)}
    answer = await centre.http.put(PATH, json=body)
    assert answer.status_code == 200, answer.text
    return told["secret"], answer.json()["codes"]


async def attempt(centre: RunningCentre, typed: str | None, password: str = "correct horse") -> str:
    body = {"name": "admin", "password": password, **({"code": typed} if typed is not None else {})}
    answer = await centre.http.post("/api/v1/session", json=body)
    return str(answer.json().get("code", "ok"))


async def test_a_second_step_is_asked_for_and_no_code_is_taken_twice(staffed: RunningCentre) -> None:
    assert (await staffed.http.get("/api/v1/session")).json()["second_step"] == "off"
    secret, recovery = await set_up(staffed)
    assert (await staffed.http.get("/api/v1/session")).json()["second_step"] == "on"
    assert len(recovery) == 8
    assert (await staffed.http.post(PATH, json={})).status_code == 200
    again = (await staffed.http.post(PATH)).json()
    body = {"pending": again["pending"], "code": code(again["secret"])}
    assert (await staffed.http.put(PATH, json=body)).json()["code"] == "totp-there"
    await staffed.http.delete("/api/v1/session")

    assert await attempt(staffed, None) == "totp-needed"
    assert await attempt(staffed, None, "wrong password") == "sign-in-failed", "who guesses hears nothing of the step"
    right = code(secret)
    assert sorted([await attempt(staffed, right), await attempt(staffed, right)]) == ["ok", "totp-wrong"]
    assert await attempt(staffed, code(secret, later=0)) == "totp-wrong", "older than one that was used"
    assert await attempt(staffed, recovery[0].upper().replace("-", " ")) == "ok"
    assert await attempt(staffed, recovery[0]) == "totp-wrong"
    async with open_store(staffed.config.database) as store:
        assert await store.second_steps.recovery_codes_left("admin") == 7
        noted = [(r.act, r.outcome) for r in await store.accounts.audit()]
    assert noted.count(("sign-in", "totp-wrong")) == 3
    assert ("totp.begin", "ok") in noted


async def test_a_code_sent_many_times_at_once_opens_once(staffed: RunningCentre) -> None:
    secret, recovery = await set_up(staffed)
    for typed in (code(secret), recovery[3]):
        seen = await asyncio.gather(*(attempt(staffed, typed) for _ in range(3)))
        assert sorted(seen) == ["ok", "totp-wrong", "totp-wrong"]


async def test_guessing_codes_is_throttled_whoever_guesses(staffed: RunningCentre) -> None:
    secret, _ = await set_up(staffed)
    wrong = f"{(int(code(secret)) + 500_000) % 1_000_000:06d}"
    for _ in range(5):
        assert await attempt(staffed, wrong) == "totp-wrong"
    assert await attempt(staffed, code(secret)) == "sign-in-throttled"
    async with open_store(staffed.config.database) as store:
        clock = [0.0]
        step = SecondStep(
            store,
            load_keys(staffed.config.state_dir),
            mono=lambda: clock[0],
            now=lambda: datetime.now(UTC),
            public_url="http://centre.example",
        )
        for _ in range(5):
            with pytest.raises(AccessError, match="wrong"):
                await step.check("admin", wrong)
        with pytest.raises(AccessError, match="wait 900 s"):
            await step.check("admin", code(secret))
        clock[0] = 901.0
        await step.check("admin", code(secret))


async def test_the_first_code_comes_from_the_app_and_in_time(staffed: RunningCentre) -> None:
    told = (await staffed.http.post(PATH)).json()
    other = (await staffed.http.post(PATH)).json()
    for body in (
        {"pending": told["pending"], "code": code(other["secret"])},
        {"pending": "made up", "code": code(told["secret"])},
        {"pending": told["pending"][:-3], "code": code(told["secret"])},
    ):
        answer = await staffed.http.put(PATH, json=body)
        assert (answer.status_code, answer.json()["code"]) == (401, "totp-wrong")
    async with open_store(staffed.config.database) as store:
        keys, at = load_keys(staffed.config.state_dir), datetime.now(UTC)
        shown = SecondStep(store, keys, mono=time.monotonic, now=lambda: at, public_url="").propose("admin")
        late = at + timedelta(seconds=901)
        step = SecondStep(store, keys, mono=time.monotonic, now=lambda: late, public_url="")
        with pytest.raises(AccessError):
            await step.begin("admin", shown.pending, totp.code_of(_bytes(shown.secret), totp.step_at(late)))
        with pytest.raises(AccessError):
            await step.begin("somebody-else", shown.pending, code(shown.secret))
        assert await store.second_steps.secret("admin") is None


async def test_whoever_has_a_code_takes_the_step_away_and_all_browsers_are_signed_out(staffed: RunningCentre) -> None:
    secret, _ = await set_up(staffed)
    assert (await staffed.http.post(f"{PATH}/end", json={"code": "000 000x"})).json()["code"] == "totp-wrong"
    assert (await staffed.http.post(f"{PATH}/end", json={"code": code(secret)})).status_code == 204
    assert (await staffed.http.get("/api/v1/session")).status_code == 401
    assert await attempt(staffed, None) == "ok"


async def test_a_stolen_database_makes_no_codes(staffed: RunningCentre) -> None:
    secret, recovery = await set_up(staffed)
    async with open_store(staffed.config.database) as store:
        sealed = await store.second_steps.secret("admin")
        assert sealed is not None
        keys = load_keys(staffed.config.state_dir)
        assert keys.unseal(sealed, "totp", "admin") == _bytes(secret)
        assert keys.unseal(sealed, "totp", "somebody-else") is None, "it is worth nothing on another account"
        assert Keys(b"x" * 32).unseal(sealed, "totp", "admin") is None
    files = [file for file in staffed.config.state_dir.iterdir() if ".db" in file.name]
    data = b"".join(file.read_bytes() for file in files)
    for sought in (_bytes(secret), secret.encode(), *(word.encode() for word in recovery)):
        assert sought not in data


async def test_an_administrator_without_the_step_that_is_asked_for_may_do_nothing_else(
    tmp_path: Any, broker: Broker
) -> None:
    config = centre_config(tmp_path / "centre", broker, accounts=AccountsConfig(totp_for_admins=True))
    await register(config)
    async with open_store(config.database) as store:
        await store.accounts.put(Account("admin", (Grant("admin", "room:r-1"),), HASH), now=now())
        await store.accounts.put(Account("looker", (Grant("viewer"),), HASH), now=now())
    async with running_centre(config) as centre:
        await centre.sign_in("looker")
        assert (await centre.http.get("/api/v1/rooms")).status_code == 200
        await centre.sign_in()
        assert (await centre.http.get("/api/v1/session")).json()["second_step"] == "missing"
        for method, path in (("GET", "/api/v1/rooms"), ("GET", "/api/v1/events"), ("POST", "/api/v1/rooms/r-1/stop")):
            answer = await centre.http.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (403, "totp-missing")
        await set_up(centre)
        assert (await centre.http.get("/api/v1/rooms")).json()["rooms"] == [], "what its grants say holds again"


async def test_an_administrator_takes_anothers_lost_step_away_and_not_his_own(staffed: RunningCentre) -> None:
    await set_up(staffed)
    async with open_store(staffed.config.database) as store:
        await store.accounts.put(Account("chief", (Grant("admin"),), HASH), now=now())
        await store.accounts.put(Account("looker", (Grant("viewer", "school:s-1"),), HASH), now=now())
    for name in ("admin", "looker", "nobody"):
        answer = await staffed.http.delete(f"/api/v1/accounts/{name}/totp")
        assert answer.json()["code"] == ("forbidden" if name == "admin" else "not-found")
    admins_cookie = {"Cookie": f"estrade={staffed.http.cookies['estrade']}"}
    staffed.http.cookies.clear()
    await staffed.sign_in("looker")
    for method, path in (("GET", "/api/v1/accounts"), ("DELETE", "/api/v1/accounts/admin/totp")):
        assert (await staffed.http.request(method, path)).json()["code"] == "forbidden"
    await staffed.sign_in("chief")
    assert (await staffed.http.get("/api/v1/accounts")).json()["accounts"] == [
        {"name": name, "grants": [{"role": role, "scope": scope}], "is_local": True, "has_second_step": name == "admin"}
        for name, role, scope in (
            ("admin", "admin", "all"),
            ("chief", "admin", "all"),
            ("looker", "viewer", "school:s-1"),
        )
    ]
    assert (await staffed.http.delete("/api/v1/accounts/admin/totp")).status_code == 204
    staffed.http.cookies.clear()
    assert (await staffed.http.get("/api/v1/session", headers=admins_cookie)).status_code == 401
    assert await attempt(staffed, None) == "ok"
    async with open_store(staffed.config.database) as store:
        assert ("chief", "totp.reset", "admin") in [(r.actor, r.act, r.subject) for r in await store.accounts.audit()]


async def test_the_command_line_takes_a_lost_step_away(staffed: RunningCentre, tmp_path: Any, capsys: Any) -> None:
    await set_up(staffed)
    config = staffed.config
    file = tmp_path / "controller.toml"
    files = config.broker
    file.write_text(
        f'instance = "{config.instance}"\nstate_dir = "{config.state_dir}"\n'
        f'[broker]\nca_file = "{files.ca_file}"\n'
        f'rpc = {{ cert_file = "{files.rpc.cert_file}", key_file = "{files.rpc.key_file}" }}\n'
        f'events = {{ cert_file = "{files.events.cert_file}", key_file = "{files.events.key_file}" }}\n'
    )
    for name, status in (("nobody", 2), ("admin", 0), ("admin", 0)):
        assert await asyncio.to_thread(main, ["--config", str(file), "user", "totp-reset", name]) == status
    said = capsys.readouterr()
    assert said.out == "admin: the second step is gone\nadmin: has no second step\n"
    assert 'there is no account "nobody"' in said.err
    assert (await staffed.http.get("/api/v1/session")).status_code == 401
    assert await attempt(staffed, None) == "ok"
