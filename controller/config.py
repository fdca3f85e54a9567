"""The centre's configuration: one TOML file, all its mistakes at once.

Paths are taken relative to the file's own folder. Nothing here is a secret: secrets are files of their own, named here.
"""

from __future__ import annotations

import re
import tomllib
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from protocol.errors import ConfigError
from protocol.messages import Id

_URL = re.compile(r"^https?://[^/?#\s]+$")


class Section(BaseModel):
    """Base of a part of the file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TlsFiles(Section):
    """Certificate and key, both PEM."""

    cert_file: Path
    key_file: Path


class HttpConfig(Section):
    """``[http]``: where browsers come in."""

    host: str = Field(default="127.0.0.1", min_length=1, max_length=255)
    port: int = Field(default=8080, ge=0, le=65_535, description="0: any free one")
    public_url: str = Field(
        default="", max_length=200, description="as browsers see it, without a path; empty: made from host and port"
    )
    tls: TlsFiles | None = Field(default=None, description="only where no proxy stands in front")
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="addresses whose X-Forwarded-For and X-Forwarded-Proto are believed"
    )

    @field_validator("public_url")
    @classmethod
    def _url(cls, value: str) -> str:
        if value and not _URL.match(value):
            msg = f'"{value}" must be http(s)://host[:port] with nothing after it'
            raise ValueError(msg)
        return value

    def url(self, port: int) -> str:
        """Return the public address, made from host and the port really bound when none is configured."""
        if self.public_url:
            return self.public_url
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"{'https' if self.tls else 'http'}://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{port}"


class BrokerConfig(Section):
    """``[broker]``: the MQTT server, always over TLS."""

    host: str = Field(default="127.0.0.1", min_length=1, max_length=255)
    port: int = Field(default=8883, ge=1, le=65_535)
    ca_file: Path
    rpc: TlsFiles = Field(description="certificate of user controller-{instance}-rpc")
    events: TlsFiles = Field(description="certificate of user controller-{instance}-events")
    keepalive_s: int = Field(default=20, ge=4, le=120)


def _with_a_port(url: str) -> str:
    """Raise ValueError for a port that there is not: a room could only say that the server is not found."""
    port = re.search(r":(\d+)(?:\?.*)?$", url)
    if port is not None and not 0 < int(port[1]) < 65_536:
        raise ValueError(f'"{url}": {port[1]} is no port; ports go from 1 to 65535')
    return url


StunUrl = Annotated[str, StringConstraints(pattern=r"^stuns?:[^\s]+$"), AfterValidator(_with_a_port)]
TurnUrl = Annotated[str, StringConstraints(pattern=r"^turns?:[^\s]+$"), AfterValidator(_with_a_port)]


class TurnConfig(Section):
    """``[turn]``: a coturn with ``use-auth-secret``; credentials are made for each ticket and run out."""

    urls: tuple[TurnUrl, ...] = Field(max_length=4)
    secret_file: Path = Field(description="coturn's static-auth-secret, alone in a file")
    ttl_s: int = Field(
        default=14_400, ge=300, le=86_400, description="of a room and a player; a ticket's hold as long as it"
    )

    @field_validator("urls")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one turn: or turns: address")
        return value


class IceConfig(Section):
    """``[ice]``: empty is right inside one school network."""

    stun: tuple[StunUrl, ...] = Field(default=(), max_length=2)
    turn: TurnConfig | None = None


def _whep_template(url: str) -> str:
    """Raise ValueError for what is no address, or the same for every room."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "{room}" not in parts.path + parts.query:
        raise ValueError(f'"{url}" must be http(s)://host/path with {{room}} in it')
    return url


WhepTemplate = Annotated[str, StringConstraints(pattern=r"^[^\s]+$", max_length=500), AfterValidator(_whep_template)]


class RelayConfig(Section):
    """``[relay]``: where a media server gives what rooms publish to it; pupils reach it through us alone."""

    whep_lesson: WhepTemplate = Field(description="gives sound and camera; {room} is the room's id")
    whep_board: WhepTemplate
    token_file: Path | None = Field(default=None, description="the Bearer token of players, alone in a file")
    ca_file: Path | None = Field(default=None, description="the authority of its certificate, where not known here")


class MetricsConfig(Section):
    """``[metrics]``: without a token file ``/metrics`` answers nobody."""

    token_file: Path | None = None


class RetentionConfig(Section):
    """``[retention]``: for how many days things are kept in the database."""

    viewer_events_days: int = Field(default=30, ge=1, le=3_650, description="that somebody came or left, without names")
    other_events_days: int = Field(default=365, ge=1, le=3_650)
    lessons_days: int = Field(default=365, ge=1, le=3_650, description="after their end")
    audit_days: int = Field(
        default=365, ge=1, le=3_650, description="who of IT did what; and tokens of programs, after their end"
    )


class SharesConfig(Section):
    """``[shares]``: recordings that rooms hand over for a while, sealed; the centre cannot read them."""

    keep_days: int = Field(default=7, ge=1, le=365, description="a link runs out after this")
    most_gb: float = Field(default=20.0, ge=0, le=100_000, description="all together; 0: none is taken")


class FetchConfig(Section):
    """``[fetch]``: where the centre may go for calendars and webhooks; the internet over TLS alone, where nothing is
    said. The networks that its own interfaces are in are not the internet."""

    allowed: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(), max_length=64, description="networks inside that it may go to all the same, as 10.1.0.0/16"
    )
    refused: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(),
        max_length=64,
        description="networks that it never goes to, whatever is allowed: what is inside though its addresses are the "
        "internet's, the centre's own address outside, and a NAT64 prefix of one's own",
    )
    plain_http: bool = Field(default=False, description="also without TLS")
    ports: tuple[Annotated[int, Field(ge=1, le=65_535)], ...] = Field(
        default=(), max_length=16, description="besides 443, and 80 where without TLS"
    )
    ca_file: Path | None = Field(default=None, description="an authority besides those known here")


class NoticesConfig(Section):
    """``[notices]``: what the centre says by itself to somebody outside."""

    heartbeat_url: str = Field(
        default="", max_length=500, description="asked for each minute in which the centre is well; empty: nowhere"
    )

    @field_validator("heartbeat_url")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^/?#\s]+[^\s]*", value):
            raise ValueError("must be an address that begins with https:// or http://")
        return value


class AccountsConfig(Section):
    """``[accounts]``: what is asked of people who sign in with a password of this centre."""

    totp_for_admins: bool = Field(
        default=False, description="an administrator without a second step may do nothing but set one up"
    )


GrantText = Annotated[
    str, StringConstraints(pattern=r"^(admin|teacher|viewer)( (territory|school|room):[a-z0-9][a-z0-9-]{0,47})?$")
]
Claim = Annotated[str, StringConstraints(pattern=r"^\S+$", max_length=200)]


class OidcConfig(Section):
    """``[oidc]``: an OpenID Connect provider whose accounts sign in here too, and may do what their groups may."""

    issuer: str = Field(max_length=500, description="as the provider writes it of itself")
    client_id: str = Field(min_length=1, max_length=200)
    client_secret_file: Path = Field(description="the client's secret, alone in a file")
    ca_file: Path | None = Field(default=None, description="the authority of its certificate, where not known here")
    label: str = Field(default="SSO", min_length=1, max_length=40, description="what people call it, on the button")
    scopes: tuple[Claim, ...] = Field(default=("openid", "profile"), max_length=16)
    groups_claim: Claim = "groups"
    name_claim: Claim = "preferred_username"
    groups: dict[str, tuple[GrantText, ...]] = Field(
        description='what each group may: "admin", or with a place "teacher school:college-1"'
    )

    @field_validator("issuer")
    @classmethod
    def _tls(cls, value: str) -> str:
        parts = urlsplit(value)
        is_here = parts.hostname in ("127.0.0.1", "::1", "localhost")
        if not parts.hostname or parts.scheme not in (("https", "http") if is_here else ("https",)) or parts.query:
            raise ValueError(f'"{value}" must be https://host/path')
        return value

    @field_validator("scopes")
    @classmethod
    def _openid(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in value:
            raise ValueError('must have "openid" among them')
        return value


class ControllerConfig(Section):
    """The whole file."""

    instance: Id
    state_dir: Path = Field(description="database and secret of this centre; 0700")
    database_url: str = Field(
        default="",
        max_length=500,
        description="SQLAlchemy URL, postgresql+asyncpg://… for PostgreSQL; empty: SQLite in state_dir",
    )
    pki_dir: Path | None = Field(default=None, description="only the command line needs it, and only to issue")
    http: HttpConfig = HttpConfig()
    broker: BrokerConfig
    ice: IceConfig = IceConfig()
    relay: RelayConfig | None = None
    metrics: MetricsConfig = MetricsConfig()
    retention: RetentionConfig = RetentionConfig()
    shares: SharesConfig = SharesConfig()
    fetch: FetchConfig = FetchConfig()
    notices: NoticesConfig = NoticesConfig()
    accounts: AccountsConfig = AccountsConfig()
    oidc: OidcConfig | None = None

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, value: str) -> str:
        if value and not value.startswith(("sqlite+aiosqlite://", "postgresql+asyncpg://")):
            msg = "must begin with sqlite+aiosqlite:// or postgresql+asyncpg://"
            raise ValueError(msg)
        return value

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite+aiosqlite:///{self.state_dir / 'estrade.db'}"


def load(path: Path) -> ControllerConfig:
    """Read the file; raise ConfigError with every mistake in ``problems``, each with its key."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"cannot read the configuration {path} ({error.strerror}); name it with --config"
        raise ConfigError(msg) from error
    except (ValueError, RecursionError) as error:  # also numbers longer and tables deeper than Python reads
        msg = f"{path} is not TOML: {error}"
        raise ConfigError(msg) from error
    rooted = _rooted(raw, path.resolve().parent)
    problems = unreadable_files(rooted)
    config: ControllerConfig | None = None
    try:
        config = ControllerConfig.model_validate(rooted)
    except ValidationError as error:
        problems = [_sentence(item) for item in error.errors()] + problems
    if problems or config is None:
        msg = f"{path} has {len(problems)} mistake{'s' if len(problems) > 1 else ''}"
        raise ConfigError(msg, tuple(problems))
    return config


def unreadable_files(raw: dict[str, Any], prefix: str = "") -> list[str]:
    """Return one sentence for each ``…_file`` that is named and cannot be read."""
    problems = []
    for key, value in raw.items():
        if isinstance(value, dict):
            problems += unreadable_files(value, f"{prefix}{key}.")
        elif key.endswith("_file") and isinstance(value, str):
            try:
                with Path(value).open("rb"):
                    pass
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else str(error)
                problems.append(f"{prefix}{key}: cannot read {value} ({reason})")
    return problems


def _rooted(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return ``raw`` with every relative path made absolute from ``folder``."""
    rooted: dict[str, Any] = {}
    for key, value in raw.items():
        if isinstance(value, dict):
            rooted[key] = _rooted(value, folder)
        elif key.endswith(("_file", "_dir")) and isinstance(value, str) and value:
            rooted[key] = str(folder / value)
        else:
            rooted[key] = value
    return rooted


def _sentence(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"]) or "(whole file)"
    if error["type"] == "missing":
        return f"{key}: is missing"
    if error["type"] == "extra_forbidden":
        return f"{key}: is not a key of this file"
    text = str(error["msg"]).removeprefix("Value error, ")
    return f"{key}: {text[:1].lower()}{text[1:]}"
