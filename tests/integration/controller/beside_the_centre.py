"""A centre whose own interface has addresses of the internet, in namespaces of its own; tells what it goes to."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from ipaddress import ip_network

from controller.config import FetchConfig
from controller.safe_http import SafeHttp
from protocol.errors import FetchError
from tests.outside import outside, saying

OWN, NEIGHBOUR, NEIGHBOUR_V6, ELSEWHERE = "9.8.7.1", "9.8.7.2", "[2a01:e0a:1::2]", "9.8.6.1"


async def went(http: SafeHttp, host: str, port: int) -> str:
    """Return the status that came back, or the code of the refusal."""
    try:
        return str((await http.get(f"http://{host}:{port}/", most_bytes=100)).status)
    except FetchError as error:
        return error.code


async def main() -> None:
    """Print one line of JSON."""
    async with outside(saying(b"inside"), host=OWN) as server:
        port = server.port
        http = SafeHttp(FetchConfig(plain_http=True, ports=(port,)))
        said: dict[str, str | int] = {
            "own address": await went(http, OWN, port),
            "neighbour": await went(http, NEIGHBOUR, port),
            "neighbour in IPv6": await went(http, NEIGHBOUR_V6, port),
            "elsewhere": await went(http, ELSEWHERE, port),
        }
        allowing = SafeHttp(FetchConfig(plain_http=True, ports=(port,), allowed=(ip_network("9.8.7.0/24"),)))
        said["allowed"] = await went(allowing, OWN, port)
        said["connections"] = server.connections
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    for words in ("link set lo up", f"addr add {OWN}/24 dev lo", "addr add 2a01:e0a:1::1/64 dev lo"):
        subprocess.run(["ip", *words.split()], check=True)
    asyncio.run(main())
