"""Signing in with an OpenID provider: a real centre, and a real provider with its own pages."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from controller.accounts.oidc import OidcClient
from controller.accounts.passwords import hash_password
from controller.config import OidcConfig
from controller.keys import load_keys
from controller.store.accounts import Account, Grant
from controller.store.store import open_store
from protocol.errors import AccessError
from tests.broker import Broker, free_port
from tests.integration.controller.scripted import ROOM, RunningCentre, centre_config, now, register, running_centre
from tests.oidc_provider import CLIENT, SECRET, OidcProvider

GROUPS = {
    "estrade-admins": ("admin",),
    "estrade-viewers": ("viewer",),
    "teachers-college-1": (f"teacher room:{ROOM}", "viewer school:college-1"),
}


def oidc_config(folder: Path, issuer: str, **more: Any) -> OidcConfig:
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "oidc.secret"
    secret.write_text(f"{SECRET}\n")
    values = {"issuer": issuer, "client_id": CLIENT, "client_secret_file": secret, "groups": GROUPS, **more}
    return OidcConfig.model_validate(values)


@pytest.fixture
async def centre(tmp_path: Path, broker: Broker, oidc_provider: OidcProvider) -> AsyncIterator[RunningCentre]:
    """A centre whose people sign in with the provider."""
    config = centre_config(tmp_path / "centre", broker, oidc=oidc_config(tmp_path, oidc_provider.issuer, label="ENT"))
    await register(config)
    async with running_centre(config) as running:
        yield running


async def go(centre: RunningCentre, provider: OidcProvider, person: str) -> str:
    """Sign in with the provider; return where IT's page is sent to."""
    start = await centre.http.get("/api/v1/oidc/start")
    assert start.status_code == 303
    back = await provider.sign_in(start.headers["location"], person)
    return await come_back(centre, back)


async def come_back(centre: RunningCentre, url: str) -> str:
    answer = await centre.http.get(url, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def test_a_group_of_the_provider_opens_what_the_configuration_says(
    centre: RunningCentre, oidc_provider: OidcProvider
) -> None:
    assert (await centre.http.get("/api/v1/oidc")).json() == {"label": "ENT"}
    assert await go(centre, oidc_provider, "anne") == "/it/"
    view = (await centre.http.get("/api/v1/session")).json()
    assert view == {"name": "anne", "role": "admin", "second_step": "elsewhere"}
    assert (await centre.http.get("/api/v1/rooms")).status_code == 200
    assert (await centre.http.post("/api/v1/session/totp")).json()["code"] == "forbidden"
    by_password = await centre.http.post("/api/v1/session", json={"name": "anne", "password": "any"})
    assert by_password.json()["code"] == "sign-in-failed", "it has no password here"

    centre.http.cookies.clear()
    assert await go(centre, oidc_provider, "tom") == "/it/"
    assert (await centre.http.get(f"/api/v1/rooms/{ROOM}")).status_code == 200
    assert [room["id"] for room in (await centre.http.get("/api/v1/rooms")).json()["rooms"]] == [ROOM]
    seen = await centre.http.post(f"/api/v1/rooms/{ROOM}/seen", json={"check": "on-air"})
    assert seen.json()["code"] == "forbidden"
    async with open_store(centre.config.database) as store:
        noted = [(r.actor, r.act, r.subject, r.outcome) for r in await store.accounts.audit()]
    assert ("tom", "sign-in", "oidc", "ok") in noted


async def test_who_is_in_none_of_the_groups_stays_outside_and_is_not_noted(
    centre: RunningCentre, oidc_provider: OidcProvider
) -> None:
    assert await go(centre, oidc_provider, "zoe") == "/it/?problem=no-grant"
    assert (await centre.http.get("/api/v1/session")).status_code == 401
    async with open_store(centre.config.database) as store:
        assert await store.accounts.all() == []
        assert [(r.actor, r.outcome) for r in await store.accounts.audit()] == [("(unknown)", "no-grant")]


async def test_who_has_no_name_there_gets_none_here(centre: RunningCentre, oidc_provider: OidcProvider) -> None:
    assert await go(centre, oidc_provider, "blank") == "/it/?problem=oidc-failed"
    async with open_store(centre.config.database) as store:
        assert await store.accounts.all() == []


async def test_an_account_of_the_centre_is_nobody_elses(centre: RunningCentre, oidc_provider: OidcProvider) -> None:
    async with open_store(centre.config.database) as store:
        await store.accounts.put(Account("admin", (Grant("viewer"),), hash_password("correct horse")), now=now())
        assert await go(centre, oidc_provider, "admin") == "/it/?problem=name-taken"
        assert (await centre.http.get("/api/v1/session")).status_code == 401
        account = await store.accounts.get("admin")
        assert account is not None
        assert account.grants == (Grant("viewer"),)


async def test_who_leaves_a_group_may_nothing_from_the_next_sign_in(
    tmp_path: Path, broker: Broker, oidc_provider: OidcProvider
) -> None:
    """The ID token's own claim is read too: there anne is a viewer, and by her groups an administrator."""
    for claim, groups, role in (("groups", GROUPS, "admin"), ("roles", GROUPS, "viewer"), ("groups", {}, None)):
        oidc = oidc_config(tmp_path, oidc_provider.issuer, groups_claim=claim, groups=groups)
        config = centre_config(tmp_path / "centre", broker, oidc=oidc)
        await register(config)
        async with running_centre(config) as centre:
            assert await go(centre, oidc_provider, "anne") == ("/it/" if role else "/it/?problem=no-grant")
            if role:
                assert (await centre.http.get("/api/v1/session")).json()["role"] == role
    async with open_store(config.database) as store:
        account = await store.accounts.get("anne")
        assert account is not None
        assert account.grants == ()


async def test_an_answer_counts_for_the_browser_that_was_sent_off_and_once(
    centre: RunningCentre, oidc_provider: OidcProvider
) -> None:
    start = await centre.http.get("/api/v1/oidc/start")
    asked = parse_qs(urlsplit(start.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["response_type"] == ["code"]
    cookie = start.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert asked["nonce"][0] not in cookie
    back = await oidc_provider.sign_in(start.headers["location"], "anne")
    failed = "/it/?problem=oidc-failed"
    async with httpx.AsyncClient(base_url=centre.url) as victim:  # who is made to follow somebody else's answer
        assert (await victim.get(back)).headers["location"] == failed
        await victim.get("/api/v1/oidc/start")
        assert (await victim.get(back)).headers["location"] == failed
        assert (await victim.get("/api/v1/session")).status_code == 401
    kept = dict(centre.http.cookies)
    assert await come_back(centre, back) == "/it/"
    centre.http.cookies.clear()
    centre.http.cookies.update(kept)
    assert await come_back(centre, back) == failed, "the provider gives a code out once"


@pytest.mark.parametrize(
    "change",
    [
        {"code": "made-up"},
        {"state": "made-up"},
        {"iss": "https://another.example"},
        {"iss": None},
        {"code": None, "error": "access_denied"},
        {"code": None},
    ],
    ids=str,
)
async def test_a_changed_answer_opens_nothing(
    centre: RunningCentre, oidc_provider: OidcProvider, change: dict[str, str | None]
) -> None:
    start = await centre.http.get("/api/v1/oidc/start")
    back = urlsplit(await oidc_provider.sign_in(start.headers["location"], "anne"))
    said = {key: values[0] for key, values in parse_qs(back.query).items()} | change
    query = urlencode({key: value for key, value in said.items() if value is not None})
    assert await come_back(centre, f"{back.path}?{query}") == "/it/?problem=oidc-failed"
    assert (await centre.http.get("/api/v1/session")).status_code == 401


async def test_many_failures_from_one_address_are_asked_of_nobody(centre: RunningCentre) -> None:
    seen = [await come_back(centre, "/api/v1/oidc/back?code=x&state=y") for _ in range(11)]
    assert seen == ["/it/?problem=oidc-failed"] * 10 + ["/it/?problem=sign-in-throttled"]


async def test_time_and_nonce_are_held_against_what_was_sent(tmp_path: Path, oidc_provider: OidcProvider) -> None:
    at = datetime.now(UTC)
    clock = [at]
    keys = load_keys(tmp_path / "state")
    client = OidcClient(
        oidc_config(tmp_path, oidc_provider.issuer),
        keys,
        public_url="http://127.0.0.1:9",
        mono=lambda: 0.0,
        now=lambda: clock[0],
    )
    begun = await client.start()
    answer = _query(await oidc_provider.sign_in(begun.url, "anne"))
    clock[0] = at + timedelta(seconds=601)
    with pytest.raises(AccessError, match="ten minutes"):
        await client.finish(answer, begun.cookie)
    clock[0] = at
    other = await client.start()
    url = begun.url.replace(_query(begun.url)["nonce"], _query(other.url)["nonce"])
    answer = _query(await oidc_provider.sign_in(url, "anne"))
    with pytest.raises(AccessError, match="nonce"):
        await client.finish(answer, begun.cookie)
    answer = _query(await oidc_provider.sign_in(other.url, "anne"))
    clock[0] = at + timedelta(hours=2)
    late = keys.seal(
        keys.unseal(other.cookie.encode(), "oidc", oidc_provider.issuer) or b"",
        "oidc",
        oidc_provider.issuer,
        at_s=int(clock[0].timestamp()),
    )
    with pytest.raises(AccessError, match="expired"):
        await client.finish(answer, late.decode())


async def test_an_id_token_counts_when_the_provider_signed_it_for_us(
    tmp_path: Path, oidc_provider: OidcProvider
) -> None:
    client = OidcClient(
        oidc_config(tmp_path, oidc_provider.issuer),
        load_keys(tmp_path / "state"),
        public_url="http://127.0.0.1:9",
        mono=lambda: 0.0,
        now=lambda: datetime.now(UTC),
    )
    begun = await client.start()
    answer = _query(await oidc_provider.sign_in(begun.url, "anne"))
    strange = RSAKey.generate_key(2048, {"kid": "of-before", "use": "sig", "alg": "RS256"})
    client._key_set = KeySet([strange])
    assert (await client.finish(answer, begun.cookie)).name == "anne", "it asks for keys that it does not know"
    provider = await client._known_provider()
    [known] = [key for key in (await client._known_keys(provider)).keys if key.key_type == "RSA"]
    seconds = int(datetime.now(UTC).timestamp())
    claims = {
        "iss": oidc_provider.issuer, "sub": "anne", "aud": CLIENT, "nonce": "n", "iat": seconds, "exp": seconds + 60,
    }  # fmt: skip
    forged = [
        jwt.encode({"alg": "RS256", "kid": known.kid}, claims, strange),
        jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET), ["HS256"]),
        f"{_part({'alg': 'none'})}.{_part(claims)}.",
        "a.b.c",
        "",
    ]
    for text in forged:
        with pytest.raises(AccessError, match="does not hold") as refused:
            await client._id_token(provider, {"id_token": text}, "n")
        assert refused.value.code == "oidc-failed"
    client._key_set = KeySet([strange])
    for change in ({"iss": "https://another.example"}, {"aud": "another"}, {"aud": [CLIENT, "another"]}, {"exp": 1}):
        text = jwt.encode({"alg": "RS256", "kid": strange.kid}, claims | change, strange)
        with pytest.raises(AccessError, match="does not hold"):
            await client._id_token(provider, {"id_token": text}, "n")
    text = jwt.encode({"alg": "RS256", "kid": strange.kid}, claims, strange)
    assert (await client._id_token(provider, {"id_token": text}, "n"))["sub"] == "anne", "but for the changes it holds"


def _part(of_token: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(of_token).encode()).rstrip(b"=").decode()


def _query(url: str) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}


async def test_a_provider_that_is_away_or_another_one_is_said_so(
    tmp_path: Path, broker: Broker, oidc_provider: OidcProvider
) -> None:
    for issuer in (f"http://127.0.0.1:{free_port()}", f"{oidc_provider.issuer}/", f"{oidc_provider.issuer}/realm"):
        client = OidcClient(
            oidc_config(tmp_path, issuer),
            load_keys(tmp_path / "state"),
            public_url="http://127.0.0.1:9",
            mono=lambda: 0.0,
            now=lambda: datetime.now(UTC),
        )
        with pytest.raises(AccessError) as refused:
            await client.start()
        assert refused.value.code == "oidc-unreachable"


async def test_without_a_provider_there_is_no_such_door(tmp_path: Path, broker: Broker) -> None:
    config = centre_config(tmp_path / "centre", broker)
    await register(config)
    async with running_centre(config) as centre:
        assert (await centre.http.get("/api/v1/oidc")).json() == {"label": None}
        for path in ("start", "back?code=x&state=y"):
            assert (await centre.http.get(f"/api/v1/oidc/{path}")).status_code == 404
