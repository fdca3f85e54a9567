"""What the command line says to people, in French and English. Errors keep their English sentence and stable code."""

from __future__ import annotations

import os
from collections.abc import Mapping

WORDS: dict[str, tuple[str, str]] = {
    # key: (French, English)
    "starting": ("Démarrage…", "Starting…"),
    "preparing": ("Préparation des certificats…", "Preparing certificates…"),
    "panel": ("Panneau de la salle", "Room panel"),
    "pupil": ("Page des élèves", "Pupils' page"),
    "it": ("Page informatique", "IT page"),
    "code": ("Code", "Code"),
    "it-account": ("Compte", "Account"),
    "it-password": (
        "{name}, mot de passe {password} (affiché cette seule fois)",
        "{name}, password {password} (shown this once)",
    ),
    "it-password-known": (
        "{name}, mot de passe affiché lors d’un démarrage précédent (--fresh repart de zéro)",
        "{name}, password shown at an earlier start (--fresh begins anew)",
    ),
    "rooms": ("Salles simulées", "Simulated rooms"),
    "logs": ("Journaux", "Logs"),
    "ca": ("Autorité à installer sur le téléphone", "Authority to install on the phone"),
    "ca-print": ("Empreinte SHA-256", "SHA-256 fingerprint"),
    "press": (
        "Ouvrez le panneau et appuyez sur Démarrer ; un élève peut déjà attendre à son lien.",
        "Open the panel and press Start; a pupil may already wait at the link.",
    ),
    "started": ("Le cours est lancé.", "The lesson runs."),
    "stop": ("Ctrl-C arrête tout.", "Ctrl-C stops everything."),
    "stopping": ("Arrêt…", "Stopping…"),
    "restarted": ("{name} s’est arrêté ({why}) et redémarre.", "{name} ended ({why}) and is started again."),
    "missing": ("manque", "missing"),
    "ok": ("bien", "ok"),
    "warning": ("à voir", "look at"),
    "doctor-ok": ("Tout ce qu’il faut est là.", "Everything needed is there."),
    "doctor-missing": ("Il manque {count} chose(s).", "{count} thing(s) missing."),
    "no-rooms": ("Aucune salle n’est connue de ce centre.", "This centre knows no room."),
    "head-room": ("Salle", "Room"),
    "head-name": ("Nom", "Name"),
    "head-link": ("Liaison", "Link"),
    "head-state": ("Cours", "Lesson"),
    "head-viewers": ("Élèves", "Pupils"),
    "head-status": ("État", "Status"),
    "password-ask": ("Mot de passe de {name} : ", "Password of {name}: "),
}


def language(environ: Mapping[str, str] = os.environ) -> str:
    """Return ``fr`` or ``en`` as LC_ALL, LC_MESSAGES or LANG says (POSIX's order)."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environ.get(name):
            return "fr" if value.lower().startswith("fr") else "en"
    return "en"


def say(key: str, **values: object) -> str:
    """Return a sentence in the user's language."""
    french, english = WORDS[key]
    return (french if language() == "fr" else english).format(**values)
