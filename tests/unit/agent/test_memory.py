"""Memory that nobody uses: few arenas, no large leftovers, and given back."""

from __future__ import annotations

import subprocess
import sys

_FEW = """
import ctypes, tempfile, threading
from agent import memory
memory.keep_little()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
gate = threading.Barrier(7)
libc.malloc.restype = ctypes.c_void_p
def hold():
    libc.malloc(ctypes.c_size_t(1000))
    gate.wait()
    gate.wait()
for _ in range(6):
    threading.Thread(target=hold).start()
gate.wait()
with tempfile.TemporaryFile() as told:
    stream = ctypes.c_void_p(libc.fdopen(told.fileno(), b"w"))
    libc.malloc_info(0, stream)
    libc.fflush(stream)
    told.seek(0)
    print(told.read().count(b"<heap nr"), memory.ARENAS)
gate.wait()
"""
_LARGE = """
import ctypes, resource
from agent import memory
memory.keep_little()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def held(size):
    place = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(size)))
    ctypes.memset(place, 1, size)
    return place
def mb():
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * 4096 / 1e6
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
libc.free(held(30_000_000))  # the largest that may teach the library what to count as small
large, wall = held(10_000_000), held(3_000)
before = mb()
libc.free(large)
print(before - mb())
libc.free(held(3_110_400))
before = faults()
for _ in range(10):
    libc.free(held(3_110_400))
print(faults() - before)
"""
_BACK = """
import ctypes
from pathlib import Path
from agent import memory
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
def held(size):
    place = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(size)))
    ctypes.memset(place, 1, size)
    return place
large = [(held(100_000), held(3_000)) for _ in range(500)]  # what stays between keeps the heap from shrinking
for place, _ in large:
    libc.free(place)
before = mb()
memory.give_back()
print(before - mb())
"""


def _told(program: str) -> list[float]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def test_many_threads_share_few_arenas() -> None:
    found, most = _told(_FEW)
    assert found == most


def test_a_large_piece_goes_back_at_once_and_a_pictures_stays_for_the_next() -> None:
    given_mb, faults = _told(_LARGE)
    assert given_mb > 9
    assert faults < 100  # each picture has 760 pages


def test_what_was_freed_goes_back_to_the_system() -> None:
    (given_mb,) = _told(_BACK)
    assert given_mb > 40
