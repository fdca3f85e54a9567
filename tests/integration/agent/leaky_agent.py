"""An agent with a fault: it forgets a viewer's connection, and goes on sending sound to it after the lesson.

Run as ``python -m tests.integration.agent.leaky_agent --config CONFIG``.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from agent.app import Agent
from agent.config import load
from agent.notify import SystemdNotifier
from agent.streams.encoders import EncodedFrame
from agent.streams.viewer import ViewerConnection


async def leak(agent: Agent) -> None:
    """Take the first connected viewer out of the publisher's hands, and send it 50 packets a second for ever."""
    kept: ViewerConnection | None = None
    while kept is None:
        await asyncio.sleep(0.02)
        publisher = agent._lesson.publisher
        for viewer, connection in dict(publisher._roster.connections if publisher else {}).items():
            if connection.is_connected and publisher is not None:
                kept = publisher._roster.connections.pop(viewer)
    while True:
        now_s = time.monotonic()
        frame = EncodedFrame("sound", "32k", True, now_s, (b"\xfc\xff\xfe",))
        kept.senders["sound"].send(frame, now_s)
        await asyncio.sleep(0.02)


async def main() -> None:
    agent = Agent(load(Path(sys.argv[2])), SystemdNotifier({}))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(agent.run())
        tasks.create_task(leak(agent))


asyncio.run(main())
