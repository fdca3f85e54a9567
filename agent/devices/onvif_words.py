"""What an ONVIF camera's answers mean: pure, on plain values; no library, no socket.

Sources: ONVIF Core 24.06 §5.11 (faults), Media WSDL 2.6, PTZ WSDL 20.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from agent.devices.base import Complaint
from agent.devices.ptz import PtzCapability
from protocol.errors import DeviceError, DevicePasswordError, DeviceUnsupportedError

LONGEST_REASON = 120

_TOPICS: tuple[tuple[str, Complaint], ...] = (
    ("VideoSource/SignalLoss", "no-picture"),
    ("VideoSource/ImageTooDark", "too-dark"),
    ("VideoSource/ImageTooBright", "too-bright"),
    ("VideoSource/ImageTooBlurry", "blurred"),
    ("VideoSource/GlobalSceneChange", "moved"),
    ("Device/HardwareFailure", "hardware"),
)
_YES = ("true", "1")


@dataclass(frozen=True, slots=True)
class Profile:
    """A stream as the camera offers it. ``ptz_node``: the motor that turns it, or nothing."""

    token: str
    name: str
    ptz_node: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """Anything with a token that only the camera reads and a name that people gave it."""

    token: str
    name: str


def choose_profile(profiles: Sequence[Profile], wanted: str, label: str, *, turns: bool = False) -> Profile:
    """Return the profile of this token or name, or the first (that ``turns``). Raises DeviceUnsupportedError."""
    if not wanted:
        for profile in profiles:
            if profile.ptz_node or not turns:
                return profile
        what = "this camera turns by no ONVIF profile" if profiles else "the camera offers no profile"
        raise DeviceUnsupportedError(f"{label}: {what}; take another driver")
    by_token = [profile for profile in profiles if profile.token == wanted]
    found = by_token or [profile for profile in profiles if profile.name == wanted]
    if len(found) == 1:
        return found[0]
    there = ", ".join(f'"{profile.name}" (token {profile.token})' for profile in found or profiles) or "none"
    if found:
        raise DeviceUnsupportedError(
            f'{label}: profile "{wanted}" fits several: {there}; write the token', code="device-ambiguous"
        )
    raise DeviceUnsupportedError(f'{label}: there is no profile "{wanted}"; there are: {there}')


def choose_preset(presets: Sequence[Named], wanted: str, label: str) -> str:
    """Return the token of the preset of this token or name. Raises DeviceUnsupportedError."""
    if any(preset.token == wanted for preset in presets):
        return wanted
    found = [preset for preset in presets if preset.name == wanted]
    if len(found) == 1:
        return found[0].token
    there = ", ".join(f'"{preset.name}" (token {preset.token})' for preset in found or presets) or "none"
    if found:
        raise DeviceUnsupportedError(
            f'{label}: preset "{wanted}" fits several: {there}; write the token', code="device-ambiguous"
        )
    raise DeviceUnsupportedError(
        f'{label}: the camera has no preset "{wanted}"; there are: {there}', code="preset-not-found"
    )


def capabilities(*, pan_tilt: bool, zoom: bool, presets: int) -> frozenset[PtzCapability]:
    """Return what a motor with these velocity spaces and so many presets can do."""
    found: set[PtzCapability] = set()
    if pan_tilt:
        found.add("pan-tilt")
    if zoom:
        found.add("zoom")
    if found:
        found.add("position")
    if found and presets > 0:
        found |= {"presets", "store-presets", "list-presets"}
    return frozenset(found)


def fault(reason: str, codes: Sequence[str], label: str) -> DeviceError:
    """Return what a SOAP fault means; ``codes`` are its subcodes without prefix, its ``reason`` is cut short."""
    said = " ".join(reason.split())[:LONGEST_REASON]
    if is_about_the_login(reason, codes):
        return refused_login(label)
    if any("NotSupported" in code or code == "OptionalActionNotImplemented" for code in codes):
        return DeviceUnsupportedError(f"{label}: the camera cannot do that ({said}); update it, or take another driver")
    return DeviceError(f"{label}: the camera refused ({said or 'without a reason'}); try again, or restart it")


def is_about_the_login(reason: str, codes: Sequence[str]) -> bool:
    """Return whether a fault is about name or password; some cameras say it in words alone."""
    return (
        any(code in ("NotAuthorized", "FailedAuthentication") for code in codes) or "not authorized" in reason.lower()
    )


def refused_login(label: str) -> DevicePasswordError:
    what = "correct user and the password file; many cameras have users of their own for ONVIF"
    return DevicePasswordError(f"{label}: the camera refuses this name or password; {what}")


def without_login(address: str) -> str:
    """Return a stream's address without the name and password that some cameras put into it."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def complaint_of(topic: str, data: Mapping[str, str]) -> tuple[Complaint, bool] | None:
    """Return what an event is about and whether it holds now; None for events that are no complaint.

    ``topic`` as it came, with or without prefixes; ``data`` are its simple items. The state has another name in each
    topic (State, Failed, Critical): the one that is yes or no is meant.
    """
    plain = "/".join(part.rpartition(":")[2] for part in topic.strip().split("/"))
    kind = next((kind for start, kind in _TOPICS if plain == start or plain.startswith(f"{start}/")), None)
    said = [value.strip().lower() for value in data.values()]
    states = [value in _YES for value in said if value in (*_YES, "false", "0")]
    return None if kind is None or not states else (kind, any(states))
