"""What the process keeps of memory that nobody uses any more. Elsewhere than with the GNU C library little is done."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

_M_ARENA_MAX: Final = -8
ARENAS: Final = 2
"""Of memory, from which threads are given. The library's own eight for each core keep as many leftovers."""


def keep_few_arenas() -> None:
    """Let threads share memory (mallopt(3)); before the first one begins."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Give unused memory back to the system, some ms (malloc_trim(3)). Any thread."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def clear() -> None:
    """Look for what is left over in cycles, and give back. Stops all threads for about 0.1 s: not in a lesson."""
    gc.collect()
    give_back()
