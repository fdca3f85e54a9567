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
        "{name}, mot de passe affiché lors d’un démarrage précédent (make demo FRESH=1 repart de zéro)",
        "{name}, password shown at an earlier start (make demo FRESH=1 begins anew)",
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
    "failed": ("en panne", "failed"),
    "skipped": ("non essayé", "not tried"),
    "doctor-room": (
        "La salle est testée : on y entend un son et voit une image, quelques secondes.",
        "The room is being tested: a sound and a picture for some seconds.",
    ),
    "doctor-room-ok": ("La salle est prête ({took} s).", "The room is ready ({took} s)."),
    "doctor-room-warned": (
        "La salle est prête, avec {count} point(s) à voir ({took} s).",
        "The room is ready, with {count} thing(s) to look at ({took} s).",
    ),
    "doctor-failed": ("{count} point(s) en panne dans la salle ({took} s).", "{count} thing(s) failed ({took} s)."),
    "doctor-stopped": ("Le test a été arrêté dans la salle.", "The test was stopped in the room."),
    "doctor-lesson": (
        "Une classe est en cours : pour ne pas la déranger, caméra, micro, haut-parleur, tableau et réseau de la salle "
        "ne sont pas testés. Relancez la commande après la classe.",
        "A lesson is running: so as not to disturb it, the room's camera, microphone, loudspeaker, board and network "
        "are not tested. Run the command again after the lesson.",
    ),
    "doctor-calibrating": (
        "La salle est mesurée : elle doit être vide et silencieuse, lumières allumées ; un son y est joué…",
        "The room is being measured: it should be empty and quiet, lights on; a sound is played…",
    ),
    "doctor-calibrated": (
        "L’état normal de la salle est enregistré.",
        "The room's normal state is recorded.",
    ),
    "devices-none": ("Rien n’est branché ici qu’Estrade connaisse.", "Nothing is plugged in here that Estrade knows."),
    "devices-written": ("Écrit : {path}", "Written: {path}"),
    "devices-head": (
        "Fait par estrade devices : à relire, puis à placer en /etc/estrade/agent.toml (0640 root:estrade-agent).",
        "Made by estrade devices: read it, then put it into /etc/estrade/agent.toml (0640 root:estrade-agent).",
    ),
    "devices-room": (
        "Comme la salle est inscrite au centre : identifiant, territoire, et adresse du courtier plus bas.",
        "As the room is enrolled at the centre: id, territory, and the broker's address below.",
    ),
    "devices-serial": (
        "si le tableau y est relié ; le pilote dépend de sa marque (docs/drivers.md)",
        "if the board is wired to it; the driver depends on its make (docs/drivers.md)",
    ),
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
