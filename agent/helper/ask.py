"""The agent's side of `estrade-helper`: ask root for one of the fixed verbs."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path

from protocol.errors import HelperError

SOCKET = Path("/run/estrade-helper.socket")
ANSWER_S = 30.0
"""systemd is given 20 s to take an order."""
LINE_MOST = 4096


async def ask(verb: str, *, socket: Path = SOCKET, **arguments: str) -> None:
    """Have a verb of `agent.helper.verbs` carried out; returns when it is. Raises HelperError with its code."""
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(str(socket), limit=LINE_MOST)
            try:
                writer.write(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
                await writer.drain()
                line = await reader.readline()
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        raise HelperError(f"estrade-helper did not answer {verb} within {ANSWER_S:g} s; see its journal") from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise HelperError(
            f"estrade-helper is not set up ({socket} is not there); install deploy/systemd/estrade-helper.socket",
            code="helper-not-there",
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a line longer than the limit
        raise HelperError(f"estrade-helper cannot be asked ({error}); see its journal") from None
    try:
        said = json.loads(line)
        if said["ok"] is True:
            return
        code, message = str(said["code"]), str(said["message"])
    except (ValueError, KeyError, TypeError):
        raise HelperError(f"estrade-helper answered {verb} with nothing of use; see its journal") from None
    raise HelperError(f"{verb}: {message}", code=code)
