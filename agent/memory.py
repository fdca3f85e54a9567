"""What the process keeps of memory that nobody uses any more. Elsewhere than with the GNU C library little is done."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
ARENAS: Final = 2
"""Of memory, from which threads are given. The library's own eight for each core keep as many leftovers."""
LARGE_BYTES: Final = 4 << 20
"""From here on a piece is a mapping of its own, gone when it is freed: what an encoder works in. The library counts up
to 32 MiB as small once one of that size was freed, and what lies between others stays. A picture is smaller (3.1e6 of
1080p): to map one anew each time would cost its pages' faults."""
KEPT_BYTES: Final = 16 << 20
"""Free memory at the end of an arena that is kept for the next pictures."""


def keep_little() -> None:
    """Let threads share memory, and large pieces go back at once (mallopt(3)); before the first thread begins."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, ARENAS)
        libc.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)


def give_back() -> None:
    """Give unused memory back to the system, some ms (malloc_trim(3)). Any thread."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def clear() -> None:
    """Look for what is left over in cycles, and give back. Stops all threads for about 0.1 s: not in a lesson."""
    gc.collect()
    give_back()
