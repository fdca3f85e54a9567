"""What the check ``camera-turning`` says, in French and English, by the code of what is wrong."""

from __future__ import annotations

from collections.abc import Mapping

from protocol.messages import Text

UNKNOWN = Text(
    fr="La commande de la caméra n’a pas encore répondu.", en="The camera's motor control has not answered yet."
)
OTHER = Text(fr="La caméra ne se laisse pas orienter.", en="The camera cannot be turned.")
MESSAGES: Mapping[str, Text] = {
    "device-not-found": Text(
        fr="La commande de la caméra est introuvable : les vues enregistrées ne répondent pas.",
        en="The camera's motor control cannot be found: stored views do not answer.",
    ),
    "device-timeout": Text(
        fr="La commande de la caméra ne répond pas.", en="The camera's motor control does not answer."
    ),
    "device-lost": Text(fr="La commande de la caméra s’est arrêtée.", en="The camera's motor control has stopped."),
    "device-busy": Text(
        fr="La commande de la caméra est prise par un autre programme.",
        en="Another program holds the camera's motor control.",
    ),
    "device-password": Text(
        fr="La caméra refuse le mot de passe réglé ; il n’est plus essayé.",
        en="The camera refuses the password that is set; it is not tried any more.",
    ),
    "device-protocol": Text(
        fr="Ce qui répond à l’adresse de la caméra n’est pas l’appareil réglé.",
        en="What answers at the camera's address is not the device that is set.",
    ),
    "device-permission": Text(
        fr="Le boîtier n’a pas le droit d’ouvrir le port de la caméra.",
        en="The mini-PC may not open the camera's port.",
    ),
    "device-unsupported": Text(
        fr="La caméra ne sait pas faire ce qui est réglé.", en="The camera cannot do what is set."
    ),
    "device-ambiguous": Text(
        fr="Le nom réglé convient à plusieurs choses de la caméra.",
        en="The name that is set fits several of the camera's.",
    ),
}
REMEDY = Text(
    fr="Vérifier l’alimentation et le câble de la caméra, puis [ptz] dans le fichier de la salle.",
    en="Check the camera's power and cable, then [ptz] in the room's file.",
)
TO_CHECK = Text(
    fr="Une vue de la caméra n’a pas été vérifiée : les élèves ne la voient pas.",
    en="A view of the camera has not been checked: pupils do not see it.",
)
MOVED = Text(
    fr="La caméra a été déplacée : une vue est à vérifier, et les élèves ne la voient pas.",
    en="The camera was moved: a view has to be checked, and pupils do not see it.",
)
LOOK = Text(
    fr="Sur le panneau, pendant une classe : Orienter, puis Vérifier cette vue.",
    en="On the panel, during a lesson: Aim, then Check this view.",
)
