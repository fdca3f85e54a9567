"""Draws the stand-in pictures: ``python agent/streams/pictures/make_pictures.py``, with Debian's Chromium installed."""

from __future__ import annotations

import base64
import subprocess
import tempfile
from pathlib import Path

WORDS = {
    "paused": ("La classe reprend bientôt", "Class resumes shortly"),
    "camera-away": ("L’image revient dans un instant", "The picture will be back in a moment"),
    "camera-off": ("La caméra est coupée", "The camera is switched off"),
    "camera-covered": ("La caméra est masquée un moment", "The camera is covered for a moment"),
    "board-away": ("Le tableau revient dans un instant", "The board will be back in a moment"),
    "board-off": ("Le tableau n’est pas montré", "The board is not being shown"),
}
WIDTH_PX, HEIGHT_PX = 1280, 720
PAGE = """<!doctype html><meta charset="utf-8"><style>
* {{ margin: 0 }} html {{ height: 100%; background: #1f3a34 }}
body {{ height: 100%; display: grid; place-content: center; text-align: center; color: #f4f1e8;
       font-family: "DejaVu Sans", sans-serif }}
p {{ font-size: 60px }} p + p {{ margin-top: 28px; font-size: 38px; color: #b9c9c1 }}
hr {{ width: 420px; height: 10px; margin: 56px auto 0; border: 0; border-radius: 5px; background: #f4f1e8;
     opacity: .8 }}
</style><p lang="fr">{0}</p><p lang="en">{1}</p><hr>"""


def main() -> None:
    """Write one PNG for each entry of `WORDS` beside this file."""
    with tempfile.TemporaryDirectory() as profile:
        for name, words in WORDS.items():
            page = base64.b64encode(PAGE.format(*words).encode()).decode()
            subprocess.run(
                [
                    "chromium",
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-lcd-text",
                    f"--user-data-dir={profile}",
                    f"--window-size={WIDTH_PX},{HEIGHT_PX}",
                    f"--screenshot={Path(__file__).with_name(name + '.png')}",
                    f"data:text/html;base64,{page}",
                ],
                check=True,
            )


if __name__ == "__main__":
    main()
