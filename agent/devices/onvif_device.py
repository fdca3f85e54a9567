"""A camera that speaks ONVIF, through onvif-zeep-async: connected, its clock allowed for, its profiles known.

The library's imports (0.2 s) and its reading of service descriptions (0.1 s each) run on a thread. Order of a
connection: the camera's time, asked without a login (the digest of a password holds the time, and cameras refuse one
that is more than some seconds off), its services, who it is, its profiles. A refused login ends it at the first
refusal: cameras lock accounts. Only the digest of WS-Security is spoken; a camera that wants HTTP digest for ONVIF is
told as a refused login.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import Field

from agent.devices import onvif_words as words
from agent.devices.login import LoginConfig
from agent.devices.onvif_words import Profile
from protocol.errors import (
    DeviceError,
    DeviceNotFoundError,
    DeviceProtocolError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_S = 3.0
"""Cameras answer within some tenths of a second; weak ones take two when they encode as well."""

SKEW_S = 5.0
"""A clock that is further off than the strictest cameras take is worth a line in the log."""


class OnvifConfig(LoginConfig):
    """Where the camera's ONVIF service is. ``profile``: token or name of one of its streams; else the first."""

    host: str = Field(
        min_length=1, max_length=253, pattern=r"^[^\s/@]+$", description="the camera's name or IP address"
    )
    port: int = Field(default=80, ge=1, le=65535, description="80, 8080 or 2020 as a rule")
    profile: str = Field(default="", max_length=64)


@dataclass(frozen=True, slots=True)
class OnvifDevice:
    """A connected camera. ``services`` is the library's camera object; `call` guards what it does."""

    label: str
    name: str
    profiles: tuple[Profile, ...]
    services: Any
    skew_s: float
    """By how much the camera's clock is ahead of ours."""

    async def media(self) -> Any:
        return await call(self.services.create_media_service(), self.label)

    async def ptz(self) -> Any:
        return await call(self.services.create_ptz_service(), self.label)


@asynccontextmanager
async def connected(config: OnvifConfig, label: str) -> AsyncIterator[OnvifDevice]:
    """Connect to a camera. Raises DeviceError and its kinds."""
    password = await asyncio.to_thread(config.password, label)
    library = await asyncio.to_thread(importlib.import_module, "onvif")
    for noisy in ("onvif", "zeep"):  # at DEBUG they write whole messages, logins included
        logging.getLogger(noisy).setLevel(logging.WARNING)
    services = library.ONVIFCamera(config.host, config.port, config.user, password, adjust_time=True, no_cache=True)
    try:
        await call(services.get_capabilities(), label)
        device = await call(services.create_devicemgmt_service(), label)
        who = await call(device.GetDeviceInformation(), label)
        media = await call(services.create_media_service(), label)
        profiles = tuple(_profile(one) for one in await call(media.GetProfiles(), label) or ())
        skew_s = services.dt_diff.total_seconds()
        if abs(skew_s) > SKEW_S:
            log.warning("A camera's clock is wrong; set its time server", extra={"device": label, "skew_s": skew_s})
        name = f"{who.Manufacturer or ''} {who.Model or ''}".strip() or "ONVIF camera"
        yield OnvifDevice(label, name[:120], profiles, services, skew_s)
    finally:
        await services.close()


def _profile(said: Any) -> Profile:
    motor = said.PTZConfiguration
    return Profile(str(said.token), str(said.Name or ""), str(motor.NodeToken) if motor else "")


async def call(asked: Awaitable[T], label: str, most_s: float = ANSWER_S) -> T:
    """Return what the camera answers within ``most_s``; turn every way it may fail into a DeviceError."""
    import aiohttp  # these are there: the library brought them
    from onvif.exceptions import ONVIFError
    from zeep import exceptions as zeep

    try:
        async with asyncio.timeout(most_s):
            return await asked
    except zeep.Fault as error:
        if error.code is None and error.detail is not None:  # a web page; the library keeps its text and no status
            page = str(error.detail).lower()
            if "401" in page or "unauthorized" in page:
                raise words.refused_login(label) from None
            raise _stranger(label) from None
        codes = [getattr(code, "localname", str(code)) for code in error.subcodes or ()]
        raise words.fault(error.message or "", codes, label) from None
    except TimeoutError:
        what = "check its power and its cable, or restart it"
        raise DeviceTimeoutError(f"{label}: the camera did not answer within {most_s:g} s; {what}") from None
    except aiohttp.ClientConnectorError:
        what = "check its power and its cable, and that ONVIF is switched on at this port"
        raise DeviceNotFoundError(f"{label}: cannot be reached; {what}") from None
    except zeep.TransportError as error:
        if error.status_code in (401, 403):
            raise words.refused_login(label) from None
        raise _stranger(label) from None
    except ONVIFError as error:
        if "support service" in str(error):
            what = "update it, or take another driver"
            raise DeviceUnsupportedError(f"{label}: the camera has no such ONVIF service; {what}") from None
        raise _stranger(label) from None
    except aiohttp.ClientPayloadError:
        raise _broken(label) from None
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
        raise _broken(label) from None
    except (aiohttp.ClientError, zeep.Error, AttributeError, TypeError, ValueError, KeyError):
        # The library reads answers without looking whether what it needs is in them.
        raise _stranger(label) from None


def _stranger(label: str) -> DeviceProtocolError:
    what = "correct host and port, or switch ONVIF on in the camera's settings"
    return DeviceProtocolError(f"{label}: what answers there does not speak ONVIF; {what}")


def _broken(label: str) -> DeviceError:
    return DeviceError(f"{label}: the camera hung up in the middle of its answer; try again, or restart it")
