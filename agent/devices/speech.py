"""What the simulated microphone hears: a teacher's French by espeak-ng, or a melody where that is not installed."""

from __future__ import annotations

import hashlib
import io
import logging
import math
import os
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.media import SAMPLE_RATE_HZ

log = logging.getLogger(__name__)

LESSON = """
Bonjour à tous ! Tout le monde m’entend bien, ici dans la classe et à la maison ?
Très bien. Aujourd’hui, nous allons parler du théorème de Pythagore.
Regardez le tableau. J’ai dessiné un triangle rectangle. L’angle droit est ici, en bas à gauche.
Le plus grand côté, celui qui est en face de l’angle droit, s’appelle l’hypoténuse. Répétez avec moi : l’hypoténuse.
Le théorème dit ceci : le carré de l’hypoténuse est égal à la somme des carrés des deux autres côtés.
Prenons un exemple. Le premier côté mesure six centimètres, le deuxième huit centimètres.
Six fois six, trente-six. Huit fois huit, soixante-quatre. Trente-six plus soixante-quatre ?
Oui, cent ! Et la racine carrée de cent, c’est dix. L’hypoténuse mesure donc dix centimètres.
Est-ce que quelqu’un a une question ? Vous pouvez lever la main, même si vous êtes à la maison.
Parfait. Alors ouvrez votre cahier, et faites les exercices quatre et sept, page cent douze.
"""
RATE_WPM = 145
PEAK = 0.5
"""Of full scale: a well set microphone, about -20 dBFS while somebody speaks."""
PAUSE_S = 2.0


def speech(cache_dir: Path | None) -> NDArray[np.int16]:
    """Return about a minute of French, 48 kHz mono, to be repeated; made once and kept in ``cache_dir``.

    None is ``estrade`` in XDG_CACHE_HOME. A melody where espeak-ng is not installed (Debian package espeak-ng).
    """
    program = shutil.which("espeak-ng")
    if program is None:
        log.warning("espeak-ng is not installed; the simulated microphone plays a melody")
        return melody()
    folder = cache_dir or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "estrade"
    name = hashlib.sha256(f"{LESSON}{RATE_WPM}{PEAK}{PAUSE_S}".encode()).hexdigest()[:16]
    kept = folder / f"speech-{name}.npy"
    try:
        loaded: NDArray[np.int16] = np.load(kept, mmap_mode="r")
        return loaded
    except (OSError, ValueError):
        samples = _speak(program)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}")
        with partial.open("wb") as file:
            np.save(file, samples)
        partial.rename(kept)
    except OSError as error:  # a read-only home costs half a second at the next open, no more
        log.info("the speech cannot be kept", extra={"problem": str(error)})
    return samples


def _speak(program: str) -> NDArray[np.int16]:
    command = [program, "-v", "fr", "-s", str(RATE_WPM), "--stdout"]
    spoken = subprocess.run(command, input=LESSON.encode(), capture_output=True, check=True, timeout=20).stdout
    with wave.open(io.BytesIO(spoken)) as file:
        rate_hz = file.getframerate()
        # To standard output espeak-ng cannot know the length and writes the largest there is.
        sound = np.frombuffer(file.readframes((len(spoken) - 44) // 2), np.int16).astype(np.float32)
    sound = resample(sound, rate_hz)
    sound *= PEAK * 32767 / max(float(np.abs(sound).max()), 1.0)
    return np.concatenate((sound, np.zeros(int(PAUSE_S * SAMPLE_RATE_HZ)))).astype(np.int16)


def resample(sound: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """Return a whole sound at 48 kHz, by its spectrum: exact for what lies below both Nyquist frequencies."""
    # Padded to a length with small prime factors: a Fourier transform of any other takes thirty times as long.
    unit = rate_hz // math.gcd(rate_hz, SAMPLE_RATE_HZ) * 1024
    wanted_length = round(len(sound) * SAMPLE_RATE_HZ / rate_hz)
    sound = np.pad(sound, (0, -len(sound) % unit))
    length = len(sound) * SAMPLE_RATE_HZ // rate_hz
    spectrum = np.fft.rfft(sound)
    wanted = np.zeros(length // 2 + 1, np.complex128)
    shared = min(len(spectrum), len(wanted))
    wanted[:shared] = spectrum[:shared]
    result: NDArray[np.float32] = (np.fft.irfft(wanted, length) * (length / len(sound))).astype(np.float32)
    return result[:wanted_length]


def melody() -> NDArray[np.int16]:
    """Return a soft tune of 12 s, 48 kHz mono."""
    notes_hz = (262, 294, 330, 392, 330, 294, 262, 196, 220, 262, 294, 262)
    at_s = np.arange(SAMPLE_RATE_HZ, dtype=np.float64) / SAMPLE_RATE_HZ
    fade = np.minimum(at_s / 0.05, 1) * np.exp(-3 * at_s)
    tune = [fade * (np.sin(2 * np.pi * hz * at_s) + 0.3 * np.sin(4 * np.pi * hz * at_s)) for hz in notes_hz]
    return (np.concatenate(tune) * PEAK * 0.5 * 32767).astype(np.int16)


def tone(hz: int) -> NDArray[np.int16]:
    """Return one second of an even tone, to be repeated without a seam."""
    at_s = np.arange(SAMPLE_RATE_HZ, dtype=np.float64) / SAMPLE_RATE_HZ
    return (np.sin(2 * np.pi * hz * at_s) * PEAK * 0.5 * 32767).astype(np.int16)
