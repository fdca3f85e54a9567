"""A serial port: opened for us alone, without holding up the loop, or told in a sentence why not."""

from __future__ import annotations

import asyncio
import errno
import termios
from pathlib import Path

import serial

from protocol.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceNotFoundError,
    DevicePermissionError,
    DeviceProtocolError,
    DeviceTimeoutError,
)

OPEN_S = 3.0
"""A serial port opens in milliseconds; one whose driver hangs is not waited for."""


async def open_port(path: Path, baud: int, label: str) -> serial.Serial:
    """Open a port with 8 data bits, no parity, 1 stop bit; ``label`` names the device in every error.

    Raises DeviceNotFoundError, DevicePermissionError, DeviceBusyError, DeviceTimeoutError, or DeviceProtocolError for
    what is no serial port.
    """
    opening = asyncio.ensure_future(asyncio.to_thread(_open, path, baud))
    try:
        async with asyncio.timeout(OPEN_S):
            return await asyncio.shield(opening)
    except TimeoutError:
        opening.add_done_callback(_close_late)
        raise DeviceTimeoutError(f"{label}: the port did not open within {OPEN_S:g} s; plug it in again") from None
    except asyncio.CancelledError:
        opening.add_done_callback(_close_late)
        raise
    except (OSError, ValueError, termios.error) as error:
        raise _cannot_open(error, label, path) from None


def _open(path: Path, baud: int) -> serial.Serial:
    port = serial.Serial(str(path), baud, timeout=0, write_timeout=0, exclusive=True)
    port.reset_input_buffer()
    return port


def _close_late(opening: asyncio.Future[serial.Serial]) -> None:
    """Close a port that nobody waits for any more."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _cannot_open(error: Exception, label: str, path: Path) -> DeviceError:
    number = getattr(error, "errno", None)
    if number in (errno.EACCES, errno.EPERM):
        return DevicePermissionError(
            f"{label}: the agent may not open {path}; put its user into the group of that port (dialout)"
        )
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        return DeviceNotFoundError(f"{label}: {path} is not there; plug the adapter in, or correct the port's path")
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
        return DeviceBusyError(f"{label}: another program holds {path}; close it")
    return DeviceProtocolError(f"{label}: {path} is not a serial port; correct the port's path")
