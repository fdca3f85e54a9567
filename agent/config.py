"""The room's configuration, from TOML: all problems reported at once, each with its key."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from agent.camera_moves import PtzChoice
from agent.device_slot import DeviceChoice
from agent.devices.base import DriverConfig
from agent.devices.display import DisplayChoice, files_of
from agent.devices.login import UNTOLD, LoginConfig
from agent.devices.registry import find_display, find_driver, find_ptz
from agent.streams.publisher import StreamSettings
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


class RoomSettings(_Section):
    """A whole, valid configuration of a room."""

    state_dir: Path
    room: RoomSection
    broker: BrokerSection
    panel: PanelSection = PanelSection()
    streams: StreamSettings = StreamSettings()
    devices: tuple[DeviceChoice, ...] = ()
    display: DisplayChoice | None = None
    ptz: PtzChoice | None = None

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
_ROLES = {"camera": DeviceRole.CAMERA, "microphone": DeviceRole.MICROPHONE, "board": DeviceRole.BOARD}


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
    apart = {*_ROLES, "media", "display", "ptz"}
    plain = {key: value for key, value in raw.items() if key not in apart}
    devices = [
        choice
        for table, role in _ROLES.items()
        if table in raw and (choice := _device(table, role, raw[table], _room_name(raw), base, problems)) is not None
    ]
    for device_id, count in Counter(choice.id for choice in devices).items():
        if count > 1:
            problems.append(f'id = "{device_id}": is the id of {count} devices; give each its own')
    ptz = _ptz(raw["ptz"], base, problems) if "ptz" in raw else None
    streams = _section("media", StreamSettings, raw.get("media", {}), problems)
    display = _display(raw["display"], base, problems) if "display" in raw else None
    settings: RoomSettings | None = None
    try:
        settings = RoomSettings.model_validate(
            {
                **plain,
                "devices": tuple(devices),
                "display": display,
                "ptz": ptz,
                "streams": streams or StreamSettings(),
            }
        )
    except ValidationError as error:
        problems += _told(error, "")
    if settings is not None:
        settings = _with_paths(settings, base)
        broker = settings.broker
        for key, file in (("ca_file", broker.ca_file), ("cert_file", broker.cert_file), ("key_file", broker.key_file)):
            if not file.is_file():
                problems.append(f"broker.{key}: {file} does not exist; enrol the room or correct the path")
        try:
            Pin.read(settings.panel.pin_file)
        except ConfigError as error:
            problems.append(error.message)
    if problems or settings is None:
        count = len(problems)
        raise ConfigError(f"{where} has {count} mistake{'s' if count != 1 else ''}", tuple(problems))
    return settings


def _room_name(raw: dict[str, Any]) -> Any:
    room = raw.get("room")
    return room.get("name") if isinstance(room, dict) else None


def _device(
    table: str, role: DeviceRole, raw: Any, room_name: Any, base: Path, problems: list[str]
) -> DeviceChoice | None:
    options = _options(table, raw, problems)
    if options is None:
        return None
    name, device_id = options.pop("driver"), options.pop("id", table)
    if not isinstance(device_id, str) or not re.fullmatch(ID_PATTERN, device_id):
        problems.append(
            f'{table}.id = {device_id!r}: must be 3 to 48 characters of a-z, 0-9 and "-", with no "-" at its ends'
        )
        return None
    try:
        driver = find_driver(role, name)
    except ConfigError as error:
        problems.append(f"{table}.driver: {error.message}")
        return None
    if "room_name" in driver.config.model_fields and isinstance(room_name, str):
        options.setdefault("room_name", room_name[:40])  # a drawn classroom shows whose it is
    config = _section(table, driver.config, options, problems)
    return None if config is None else DeviceChoice(device_id, role, driver, _from(base, config))


def _options(table: str, raw: Any, problems: list[str], *, example: str = "simulated") -> dict[str, Any] | None:
    """Return a copy of a device's table if it names its driver."""
    if not isinstance(raw, dict):
        problems.append(f"{table}: must be a table with a driver; write [{table}] and driver = …")
    elif not isinstance(raw.get("driver"), str):
        problems.append(f'{table}.driver: is missing; write driver = "{example}" or another driver')
    else:
        return dict(raw)
    return None


def _ptz(raw: Any, base: Path, problems: list[str]) -> PtzChoice | None:
    options = _options("ptz", raw, problems, example="visca")
    if options is None:
        return None
    try:
        driver = find_ptz(options.pop("driver"))
    except ConfigError as error:
        problems.append(f"ptz.driver: {error.message}")
        return None
    presets = _section("ptz.presets", _Presets, options.pop("presets", {}), problems)
    config = _section("ptz", driver.config, options, problems)
    return None if config is None or presets is None else PtzChoice(driver, _from(base, config), presets)


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
    except ValueError:  # a NUL in its name
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
