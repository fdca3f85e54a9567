"""Signing in elsewhere: an OpenID Connect provider says who somebody is, and in which groups.

Authorization code with PKCE (RFC 7636), state and nonce. What is needed until the browser comes back lies sealed in a
cookie of it, and nothing here. Authlib makes the requests and judges the ID token; its client for httpx is not used, as
it warns at each import of httpx being replaced, and is little more than one POST.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from controller.config import OidcConfig
from controller.keys import Keys
from controller.store.accounts import EVERYWHERE, Grant, Role
from protocol.errors import AccessError, ConfigError

AWAY_S = 600
"""From our page to the provider's and back, with a password looked up in between."""
_DEADLINE_S = 10.0
"""Of one question to the provider; a person waits."""
_KNOWN_S = 3600.0
"""Addresses and keys of the provider are asked for again after this; a key that is not known, at once."""
_MOST_BYTES = 262_144
_LEEWAY_S = 60
"""Between the provider's clock and ours."""
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures that only the provider can make: no HS…, and never none."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider named. ``subject`` stands for provider and person, and for nobody else ever."""

    subject: str
    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """Where the browser goes, and what it has to bring back in a cookie."""

    url: str
    cookie: str


class OidcClient:
    """Send browsers to one provider, and hear who came back."""

    def __init__(
        self,
        config: OidcConfig,
        keys: Keys,
        *,
        public_url: str,
        mono: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        """Raise ConfigError for a secret or certificates that cannot be read."""
        self.label = config.label
        self._config = config
        self._keys = keys
        self._mono = mono
        self._now = now
        self._issuer = config.issuer
        self._redirect_uri = f"{public_url}/api/v1/oidc/back"
        self._tls = ssl.create_default_context()
        try:
            self._secret = config.client_secret_file.read_text(encoding="utf-8").strip()
            if config.ca_file is not None:
                self._tls.load_verify_locations(config.ca_file)
        except (OSError, UnicodeDecodeError) as error:  # ssl.SSLError is an OSError
            raise ConfigError(f"[oidc] client_secret_file or ca_file cannot be read ({error})") from error
        self._provider: dict[str, Any] | None = None
        self._key_set: KeySet | None = None
        self._known_mono_s = 0.0

    async def start(self) -> Start:
        """Return where to send a browser; raise AccessError ``oidc-unreachable``."""
        provider = await self._known_provider()
        trip = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
        client = OAuth2Client(
            None,
            self._config.client_id,
            redirect_uri=self._redirect_uri,
            scope=" ".join(self._config.scopes),
            code_challenge_method="S256",
        )
        url, _ = client.create_authorization_url(
            provider["authorization_endpoint"],
            state=trip["state"],
            code_verifier=trip["verifier"],
            nonce=trip["nonce"],
        )
        sealed = self._keys.seal(json.dumps(trip).encode(), "oidc", self._issuer, at_s=self._seconds())
        return Start(str(url), sealed.decode())

    async def finish(self, answer: Mapping[str, str], cookie: str) -> Person:
        """Return who came back with the query ``answer``.

        Raises AccessError ``oidc-failed`` for one that is not the answer to what this browser was sent off with, or
        that says no, and ``oidc-unreachable``.
        """
        trip = self._trip(answer, cookie)
        provider = await self._known_provider()
        is_named = provider.get("authorization_response_iss_parameter_supported") is True
        if answer.get("iss", None if is_named else self._issuer) != self._issuer:  # RFC 9207: another provider's answer
            raise _failure("the answer is another provider's")
        if "code" not in answer:
            raise _failure(f"the provider says no ({answer.get('error', 'without a reason')[:80]!r})")
        told = await self._exchange(provider, answer["code"], trip["verifier"])
        claims = await self._id_token(provider, told, trip["nonce"])
        if self._config.groups_claim not in claims and "userinfo_endpoint" in provider:
            claims |= await self._userinfo(provider, told, claims["sub"])
        return self._person(claims)

    def grants(self, person: Person) -> tuple[Grant, ...]:
        """Return what the person's groups may do, by ``[oidc.groups]``."""
        texts = {text: None for group in person.groups for text in self._config.groups.get(group, ())}
        return tuple(_grant(text) for text in texts)

    # --- the way back -------------------------------------------------------------------------------------------------

    def _trip(self, answer: Mapping[str, str], cookie: str) -> dict[str, str]:
        opened = self._keys.unseal(
            cookie.encode(errors="replace"), "oidc", self._issuer, at_s=self._seconds(), ttl_s=AWAY_S
        )
        if opened is None:
            raise _failure("this browser was not sent off, or more than ten minutes ago")
        trip: dict[str, str] = json.loads(opened)
        if not hmac.compare_digest(answer.get("state", "").encode(), trip["state"].encode()):
            raise _failure("the answer belongs to another start")
        return trip

    async def _exchange(self, provider: Mapping[str, Any], code: str, verifier: str) -> dict[str, Any]:
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=self._redirect_uri, code_verifier=verifier
        )
        methods = provider.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        url = provider["token_endpoint"]
        auth = ClientAuth(self._config.client_id, self._secret, method)
        url, headers, body = auth.prepare("POST", url, headers, body)
        return await self._ask("POST", url, headers=headers, content=body)

    async def _id_token(self, provider: Mapping[str, Any], told: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        text = told.get("id_token")
        if not isinstance(text, str):
            raise _failure("the provider gives no ID token; has its client the scope openid?")
        try:
            try:
                token = jwt.decode(text, await self._known_keys(provider), algorithms=_ALGORITHMS)
            except (InvalidKeyIdError, BadSignatureError):  # it may have new keys
                token = jwt.decode(text, await self._known_keys(provider, anew=True), algorithms=_ALGORITHMS)
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "value": self._issuer},
                    "aud": {"essential": True, "value": self._config.client_id},
                },
                {
                    "nonce": nonce,
                    "client_id": self._config.client_id,
                    "access_token": told.get("access_token"),
                },
            )
            claims.validate(now=self._seconds(), leeway=_LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:  # also keys that are none
            raise _failure(f"the provider's ID token does not hold ({error})") from error
        return dict(claims)

    async def _userinfo(self, provider: Mapping[str, Any], told: Mapping[str, Any], subject: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {told.get('access_token', '')}", "Accept": "application/json"}
        said = await self._ask("GET", provider["userinfo_endpoint"], headers=headers)
        if said.get("sub") != subject:  # OpenID Connect Core §5.3.4
            raise _failure("the provider's userinfo is of somebody else")
        return said

    def _person(self, claims: Mapping[str, Any]) -> Person:
        subject, name = claims["sub"], claims.get(self._config.name_claim) or claims["sub"]
        said = claims.get(self._config.groups_claim, ())
        groups = (said,) if isinstance(said, str) else tuple(said) if isinstance(said, list) else ()
        if not isinstance(subject, str) or not isinstance(name, str) or not (name.strip() and name.isprintable()):
            raise _failure("the provider gives no usable name")
        # the same subject at another provider is somebody else
        stands_for = hashlib.sha256(f"{self._issuer}\0{subject}".encode(errors="replace")).hexdigest()
        return Person(stands_for, name.strip()[:80], tuple(group for group in groups if isinstance(group, str)))

    # --- the provider -------------------------------------------------------------------------------------------------

    async def _known_provider(self) -> dict[str, Any]:
        """Return the provider's description of itself (OpenID Connect Discovery §4), which is kept for a while."""
        if self._provider is not None and self._mono() - self._known_mono_s < _KNOWN_S:
            return self._provider
        said = await self._ask("GET", self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        if said.get("issuer") != self._issuer:
            raise _unreachable(f"the provider calls itself {said.get('issuer')!r}, and [oidc] issuer does not")
        scheme = urlsplit(self._issuer).scheme
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(said.get(name), str) or urlsplit(said[name]).scheme not in ("https", scheme):
                raise _unreachable(f"the provider's {name} is missing, or goes without TLS")
        self._provider, self._key_set, self._known_mono_s = said, None, self._mono()
        return said

    async def _known_keys(self, provider: Mapping[str, Any], *, anew: bool = False) -> KeySet:
        if self._key_set is None or anew:
            said: Any = await self._ask("GET", provider["jwks_uri"])
            self._key_set = KeySet.import_key_set(said)
        return self._key_set

    async def _ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        """Return the JSON object of an answer; refuse what is larger than any provider's."""
        try:
            async with (
                asyncio.timeout(_DEADLINE_S),
                httpx.AsyncClient(verify=self._tls, trust_env=False, timeout=None) as http,  # noqa: S113 - one deadline
                http.stream(method, url, **more) as answer,
            ):
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > _MOST_BYTES:
                        raise _unreachable("the provider's answer is too large")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise _unreachable(f"the provider does not answer ({type(error).__name__})") from error
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            said = None
        if method == "POST" and 400 <= answer.status_code < 500 and isinstance(said, dict):
            raise _failure(f"the provider refuses ({str(said.get('error'))[:80]!r})")
        if answer.status_code != 200 or not isinstance(said, dict):
            raise _unreachable(f"the provider answers {answer.status_code} without what was asked for")
        return said

    def _seconds(self) -> int:
        return int(self._now().timestamp())


def _grant(text: str) -> Grant:
    """Return the grant of a text that `OidcConfig` let through: a role, and perhaps where it holds."""
    role, _, scope = text.partition(" ")
    return Grant(cast(Role, role), scope or EVERYWHERE)


def _failure(sentence: str) -> AccessError:
    return AccessError(sentence, code="oidc-failed")


def _unreachable(sentence: str) -> AccessError:
    return AccessError(sentence, code="oidc-unreachable", retryable=True)
