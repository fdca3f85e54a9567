"""The spare process: it has the drivers' heavy modules imported, and forks a capture process in milliseconds.

Started by `agent.devices.capture` as ``python -m agent.devices.spare FD PARENT_PID`` with the modules to import as
further arguments. One thread and no child of its own until asked, so that fork is safe; it touches no device. It
tells the agent how each capture process ended. It ends, and its children with it, when the agent ends in whatever way.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys

from agent.devices import capture_protocol as wire
from agent.devices.capture_child import ChildRequest, run_child

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent ends; end at once when it already has (prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:
        os._exit(1)


def set_process_name(name: str) -> None:
    """Name the process in ``ps`` and ``top`` (15 bytes count)."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


class Spare:
    """The loop of the spare process."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._running: dict[int, tuple[int, int]] = {}
        """pidfd → (number of the request, pid)."""

    def run(self, modules: list[str]) -> None:
        """Import, then serve until the agent is gone."""
        problems = []
        for module in modules:
            try:
                importlib.import_module(module)
            except Exception as error:  # a driver that cannot load is told when it is opened, not by a spare that dies
                problems.append(f"{module}: {error}")
        _calm_native_threads()
        gc.collect()
        gc.freeze()  # or each child's first collection would touch, and so copy, every page of the imports
        self._tell({"ready": True, "problems": problems})
        while True:
            for fd, _events in self._poll.poll():
                if fd != self._control.fileno():
                    self._report_exit(fd)
                elif not self._serve():
                    return

    def _serve(self) -> bool:
        packet, fds, _flags, _address = socket.recv_fds(self._control, wire.LARGEST_PACKET, 2)
        if not packet:
            return False
        message = json.loads(packet)
        number = message.pop("number")
        device_fd, ring_fd = fds
        try:
            self._fork(number, ChildRequest(**message), device_fd, ring_fd)
        finally:
            os.close(device_fd)
            os.close(ring_fd)
        return True

    def _fork(self, number: int, request: ChildRequest, device_fd: int, ring_fd: int) -> None:
        spare_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                die_with_parent(spare_pid)
                self._forget()
                set_process_name(f"es-{request.device_id}")
                run_child(request, socket.socket(fileno=device_fd), ring_fd)
            finally:
                os._exit(1)  # whatever happens: the spare's own frames must never run on in the child
        pidfd = os.pidfd_open(pid)
        self._running[pidfd] = (number, pid)
        self._poll.register(pidfd, select.POLLIN)
        self._tell({"started": number, "pid": pid}, pidfd)

    def _forget(self) -> None:
        """In the child: let go of everything that is the spare's."""
        self._control.close()
        for pidfd in self._running:
            os.close(pidfd)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _report_exit(self, pidfd: int) -> None:
        number, pid = self._running.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        self._tell({"exited": number, "status": os.waitstatus_to_exitcode(status)})

    def _tell(self, message: dict[str, object], *fds: int) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the next read sees the end of file
            socket.send_fds(self._control, [json.dumps(message).encode()], list(fds))


def _calm_native_threads() -> None:
    """Keep OpenCV from starting a thread for each core in every capture process."""
    cv2 = sys.modules.get("cv2")
    if cv2 is not None:
        cv2.setNumThreads(1)


def main() -> None:
    """Run as the spare process."""
    control_fd, parent_pid, *modules = sys.argv[1:]
    die_with_parent(int(parent_pid))
    set_process_name("estrade-spare")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the agent closes us in good order
    with socket.socket(fileno=int(control_fd)) as control:
        Spare(control).run(modules)


if __name__ == "__main__":
    main()
