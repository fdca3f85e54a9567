"""The room's configuration, from TOML: all problems reported at once, each with its key."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from agent.auto_framing import FramingSettings
from agent.camera_moves import PtzChoice
from agent.device_slot import DeviceChoice
from agent.devices.base import DriverConfig
from agent.devices.display import DisplayChoice, files_of
from agent.devices.login import UNTOLD, LoginConfig
from agent.devices.registry import find_display, find_driver, find_ptz
from agent.health_settings import HealthSettings
from agent.masks import Mask
from agent.recording_retention import RecordingSettings
from agent.streams.publisher import StreamSettings
from agent.streams.relay_settings import RelaySettings
from agent.web.pin import Pin
from protocol.errors import ConfigError
from protocol.messages import DeviceRole, Id
from protocol.topics import ID_PATTERN, RoomTopics

Section = TypeVar("Section")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RoomSection(_Section):
    """Who the room is. ``id`` is also the common name of its certificate."""

    id: Id
    territory: Id
    name: Annotated[str, StringConstraints(min_length=1, max_length=120)]


class BrokerSection(_Section):
    """Where the MQTT broker is, and the room's certificate for it."""

    host: str = Field(min_length=1)
    port: int = Field(default=8883, ge=1, le=65535)
    ca_file: Path
    cert_file: Path
    key_file: Path


class PanelSection(_Section):
    """The panel's server; always on loopback."""

    port: int = Field(default=8480, ge=1, le=65535)
    token_file: Path = Field(
        default=Path("panel-token"),
        description="where the boot's token for the kiosk is kept; a relative path starts at state_dir",
    )
    pin_file: Path | None = Field(
        default=None, description="the PIN before names and code, as estrade-agent pin writes"
    )


class LessonSection(_Section):
    """How a lesson begins."""

    lobby: bool = Field(
        default=False, description="newcomers wait until somebody at the panel lets them in, from the start on"
    )


class SelfTestSection(_Section):
    """What a self-test of the room may expect."""

    camera_sees_board: bool = Field(
        default=True, description="the camera has the board in its picture: a marker shown there is looked for"
    )


class RoomSettings(_Section):
    """A whole, valid configuration of a room."""

    state_dir: Path
    room: RoomSection
    broker: BrokerSection
    panel: PanelSection = PanelSection()
    streams: StreamSettings = StreamSettings()
    health: HealthSettings = HealthSettings()
    lesson: LessonSection = LessonSection()
    selftest: SelfTestSection = SelfTestSection()
    devices: tuple[DeviceChoice, ...] = ()
    display: DisplayChoice | None = None
    ptz: PtzChoice | None = None
    masks: tuple[Mask, ...] = ()
    framing: FramingSettings | None = None
    recording: RecordingSettings = RecordingSettings()

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    @property
    def topics(self) -> RoomTopics:
        return RoomTopics(self.room.territory, self.room.id)


_Presets = dict[
    Annotated[str, StringConstraints(pattern=ID_PATTERN)],
    Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value), Field(min_length=1)],
]
"""Name → the camera's own: ``board = 1``, ``teacher = "Lehrer"``."""

_UNKNOWN_KEY = "is not a known key; check its spelling"
_ROLES = {
    "camera": DeviceRole.CAMERA,
    "microphone": DeviceRole.MICROPHONE,
    "board": DeviceRole.BOARD,
    "board_sound": DeviceRole.BOARD_SOUND,
}
SPARES = "spare_microphone"
SPARES_MOST = 6
_Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
"""What people in the room call a microphone."""


def load(path: Path) -> RoomSettings:
    """Read and check a room's configuration; raise ConfigError with every problem and its key."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the configuration {path} cannot be read ({error.strerror}); check path and rights"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"the configuration {path} is not UTF-8 text") from None
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers longer and tables deeper than Python reads
        raise ConfigError(f"the configuration {path} is not valid TOML: {error}") from None
    return parse(raw, where=str(path), base=path.parent)


def parse(raw: dict[str, Any], *, where: str, base: Path) -> RoomSettings:
    """Check a configuration; relative paths in it start at ``base``. Raises ConfigError with every problem."""
    problems: list[str] = []
    apart = {*_ROLES, SPARES, "media", "display", "ptz", "mask", "framing", "health", "relay", "recording"}
    plain = {key: value for key, value in raw.items() if key not in apart}
    devices = [
        choice
        for table, role in _ROLES.items()
        if table in raw and (choice := _device(table, role, raw[table], _room_name(raw), base, problems)) is not None
    ]
    devices += _spares(raw, base, problems)
    for device_id, count in Counter(choice.id for choice in devices).items():
        if count > 1:
            problems.append(f'id = "{device_id}": is the id of {count} devices; give each its own')
    ptz, masks = _ptz_and_masks(raw, base, problems)
    streams = _streams(raw, base, problems)
    display = _display(raw["display"], base, problems) if "display" in raw else None
    health = _section("health", HealthSettings, raw.get("health", {}), problems) or HealthSettings()
    recording = _section("recording", RecordingSettings, raw.get("recording", {}), problems)
    framing = _framing(raw, ptz, masks, problems) if "framing" in raw else None
    settings: RoomSettings | None = None
    try:
        settings = RoomSettings.model_validate(
            {
                **plain,
                "devices": tuple(choice for choice in devices if choice.is_spare or not health.is_absent(choice.role)),
                "display": None if health.is_absent("display") else display,
                "health": health,
                "ptz": ptz,
                "masks": masks,
                "framing": framing,
                "recording": recording or RecordingSettings(),
                "streams": streams,
            }
        )
    except ValidationError as error:
        problems += _told(error, "")
    if settings is not None:
        settings = _with_paths(settings, base)
        broker = settings.broker
        for key, file in (("ca_file", broker.ca_file), ("cert_file", broker.cert_file), ("key_file", broker.key_file)):
            if not _is_file(file):
                problems.append(f"broker.{key}: {file} does not exist; enrol the room or correct the path")
        try:
            Pin.read(settings.panel.pin_file)
        except ConfigError as error:
            problems.append(error.message)
    if problems or settings is None:
        count = len(problems)
        raise ConfigError(f"{where} has {count} mistake{'s' if count != 1 else ''}", tuple(problems))
    return settings


def _streams(raw: dict[str, Any], base: Path, problems: list[str]) -> StreamSettings:
    """Return how the room sends, and to which media server it publishes; the files that names have to be there."""
    media = raw.get("media", {})
    if isinstance(media, dict) and "relay" in media:
        problems.append("media.relay: is a table of its own; write [relay]")
        media = {key: value for key, value in media.items() if key != "relay"}
    streams = _section("media", StreamSettings, media, problems) or StreamSettings()
    relay = _section("relay", RelaySettings, raw["relay"], problems) if "relay" in raw else None
    if relay is None:
        return streams
    named = {key: getattr(relay, key) for key in ("token_file", "ca_file")}
    files = {key: base / path for key, path in named.items() if path is not None}
    for key, path in files.items():
        if not _is_file(path):
            problems.append(f"relay.{key}: {path} does not exist; write it or correct the path")
    return replace(streams, relay=replace(relay, **files))


def _room_name(raw: dict[str, Any]) -> Any:
    room = raw.get("room")
    return room.get("name") if isinstance(room, dict) else None


def _device(
    table: str,
    role: DeviceRole,
    raw: Any,
    room_name: Any,
    base: Path,
    problems: list[str],
    *,
    own_id: str | None = None,
) -> DeviceChoice | None:
    options = _options(table, raw, problems)
    if options is None:
        return None
    name, device_id = options.pop("driver"), options.pop("id", own_id or table.replace("_", "-"))
    if not isinstance(device_id, str) or not re.fullmatch(ID_PATTERN, device_id):
        problems.append(
            f'{table}.id = {device_id!r}: must be 3 to 48 characters of a-z, 0-9 and "-", with no "-" at its ends'
        )
        return None
    label: str | None = None
    if role is DeviceRole.MICROPHONE and "label" in options:
        label = _section(f"{table}.label", _Label, options.pop("label"), problems)
    is_board_sound = role is DeviceRole.BOARD_SOUND  # it is captured as a microphone is
    try:
        driver = find_driver(DeviceRole.MICROPHONE if is_board_sound else role, name)
    except ConfigError as error:
        problems.append(f"{table}.driver: {error.message}")
        return None
    if "room_name" in driver.config.model_fields and isinstance(room_name, str):
        options.setdefault("room_name", room_name[:40])  # a drawn classroom shows whose it is
    config = _section(table, driver.config, options, problems)
    if config is None:
        return None
    driver = replace(driver, role=role) if is_board_sound else driver
    return DeviceChoice(device_id, role, driver, _from(base, config), label)


def _spares(raw: dict[str, Any], base: Path, problems: list[str]) -> list[DeviceChoice]:
    """Return the room's other microphones, in the order in which they take over where none is clearer."""
    tables = _list_of_tables(SPARES, raw, problems)
    if tables and "microphone" not in raw:
        problems.append(f"{SPARES}: there is no [microphone] whose place they could take; name the room's own first")
    if len(tables) > SPARES_MOST:
        problems.append(f"{SPARES}: there are {len(tables)}; each is open in a lesson, take {SPARES_MOST} at most")
        return []
    found = [
        _device(f"{SPARES}[{n}]", DeviceRole.MICROPHONE, table, None, base, problems, own_id=f"microphone-{n + 1}")
        for n, table in enumerate(tables, 1)
    ]
    return [replace(choice, is_spare=True) for choice in found if choice is not None]


def _list_of_tables(key: str, raw: dict[str, Any], problems: list[str]) -> list[Any]:
    tables = raw.get(key, [])
    if isinstance(tables, list):
        return tables
    problems.append(f"{key}: is a list, for there can be several; write [[{key}]] with two brackets")
    return []


def _options(table: str, raw: Any, problems: list[str], *, example: str = "simulated") -> dict[str, Any] | None:
    """Return a copy of a device's table if it names its driver."""
    if not isinstance(raw, dict):
        problems.append(f"{table}: must be a table with a driver; write [{table}] and driver = …")
    elif not isinstance(raw.get("driver"), str):
        problems.append(f'{table}.driver: is missing; write driver = "{example}" or another driver')
    else:
        return dict(raw)
    return None


def _ptz_and_masks(raw: dict[str, Any], base: Path, problems: list[str]) -> tuple[PtzChoice | None, tuple[Mask, ...]]:
    """Return the camera that turns, and what is never shown of the camera's picture; the two have to fit."""
    known = len(problems)
    masks = _section("mask", tuple[Mask, ...], _list_of_tables("mask", raw, problems), problems) or ()
    if masks and "camera" not in raw:
        problems.append("mask: there is no camera; take the masks out, or write [camera]")
    options = _options("ptz", raw["ptz"], problems, example="visca") if "ptz" in raw else None
    if options is None:
        if "ptz" not in raw and (named := next((mask.preset for mask in masks if mask.preset), None)):
            problems.append(f'mask.preset = "{named}": the camera does not turn; take preset out, or write [ptz]')
        return None, masks
    unmasked = _section("ptz.no_mask", tuple[str, ...], options.pop("no_mask", ()), problems) or ()
    ptz = _ptz(options, base, problems)
    if ptz is None or len(problems) > known:
        return ptz, masks
    if any(mask.preset is None for mask in masks):
        problems.append("mask.preset: is missing; the camera turns, so that a mask belongs to a preset")
    names = ptz.presets.keys() | ({"class"} if not ptz.class_preset else set())
    masked = {mask.preset for mask in masks if mask.preset is not None}
    for key, named_there in (("mask.preset", masked), ("ptz.no_mask", set(unmasked))):
        problems += [f'{key} = "{name}": is not in ptz.presets; correct it' for name in sorted(named_there - names)]
    for name in sorted(ptz.presets) if masks else ():
        if (name in masked) == (name in unmasked):
            what = "has masks; take it out" if name in masked else "has no mask; draw one, or name it in ptz.no_mask"
            problems.append(f"ptz.{'no_mask' if name in masked else 'presets'}: {name} {what}")
    return ptz, masks


def _ptz(options: dict[str, Any], base: Path, problems: list[str]) -> PtzChoice | None:
    try:
        driver = find_ptz(options.pop("driver"))
    except ConfigError as error:
        problems.append(f"ptz.driver: {error.message}")
        return None
    presets = _section("ptz.presets", _Presets, options.pop("presets", {}), problems)
    has_class = _section("ptz.class_preset", StrictBool, options.pop("class_preset", False), problems)
    config = _section("ptz", driver.config, options, problems)
    if config is None or presets is None or has_class is None:
        return None
    if has_class and "class" not in presets:
        problems.append("ptz.class_preset: is true and ptz.presets has no class; write which of the camera's it is")
    if not has_class:  # pupils in the picture are asked for by name, or there is no such button
        presets.pop("class", None)
    return PtzChoice(driver, _from(base, config), presets, class_preset=has_class)


def _framing(
    raw: dict[str, Any], ptz: PtzChoice | None, masks: Sequence[Mask], problems: list[str]
) -> FramingSettings | None:
    """Return how the picture follows people; it needs a camera, and to turn it, one that may look anywhere."""
    settings = _section("framing", FramingSettings, raw["framing"], problems)
    if settings is None:
        return None
    if "camera" not in raw:
        problems.append("framing: there is no camera; take the table out, or write [camera]")
    if settings.mode == "ptz" and "ptz" not in raw:
        problems.append('framing.mode = "ptz": the camera does not turn; write mode = "crop", or [ptz]')
    if settings.mode == "ptz" and (masks or (ptz and ptz.class_preset)):
        problems.append(
            'framing.mode = "ptz": with masks, or the preset class, the camera turns only where somebody looks; '
            'write mode = "crop"'
        )
    return settings


def _from(base: Path, config: DriverConfig) -> DriverConfig:
    """Return the driver's configuration with its password file's path starting at ``base``."""
    if not isinstance(config, LoginConfig) or config.password_file is None:
        return config
    return config.model_copy(update={"password_file": base / config.password_file})


def _display(raw: Any, base: Path, problems: list[str]) -> DisplayChoice | None:
    """Return the board's power and input; the files it names start at ``base`` and have to be there."""
    options = _options("display", raw, problems, example="pjlink")
    if options is None:
        return None
    try:
        driver = find_display(options.pop("driver"))
    except ConfigError as error:
        problems.append(f"display.driver: {error.message}")
        return None
    config = _section("display", driver.config, options, problems)
    if config is None:
        return None
    files = {key: base / path for key, path in files_of(config).items()}
    for key, path in files.items():
        if not _is_file(path):
            problems.append(f"display.{key}: {path} does not exist; write it or correct the path")
    return DisplayChoice(driver, config.model_copy(update=files))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL in it
        return False


def _section(key: str, section: type[Section], raw: Any, problems: list[str]) -> Section | None:
    """Return one table as its model (pydantic's or a dataclass), or None with its mistakes added."""
    known = {field.name for field in fields(section)} if is_dataclass(section) else None
    if known is not None and isinstance(raw, dict):
        problems += [f"{key}.{name}: {_UNKNOWN_KEY}" for name in raw if name not in known]
    try:
        return TypeAdapter(section).validate_python(raw)
    except ValidationError as error:
        problems += _told(error, f"{key}.")
        return None


def _told(error: ValidationError, prefix: str) -> list[str]:
    """Return one sentence for each mistake: key, value, what is expected."""
    sentences = []
    for detail in error.errors(include_url=False, include_context=False):
        key = (prefix + ".".join(str(part) for part in detail["loc"])).rstrip(".")
        if detail["type"] == "extra_forbidden":
            sentences.append(f"{key}: {_UNKNOWN_KEY}")
        elif detail["type"] == "missing":
            sentences.append(f"{key}: is missing")
        elif not detail["loc"]:  # about the table as a whole: its values would bury the sentence
            sentences.append(f"{key}: {detail['msg'].removeprefix('Value error, ')}")
        elif detail["type"] == UNTOLD:
            sentences.append(f"{key}: {detail['msg']}")
        else:
            sentences.append(f"{key} = {detail['input']!r}: {detail['msg'].lower()}")
    return sentences


def _with_paths(settings: RoomSettings, base: Path) -> RoomSettings:
    """Return the settings with relative paths made absolute from ``base``."""
    broker = settings.broker
    files = {name: base / getattr(broker, name) for name in ("ca_file", "cert_file", "key_file")}
    state_dir, panel = base / settings.state_dir, settings.panel
    panel_files = {
        "token_file": state_dir / panel.token_file,
        "pin_file": None if panel.pin_file is None else base / panel.pin_file,
    }
    return settings.model_copy(
        update={
            "state_dir": state_dir,
            "broker": broker.model_copy(update=files),
            "panel": panel.model_copy(update=panel_files),
        }
    )
