"""Every check's sentence and remedy, in a teacher's words, French and English."""

from __future__ import annotations

from collections.abc import Mapping

from agent.health.host_words import HOST_WORDS
from agent.health.line_words import LINE_WORDS
from agent.health.wording import Words, wording


def words(check: str, variant: str = "") -> Words:
    """Return sentence and remedy of a fault; a check without ``variant`` of its own has one sentence for all."""
    of_check = WORDS[check]
    return of_check.get(variant) or of_check[""]


_CAMERA: Mapping[str, Mapping[str, Words]] = {
    "picture-no-frames": {
        "": wording(
            "La caméra n’envoie plus d’image.",
            "The camera sends no picture any more.",
            "Vérifiez son câble et son alimentation ; débranchez-la et rebranchez-la.",
            "Check its cable and its power; unplug it and plug it in again.",
        )
    },
    "picture-black": {
        "": wording(
            "La caméra montre une image noire.",
            "The camera shows a black picture.",
            "Ôtez le cache de l’objectif, ou ouvrez son volet.",
            "Take the cap off the lens, or open its shutter.",
        )
    },
    "picture-frozen": {
        "": wording(
            "L’image de la caméra est figée.",
            "The camera's picture is frozen.",
            "Débranchez la caméra quelques secondes, puis rebranchez-la.",
            "Unplug the camera for a few seconds, then plug it in again.",
        )
    },
    "picture-covered": {
        "": wording(
            "Quelque chose cache l’objectif de la caméra.",
            "Something covers the camera's lens.",
            "Dégagez l’objectif : main, papier, vêtement ou autocollant.",
            "Clear the lens: a hand, paper, cloth or a sticker.",
        )
    },
    "picture-blurred": {
        "": wording(
            "L’image de la caméra est floue.",
            "The camera's picture is blurred.",
            "Essuyez l’objectif avec un chiffon doux ; si cela reste, réglez sa mise au point.",
            "Wipe the lens with a soft cloth; if it stays so, set its focus.",
        )
    },
    "picture-over-exposed": {
        "": wording(
            "L’image de la caméra est trop claire : une grande partie est toute blanche.",
            "The camera's picture is too bright: a large part of it is all white.",
            "Baissez un store, ou tournez la caméra à l’opposé de la fenêtre.",
            "Lower a blind, or turn the camera away from the window.",
        )
    },
    "picture-under-exposed": {
        "": wording(
            "L’image de la caméra est trop sombre : on ne distingue presque rien.",
            "The camera's picture is too dark: almost nothing can be made out.",
            "Allumez la lumière, ou remettez l’exposition de la caméra en automatique.",
            "Switch on the light, or set the camera's exposure to automatic again.",
        )
    },
    "picture-white-balance": {
        "": wording(
            "Les couleurs de la caméra sont fausses.",
            "The camera's colours are wrong.",
            "Remettez la balance des blancs de la caméra en automatique.",
            "Set the camera's white balance to automatic again.",
        )
    },
    "picture-flicker": {
        "": wording(
            "L’image de la caméra scintille avec l’éclairage.",
            "The camera's picture flickers with the lighting.",
            "Réglez la fréquence du secteur de la caméra sur 50 Hz.",
            "Set the camera's mains frequency to 50 Hz.",
        )
    },
    "picture-moved": {
        "": wording(
            "La caméra n’est plus tournée comme prévu.",
            "The camera does not point where it should.",
            "Remettez-la en place, ou faites un nouveau réglage de la salle.",
            "Put it back in place, or calibrate the room again.",
        ),
        "other-scene": wording(
            "La caméra montre autre chose que prévu.",
            "The camera shows something other than it should.",
            "Tournez-la de nouveau vers la classe, ou faites un nouveau réglage de la salle.",
            "Point it at the class again, or calibrate the room again.",
        ),
    },
    "picture-rate": {
        "": wording(
            "La caméra donne moins d’images par seconde que prévu : les gestes sont saccadés.",
            "The camera gives fewer pictures a second than it should: movements are jerky.",
            "Branchez-la sur une prise USB du boîtier même (USB 3), sans multiprise.",
            "Plug it into a USB port of the mini-PC itself (USB 3), without a hub.",
        )
    },
    "picture-resolution": {
        "": wording(
            "L’image de la caméra est plus petite que prévu.",
            "The camera's picture is smaller than it should be.",
            "Débranchez la caméra et rebranchez-la ; si cela reste, vérifiez sa taille réglée.",
            "Unplug the camera and plug it in again; if it stays so, check the size that is set.",
        )
    },
}
_BOARD: Mapping[str, Mapping[str, Words]] = {
    "board-picture-no-frames": {
        "": wording(
            "L’image du tableau n’arrive plus.",
            "The board's picture does not arrive any more.",
            "Vérifiez le câble du tableau ; si cela reste, redémarrez le boîtier après la classe.",
            "Check the board's cable; if it stays so, restart the mini-PC after the class.",
        )
    },
    "board-picture-black": {
        "": wording(
            "Les élèves à distance voient un tableau tout noir.",
            "Remote pupils see a board that is all black.",
            "Rallumez l’écran, ou quittez l’image noire de la présentation (touche B).",
            "Switch the screen on again, or leave the presentation's black picture (key B).",
        ),
        "one-colour": wording(
            "Les élèves à distance voient un tableau d’une seule couleur.",
            "Remote pupils see a board of one single colour.",
            "Si l’écran montre autre chose, vérifiez le câble entre l’ordinateur et le boîtier.",
            "If the screen shows something else, check the cable between computer and mini-PC.",
        ),
    },
}
_SOUND: Mapping[str, Mapping[str, Words]] = {
    "sound-dead": {
        "": wording(
            "Le micro ne donne aucun son.",
            "The microphone gives no sound at all.",
            "Vérifiez son interrupteur et son câble ; débranchez-le et rebranchez-le.",
            "Check its switch and its cable; unplug it and plug it in again.",
        ),
        "no-blocks": wording(
            "Le micro n’envoie plus rien.",
            "The microphone sends nothing any more.",
            "Vérifiez son câble ; débranchez-le et rebranchez-le.",
            "Check its cable; unplug it and plug it in again.",
        ),
    },
    "sound-muted": {
        "": wording(
            "Le micro est coupé par son propre interrupteur.",
            "The microphone is muted by its own switch.",
            "Appuyez sur le bouton du micro pour que la classe soit entendue.",
            "Press the microphone's button so that the class is heard.",
        )
    },
    "sound-wrong-source": {
        "": wording(
            "Un autre son a pris la place du micro de la salle ; rien n’en est envoyé.",
            "Another sound has taken the place of the room's microphone; nothing of it is sent.",
            "Rebranchez le micro de la salle ; il est repris tout seul.",
            "Plug the room's microphone in again; it is taken up by itself.",
        )
    },
    "sound-quiet": {
        "": wording(
            "On entend à peine la personne qui parle.",
            "The person who speaks can hardly be heard.",
            "Rapprochez le micro, ou augmentez son niveau.",
            "Bring the microphone nearer, or raise its level.",
        )
    },
    "sound-clipping": {
        "": wording(
            "Le son sature : les voix grésillent.",
            "The sound is overdriven: voices crackle.",
            "Baissez le niveau du micro, ou éloignez-le.",
            "Lower the microphone's level, or move it away.",
        )
    },
    "sound-dc": {
        "": wording(
            "Le signal du micro est décalé : c’est un défaut électrique.",
            "The microphone's signal is off centre: an electrical fault.",
            "Branchez le micro sur une autre prise ; si cela reste, remplacez-le.",
            "Plug the microphone into another socket; if it stays so, replace it.",
        )
    },
    "sound-hum": {
        "": wording(
            "Un ronflement électrique s’entend derrière les voix.",
            "An electrical hum is heard behind the voices.",
            "Éloignez le câble du micro des câbles du secteur, ou changez de prise.",
            "Keep the microphone's cable away from mains cables, or use another socket.",
        )
    },
    "sound-noise": {
        "": wording(
            "Un bruit continu couvre les voix.",
            "A steady noise covers the voices.",
            "Éloignez le micro du ventilateur ou du projecteur, ou fermez la fenêtre.",
            "Move the microphone away from the fan or projector, or close the window.",
        )
    },
    "sound-howl": {
        "": wording(
            "Le son siffle : le haut-parleur revient dans le micro.",
            "The sound howls: the loudspeaker gets back into the microphone.",
            "Baissez le haut-parleur, ou éloignez-le du micro.",
            "Turn the loudspeaker down, or move it away from the microphone.",
        )
    },
}
WORDS: Mapping[str, Mapping[str, Words]] = {**_CAMERA, **_BOARD, **_SOUND, **HOST_WORDS, **LINE_WORDS}
"""Sentence and remedy by check and variant."""
