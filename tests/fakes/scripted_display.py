"""A display in memory, with its faults, for tests of what drives it: no socket, no waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent.devices.display import DisplayChoice, DisplayConfig, DisplayDriver, DisplayInfo, DisplayStatus, Power
from protocol.errors import DeviceNotNowError


@dataclass
class ScriptedDisplay:
    """Comes on and goes off by `tick`; `acts` is everything it was told."""

    power_state: Power = Power.STANDBY
    shown: str | None = "rgb-1"
    warms: int = 2
    status: dict[str, object] = field(default_factory=dict)
    fails: list[Exception] = field(default_factory=list)
    """Raised by the next connections, one each."""
    refuses: dict[str, Exception] = field(default_factory=dict)
    """Raised by every ``power`` or ``input``."""
    is_deaf: bool = False
    """Says OK to power and does nothing."""
    acts: list[str] = field(default_factory=list)
    connections: int = 0
    _left: int = 0

    @asynccontextmanager
    async def connect(self, config: DisplayConfig, known: DisplayInfo | None) -> AsyncIterator[_Open]:
        self.connections += 1
        if self.fails:
            raise self.fails.pop(0)
        yield _Open(self)

    def choice(self, **keys: object) -> DisplayChoice:
        """Return it as a room's configuration would name it."""
        driver = DisplayDriver(name="scripted", config=ScriptedConfig, connect=self.connect)
        return DisplayChoice(driver, ScriptedConfig.model_validate(keys))


class ScriptedConfig(DisplayConfig):
    """Its configuration has nothing of its own but a file."""

    secret_file: Path | None = None


class _Open:
    info = DisplayInfo(driver="scripted", capabilities=frozenset({"power", "input"}))

    def __init__(self, of: ScriptedDisplay) -> None:
        self._of = of

    async def status(self) -> DisplayStatus:
        of = self._of
        told = of.power_state
        if told in (Power.WARMING, Power.COOLING):
            of._left -= 1
            if of._left <= 0:
                of.power_state = Power.ON if told is Power.WARMING else Power.STANDBY
        shown = of.shown if told in (Power.ON, Power.UNKNOWN) else None
        return DisplayStatus(power=told, **{"input": shown, **of.status})  # type: ignore[arg-type]  # keys of any field

    async def power(self, on: bool) -> None:
        of = self._of
        of.acts.append("on" if on else "off")
        if "power" in of.refuses:
            raise of.refuses["power"]
        if of.power_state in (Power.WARMING, Power.COOLING):
            raise DeviceNotNowError("it warms up", retry_after_s=5.0)
        if not of.is_deaf and of.power_state is not Power.UNKNOWN:
            of.power_state = Power.WARMING if on else Power.COOLING
            of._left = of.warms

    async def select_input(self, name: str) -> None:
        self._of.acts.append(name)
        if "input" in self._of.refuses:
            raise self._of.refuses["input"]
        if self._of.power_state is not Power.UNKNOWN:
            self._of.shown = name
