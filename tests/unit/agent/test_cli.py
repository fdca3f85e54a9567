"""What ``estrade-agent`` sees to before it runs a room."""

from __future__ import annotations

import subprocess
import sys


def test_a_room_has_no_threads_for_matrices() -> None:
    program = (
        "import os\nfrom agent import cli\n"
        "assert cli.main(['--config', '/nowhere.toml']) == cli.EXIT_USER\n"
        "import numpy, cv2\nnumpy.ones((200, 200)) @ numpy.ones((200, 200))\n"
        "print(len(os.listdir('/proc/self/task')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
