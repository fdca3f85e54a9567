"""What the self-test says: its steps' names, a sentence for each outcome, and what to do; French and English."""

from __future__ import annotations

from collections.abc import Mapping

from agent.selftest.outcome import Outcome
from protocol.messages import Text

NAMES: Mapping[str, Text] = {
    "camera": Text(fr="Image de la caméra", en="Camera picture"),
    "microphone": Text(fr="Micro", en="Microphone"),
    "loop": Text(fr="Haut-parleur vers micro", en="Loudspeaker to microphone"),
    "board-seen": Text(fr="Tableau vu par la caméra", en="Board seen by the camera"),
    "board-power": Text(fr="Alimentation du tableau", en="Board power"),
    "av-offset": Text(fr="Son et image ensemble", en="Sound and picture together"),
    "uplink": Text(fr="Débit vers le centre", en="Line to the centre"),
    "turn": Text(fr="Relais pour les élèves", en="Relay for pupils"),
    "broker": Text(fr="Lien avec le centre", en="Link with the centre"),
    "clock": Text(fr="Horloge", en="Clock"),
    "disk": Text(fr="Disque", en="Disk"),
    "encoder": Text(fr="Encodage des images", en="Picture encoding"),
}

_Line = tuple[str, str] | tuple[str, str, str, str]
"""Sentence fr, en; then what to do, fr, en. A sentence may name ``{value}`` and what else its outcome carries."""

_HELP = ("Prévenez l’équipe qui tient Estrade.", "Tell the people who run Estrade.")
_PLUG_CAMERA = ("Vérifiez son câble et son alimentation.", "Check its cable and its power.")
_PLUG_MICROPHONE = (
    "Vérifiez son câble ; débranchez-le et rebranchez-le.",
    "Check its cable; unplug it and plug it in again.",
)
_CORRECT = (
    "Corrigez le réglage de la salle ; estrade devices montre ce qui est branché.",
    "Correct the room's configuration; estrade devices shows what is plugged in.",
)


def _device(fr: str, en: str, plug: tuple[str, str], *, e: str = "") -> dict[str, _Line]:
    """Return the sentences for each code with which a device can refuse; ``fr`` and ``en`` name it, ``e`` agrees."""
    return {
        "device-not-found": (f"{fr} est introuvable.", f"The {en} cannot be found.", *plug),
        "device-busy": (
            f"{fr} est pris{e} par un autre programme.",
            f"Another program uses the {en}.",
            "Fermez cet autre programme, ou redémarrez le boîtier.",
            "Close that program, or restart the mini-PC.",
        ),
        "device-timeout": (f"{fr} ne répond pas.", f"The {en} does not answer.", *plug),
        "device-lost": (f"{fr} s’est arrêté{e} pendant le test.", f"The {en} stopped during the test.", *plug),
        "device-permission": (
            f"{fr} existe, mais le programme n’a pas le droit de l’ouvrir.",
            f"The {en} is there, but the program may not open it.",
            "Installez les règles de deploy/udev et ajoutez estrade-agent aux groupes video et audio.",
            "Install the rules of deploy/udev and add estrade-agent to the groups video and audio.",
        ),
        "device-password": (
            f"{fr} refuse le mot de passe.",
            f"The {en} refuses the password.",
            "Corrigez le fichier nommé par password_file.",
            "Correct the file that password_file names.",
        ),
        "device-protocol": (
            f"{fr} : c’est un autre appareil qui répond.",
            f"The {en}: another device answers.",
            *_CORRECT,
        ),
        "device-unsupported": (
            f"{fr} ne sait pas faire ce qui est réglé.",
            f"The {en} cannot do what is set.",
            *_CORRECT,
        ),
        "device-ambiguous": (
            f"{fr} : le nom réglé désigne plusieurs appareils.",
            f"The {en}: the name that is set fits several devices.",
            *_CORRECT,
        ),
        "device-failed": (f"{fr} ne marche pas.", f"The {en} does not work.", *plug),
        "none": ("Pas essayé : la salle n’en a pas.", "Not tried: the room has none."),
    }


_STOPPED: Mapping[str, _Line] = {
    "device-failed": (
        "Un appareil s’est arrêté pendant le test.",
        "A device stopped during the test.",
        "Vérifiez les câbles de la caméra, du micro et du haut-parleur ; refaites le test.",
        "Check the cables of camera, microphone and loudspeaker; test again.",
    )
}
"""At a step of devices that were there when it began."""

_ANYWHERE: Mapping[str, _Line] = {
    "late": ("Pas de réponse à temps.", "No answer in time.", *_HELP),
    "internal": (
        "Le test lui-même est tombé en panne.",
        "The test itself failed.",
        "Prévenez l’équipe qui tient Estrade, avec le journal de l’agent.",
        "Tell the people who run Estrade, with the agent's log.",
    ),
    "stopped": ("Le test a été arrêté avant.", "The test was stopped before."),
    "no-centre": ("Pas essayé, faute de lien avec le centre.", "Not tried, for want of a link with the centre."),
}

_LINES: Mapping[str, Mapping[str, _Line]] = {
    "camera": {
        **_device("La caméra", "camera", _PLUG_CAMERA, e="e"),
        "": ("La caméra donne une image nette.", "The camera gives a sharp picture."),
        "works": ("La caméra donne des images.", "The camera gives pictures."),
        "black": (
            "La caméra montre une image noire.",
            "The camera shows a black picture.",
            "Ôtez le cache de l’objectif, ou ouvrez son volet.",
            "Take the cap off the lens, or open its shutter.",
        ),
        "dark": (
            "L’image est très sombre.",
            "The picture is very dark.",
            "Allumez la lumière et refaites le test.",
            "Switch on the light and test again.",
        ),
        "blurred": (
            "L’image est floue, ou la caméra ne voit qu’un mur.",
            "The picture is blurred, or the camera sees but a wall.",
            "Essuyez l’objectif, et tournez la caméra vers la salle.",
            "Wipe the lens, and point the camera at the room.",
        ),
    },
    "microphone": {
        **_device("Le micro", "microphone", _PLUG_MICROPHONE),
        "": ("Le micro entend la salle ({value} dBFS).", "The microphone hears the room ({value} dBFS)."),
        "gated": (
            "Le micro entend ; il supprime de lui-même le bruit de la salle vide.",
            "The microphone hears; it leaves out the noise of the empty room by itself.",
        ),
        "works": ("Le micro entend la salle.", "The microphone hears the room."),
        "nothing": ("Le micro ne donne aucun son.", "The microphone gives no sound.", *_PLUG_MICROPHONE),
        "silent": (
            "Le micro donne un silence parfait : il est coupé ou débranché.",
            "The microphone gives perfect silence: it is switched off or unplugged.",
            "Regardez s’il a un interrupteur ou une lumière rouge ; vérifiez son câble.",
            "Look for a switch or a red light on it; check its cable.",
        ),
        "muted": (
            "Le micro est presque muet ({value} dBFS) : il est coupé, ou son niveau est à zéro.",
            "The microphone is almost mute ({value} dBFS): switched off, or its level is at zero.",
            "Regardez son interrupteur, puis son niveau d’entrée.",
            "Look at its switch, then at its input level.",
        ),
        "clipping": (
            "Le micro sature.",
            "The microphone is overdriven.",
            "Baissez son niveau d’entrée.",
            "Lower its input level.",
        ),
        "noisy": (
            "Il y a beaucoup de bruit ({value} dBFS) : les élèves à distance entendront mal.",
            "There is much noise ({value} dBFS): remote pupils will hear badly.",
            "Fermez la fenêtre, éloignez le micro du ventilateur ; si on parlait, refaites le test.",
            "Close the window, move the microphone away from fans; if people talked, test again.",
        ),
    },
    "loop": {
        **_STOPPED,
        "": (
            "Le micro entend le haut-parleur, {value} ms après.",
            "The microphone hears the loudspeaker, {value} ms later.",
        ),
        "not-heard": (
            "Le micro n’entend pas le haut-parleur : la salle n’entendrait pas un élève à distance.",
            "The microphone does not hear the loudspeaker: the room would not hear a remote pupil.",
            "Allumez le haut-parleur ou la barre, montez le volume, vérifiez le câble.",
            "Switch the loudspeaker or the bar on, turn the volume up, check the cable.",
        ),
        "too-short": (
            "Le son arrive au micro sans passer par l’air ({value} ms) : ce n’est pas le bon micro.",
            "The sound reaches the microphone without crossing the air ({value} ms): the wrong microphone.",
            "Choisissez le micro de la salle, et non le retour de la sortie son.",
            "Choose the room's microphone, and not the monitor of the sound output.",
        ),
        "too-long": (
            "Le son met {value} ms du haut-parleur au micro : les élèves s’entendraient en écho.",
            "The sound takes {value} ms from loudspeaker to microphone: pupils would hear an echo.",
            "Évitez le haut-parleur Bluetooth ou les effets du tableau.",
            "Avoid a Bluetooth loudspeaker or the board's sound effects.",
        ),
        "fainter": (
            "Le micro entend le haut-parleur bien moins fort que d’habitude ({value} dB).",
            "The microphone hears the loudspeaker much fainter than usual ({value} dB).",
            "Montez le volume, regardez où est le micro ; si la salle a changé, mémorisez son état normal.",
            "Turn the volume up, see where the microphone is; if the room has changed, record its normal state.",
        ),
        "louder": (
            "Le micro entend le haut-parleur bien plus fort que d’habitude (+{value} dB).",
            "The microphone hears the loudspeaker much louder than usual (+{value} dB).",
            "Baissez le volume, ou éloignez le micro ; si la salle a changé, mémorisez son état normal.",
            "Turn the volume down, or move the microphone; if the room has changed, record its normal state.",
        ),
        "no-loudspeaker": (
            "Pas essayé : aucun haut-parleur n’est réglé dans [microphone].",
            "Not tried: no loudspeaker is configured in [microphone].",
        ),
        "no-sound": ("Pas essayé : le micro ne donne pas de son.", "Not tried: the microphone gives no sound."),
    },
    "board-seen": {
        **_STOPPED,
        "": (
            "Le tableau est allumé, et la caméra le voit net.",
            "The board is on, and the camera sees it sharp.",
        ),
        "not-seen": (
            "La caméra ne voit pas le tableau.",
            "The camera does not see the board.",
            "Vérifiez qu’il est allumé et sur la bonne entrée, que la caméra est tournée vers lui, et nette. "
            "Si elle ne doit pas le voir : [selftest] camera_sees_board = false.",
            "Check that it is on and at the right input, that the camera points at it, and that it is in focus. "
            "If it is not meant to see it: [selftest] camera_sees_board = false.",
        ),
        "no-screen": (
            "Rien ne peut être montré au tableau : sa session X11 ne répond pas.",
            "Nothing can be shown on the board: its X11 session does not answer.",
            "Vérifiez que la session graphique est ouverte, et display dans [board].",
            "See that the graphical session is open, and display in [board].",
        ),
        "no-camera": ("Pas essayé : la caméra ne donne pas d’image.", "Not tried: the camera gives no picture."),
        "not-meant": (
            "Pas essayé : la caméra ne doit pas voir le tableau (camera_sees_board = false).",
            "Not tried: the camera is not meant to see the board (camera_sees_board = false).",
        ),
        "not-x11": (
            "Pas essayé : le boîtier n’affiche pas lui-même ce que montre le tableau.",
            "Not tried: the mini-PC does not itself show what is on the board.",
        ),
        "board-off": (
            "Pas essayé : le tableau est éteint ; Démarrer l’allumera.",
            "Not tried: the board is off; Start will switch it on.",
        ),
        "none": ("Pas essayé : la salle n’a pas de tableau.", "Not tried: the room has no board."),
    },
    "board-power": {
        "": ("Le tableau répond aux commandes.", "The board answers commands."),
        "none": (
            "Pas essayé : la salle ne commande pas son tableau (pas de [display]).",
            "Not tried: the room does not control its board (no [display]).",
        ),
        "unknown": ("Le tableau n’a pas encore été interrogé.", "The board has not been asked yet."),
    },
    "av-offset": {
        **_STOPPED,
        "": (
            "Son et image vont ensemble ({value} ms d’écart).",
            "Sound and picture go together ({value} ms apart).",
        ),
        "early": (
            "Le son est en avance de {late} ms sur l’image.",
            "The sound is {late} ms ahead of the picture.",
            "Une caméra réseau est souvent en cause : réglez delay_s dans [camera].",
            "Often a network camera causes it: set delay_s in [camera].",
        ),
        "late": (
            "Le son est en retard de {late} ms sur l’image.",
            "The sound is {late} ms behind the picture.",
            "Vérifiez le haut-parleur (Bluetooth, effets du tableau) avant la caméra et le micro.",
            "Check the loudspeaker (Bluetooth, the board's effects) before camera and microphone.",
        ),
        "not-seen": (
            "Pas mesuré : il faut que la caméra voie le tableau et que le micro entende le haut-parleur.",
            "Not measured: the camera has to see the board and the microphone to hear the loudspeaker.",
        ),
    },
    "uplink": {
        "": ("Le centre répond en {value} ms.", "The centre answers within {value} ms."),
        "rate": (
            "Le centre répond en {value} ms, et {mbps} Mbit/s passent ({wanted_mbps} suffisent).",
            "The centre answers within {value} ms, and {mbps} Mbit/s pass ({wanted_mbps} are enough).",
        ),
        "no-answer": (
            "Le centre ne répond pas.",
            "The centre does not answer.",
            "Vérifiez le câble réseau et le pare-feu de l’école ; la classe peut démarrer.",
            "Check the network cable and the school's firewall; the class can start.",
        ),
        "narrow": (
            "Seuls {mbps} Mbit/s passent vers le centre ; il en faut {wanted_mbps}.",
            "Only {mbps} Mbit/s pass to the centre; {wanted_mbps} are needed.",
            "Branchez le boîtier par câble ; voyez si une autre machine occupe la ligne.",
            "Connect the mini-PC by cable; see whether another machine fills the line.",
        ),
        "lossy": (
            "Une partie des questions au centre reste sans réponse.",
            "Some questions to the centre stay without an answer.",
            "Branchez le boîtier par câble ; voyez le commutateur et la ligne de l’école.",
            "Connect the mini-PC by cable; see the switch and the school's line.",
        ),
        "slow": (
            "Le centre répond lentement ({value} ms).",
            "The centre answers slowly ({value} ms).",
            "Branchez le boîtier par câble ; voyez si une autre machine occupe la ligne.",
            "Connect the mini-PC by cable; see whether another machine fills the line.",
        ),
    },
    "turn": {
        "": ("Le relais répond.", "The relay answers."),
        "none": ("Pas essayé : le centre n’a pas de relais.", "Not tried: the centre has no relay."),
        "unknown": ("Le centre n’a pas dit à temps quel est le relais.", "The centre did not say in time which relay."),
    },
    "broker": {
        "": ("La salle est reliée au centre.", "The room is connected to the centre."),
        "no-controller": (
            "La salle est reliée, mais le centre est arrêté.",
            "The room is connected, but the centre is stopped.",
            *_HELP,
        ),
        "away": (
            "La salle n’a pas de lien avec le centre.",
            "The room has no link with the centre.",
            "Vérifiez le câble réseau et le pare-feu (port 8883) ; la classe peut démarrer.",
            "Check the network cable and the firewall (port 8883); the class can start.",
        ),
    },
    "clock": {
        "": ("L’horloge du boîtier est juste.", "The mini-PC's clock is right."),
        "off": (
            "L’horloge du boîtier est fausse de {value} {unit}.",
            "The mini-PC's clock is wrong by {value} {unit}.",
            "Vérifiez que chrony ou systemd-timesyncd tourne et joint un serveur de temps.",
            "See that chrony or systemd-timesyncd runs and reaches a time server.",
        ),
        "wrong": (
            "L’horloge du boîtier est fausse de {value} {unit} : certificats et caméras peuvent la refuser.",
            "The mini-PC's clock is wrong by {value} {unit}: certificates and cameras may refuse it.",
            "Vérifiez que chrony ou systemd-timesyncd tourne et joint un serveur de temps.",
            "See that chrony or systemd-timesyncd runs and reaches a time server.",
        ),
    },
    "disk": {
        "": ("Le disque enregistre ; {value} % sont libres.", "The disk stores; {value}% are free."),
        "full": (
            "Le disque est presque plein : {value} % sont libres.",
            "The disk is almost full: {value}% are free.",
            "Libérez de la place sur le boîtier.",
            "Free some space on the mini-PC.",
        ),
        "not-written": (
            "Le disque n’enregistre rien.",
            "The disk stores nothing.",
            "Libérez de la place ou remplacez le disque avant d’éteindre le boîtier.",
            "Free space or replace the disk before the mini-PC is switched off.",
        ),
    },
    "encoder": {
        "": ("Le processeur encode les images.", "The processor encodes the pictures."),
        "hardware": (
            "La puce graphique du boîtier encode les images.",
            "The mini-PC's graphics chip encodes the pictures.",
        ),
        "refused": (
            "Le processeur encode les images : la puce graphique a échoué à l’essai.",
            "The processor encodes the pictures: the graphics chip failed its trial.",
        ),
    },
}


def name(step: str) -> Text:
    """Return what a step is called."""
    return NAMES[step]


def words(step: str, outcome: Outcome) -> tuple[Text, Text | None]:
    """Return the sentence for an outcome, and what to do where there is something to do."""
    if outcome.message is not None:
        return outcome.message, outcome.remedy
    lines = {**_ANYWHERE, **_LINES[step]}
    is_device = outcome.variant.startswith("device-") and "device-failed" in lines
    line = lines.get(outcome.variant) or lines["device-failed" if is_device else "internal"]
    numbers: dict[str, float | str] = {**outcome.more, "unit": outcome.unit or ""}
    if outcome.value is not None:
        numbers |= {"value": outcome.value, "late": abs(outcome.value)}
    said = Text(fr=_filled(line[0], numbers, ","), en=_filled(line[1], numbers, "."))
    if len(line) == 2:
        return said, None
    return said, Text(fr=line[2], en=line[3])


def variants(step: str) -> set[str]:
    """Return the variants that have words of their own at this step."""
    return {*_LINES[step], *_ANYWHERE}


def _filled(sentence: str, numbers: Mapping[str, float | str], point: str) -> str:
    shown = {
        key: value if isinstance(value, str) else f"{value:g}".replace(".", point).replace("-", "−")
        for key, value in numbers.items()
    }
    return sentence.format(**shown)
