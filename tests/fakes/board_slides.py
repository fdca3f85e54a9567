"""What a teacher puts on the board: a slide of small text, one with a photograph, and handwriting that grows."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.devices.i420 import from_bgr
from agent.devices.slides import Slides

WIDTH_PX, HEIGHT_PX = 1920, 1080
LINES = (
    "1. La photosynthese est le processus par lequel les plantes vertes fabriquent de la matiere organique.",
    "2. Elle a lieu dans les chloroplastes, qui contiennent un pigment vert : la chlorophylle.",
    "3. Equation : 6 CO2 + 6 H2O + lumiere -> C6H12O6 + 6 O2. Le dioxygene est rejete dans l'atmosphere.",
    "4. La respiration, au contraire, consomme du dioxygene et rejette du dioxyde de carbone, jour et nuit.",
    "5. Experience : une feuille panachee est placee douze heures a la lumiere, puis plongee dans l'eau iodee.",
    "6. Resultat : seules les parties vertes se colorent en bleu-noir ; l'amidon n'est produit que la.",
    "7. A retenir : lumiere, eau, dioxyde de carbone et chlorophylle sont les quatre conditions.",
    "8. Exercice 3 page 84 : calcule la masse de glucose formee par une feuille de 25 cm2 en 8 heures.",
)
TEXT_CAP_PX = 17
"""Height of a capital of 24 px text."""


def text() -> NDArray[np.uint8]:
    """Return a slide of 16 lines of 24 px text under a heading, as I420."""
    picture = np.full((HEIGHT_PX, WIDTH_PX, 3), 252, np.uint8)
    cv2.putText(picture, "La photosynthese", (100, 130), cv2.FONT_HERSHEY_DUPLEX, 2.2, (138, 79, 27), 4, cv2.LINE_AA)
    for number in range(16):
        line, y_px = LINES[number % len(LINES)], 220 + 52 * number
        cv2.putText(picture, line, (100, y_px), cv2.FONT_HERSHEY_DUPLEX, TEXT_CAP_PX / 22, (40, 34, 30), 1, cv2.LINE_AA)
    return from_bgr(picture)


def photograph() -> NDArray[np.uint8]:
    """Return a slide with a photograph of 960×720 px beside some lines of text, as I420."""
    picture = np.full((HEIGHT_PX, WIDTH_PX, 3), 252, np.uint8)
    portrait = cv2.imread(str(Path(__file__).with_name("teacher.webp")))
    assert portrait is not None
    height_px, width_px = portrait.shape[:2]
    share = max(960 / width_px, 720 / height_px)
    photo = cv2.resize(portrait, (round(width_px * share), round(height_px * share)), interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(1).integers(-6, 7, (720, 960, 3))
    picture[150:870, 860:1820] = np.clip(photo[:720, :960].astype(np.int16) + noise, 0, 255)
    for number, line in enumerate(LINES):
        cv2.putText(
            picture, line[:48], (90, 220 + 70 * number), cv2.FONT_HERSHEY_DUPLEX, 0.77, (40, 34, 30), 1, cv2.LINE_AA
        )
    return from_bgr(picture)


def handwriting(teaching_s: float) -> NDArray[np.uint8]:
    """Return the simulated board so long into its lesson, as I420."""
    slides = Slides(WIDTH_PX, HEIGHT_PX, "chalk")
    slides.advance(teaching_s)
    return slides.image.copy()
