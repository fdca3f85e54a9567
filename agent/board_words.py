"""What the check ``board-power`` says, in French and English, by the code of what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from protocol.messages import Text

UNKNOWN = Text(fr="Le tableau n’a pas encore été interrogé.", en="The board has not been asked yet.")

MESSAGES: Mapping[str, Text] = {
    "device-not-found": Text(
        fr="Le tableau est introuvable : on ne peut ni l’allumer ni choisir son entrée.",
        en="The board cannot be found: it can be neither switched on nor set to its input.",
    ),
    "device-timeout": Text(fr="Le tableau ne répond pas aux commandes.", en="The board does not answer commands."),
    "device-lost": Text(
        fr="Le tableau coupe la liaison de commande.", en="The board cuts the line over which it is controlled."
    ),
    "device-busy": Text(
        fr="Le tableau refuse la liaison : un autre programme le commande peut-être déjà.",
        en="The board refuses the connection: another program may control it already.",
    ),
    "device-password": Text(
        fr="Le tableau refuse le mot de passe réglé, ou en demande un ; il n’est plus essayé.",
        en="The board refuses the password that is set, or asks for one; it is not tried any more.",
    ),
    "device-protocol": Text(
        fr="Ce qui répond à l’adresse du tableau n’est pas l’appareil réglé.",
        en="What answers at the board's address is not the device that is set.",
    ),
    "device-permission": Text(
        fr="Le boîtier n’a pas le droit d’ouvrir le port du tableau.",
        en="The mini-PC may not open the board's port.",
    ),
    "device-not-now": Text(
        fr="Le tableau reste occupé (préchauffage ou refroidissement).",
        en="The board stays busy (warming up or cooling down).",
    ),
    "device-unsupported": Text(
        fr="Le tableau ne sait pas faire ce qui est réglé.", en="The board cannot do what is set."
    ),
    "device-ambiguous": Text(
        fr="Le nom réglé convient à plusieurs appareils.", en="The name that is set fits several devices."
    ),
    "device-failed": Text(fr="Le tableau signale une panne.", en="The board reports a failure."),
    "internal": Text(
        fr="Le pilote du tableau a une erreur ; la classe n’en dépend pas.",
        en="The board's driver has a fault; the class does not depend on it.",
    ),
    "board-not-on": Text(fr="Le tableau ne s’allume pas.", en="The board does not come on."),
    "board-muted": Text(
        fr="L’image du tableau est masquée (touche « Blank » ou « AV Mute »).",
        en="The board's picture is blanked (key “Blank” or “AV Mute”).",
    ),
    "board-no-signal": Text(
        fr="Le tableau ne reçoit pas d’image sur son entrée.", en="The board gets no picture at its input."
    ),
    "board-cable": Text(
        fr="Le tableau est allumé, mais le boîtier ne voit aucun écran au bout de son câble.",
        en="The board is on, but the mini-PC sees no screen at the end of its cable.",
    ),
    "board-asleep": Text(
        fr="Le boîtier a mis sa sortie vers le tableau en veille.",
        en="The mini-PC has put its output to the board to sleep.",
    ),
    "board-resolution": Text(
        fr="Le tableau reçoit une image plus petite ou d’une autre forme que celle du boîtier.",
        en="The board gets a picture that is smaller than the mini-PC's, or of another shape.",
    ),
}
REMEDIES: Mapping[str, Text] = {
    "device-not-found": Text(
        fr="Vérifiez l’adresse ou le port réglé, le câble et le réseau.",
        en="Check the address or port that is set, the cable and the network.",
    ),
    "device-timeout": Text(
        fr="Vérifiez qu’il est sous tension, et que sa commande par le réseau est permise en veille.",
        en="See that it is on at the mains, and that its network control stays on in standby.",
    ),
    "device-lost": Text(
        fr="Éteignez-le et rallumez-le au secteur ; voyez le journal de l’agent.",
        en="Switch it off and on at the mains; see the agent's log.",
    ),
    "device-busy": Text(
        fr="Fermez l’autre programme, ou activez la commande par le réseau dans le menu du tableau.",
        en="Close the other program, or switch network control on in the board's menu.",
    ),
    "device-password": Text(
        fr="Corrigez le fichier nommé par password_file ; il est alors essayé une fois.",
        en="Correct the file that password_file names; it is then tried once.",
    ),
    "device-protocol": Text(
        fr="Corrigez le pilote, l’adresse ou la vitesse dans [display].",
        en="Correct driver, address or speed in [display].",
    ),
    "device-permission": Text(
        fr="Ajoutez l’utilisateur estrade-agent au groupe de ce port (dialout).",
        en="Add the user estrade-agent to the group of that port (dialout).",
    ),
    "device-unsupported": Text(
        fr="Corrigez l’entrée réglée dans [display] ; le journal de l’agent donne celles qui existent.",
        en="Correct the input in [display]; the agent's log names those there are.",
    ),
    "device-ambiguous": Text(fr="Précisez l’appareil dans [display].", en="Say in [display] which device is meant."),
    "device-failed": Text(
        fr="Lisez ce que le tableau affiche, et son manuel.", en="Read what the board shows, and its manual."
    ),
    "internal": Text(
        fr="Prévenez l’équipe qui tient Estrade, avec le journal de l’agent.",
        en="Tell the people who run Estrade, with the agent's log.",
    ),
    "board-not-on": Text(
        fr="Allumez-le à la télécommande ; vérifiez lampe et secteur.",
        en="Switch it on by its remote control; check lamp and mains.",
    ),
    "board-muted": Text(fr="Appuyez sur cette touche de la télécommande.", en="Press that key of the remote control."),
    "board-no-signal": Text(
        fr="Vérifiez le câble entre le boîtier et le tableau.", en="Check the cable between mini-PC and board."
    ),
    "board-cable": Text(
        fr="Rebranchez le câble HDMI aux deux bouts ; changez-le si cela reste.",
        en="Plug the HDMI cable in again at both ends; replace it if it stays so.",
    ),
    "board-asleep": Text(
        fr="Touchez la souris ou le clavier ; désactivez la mise en veille de l’écran du boîtier.",
        en="Touch mouse or keyboard; switch off the mini-PC's screen saver.",
    ),
    "board-resolution": Text(
        fr="Redonnez à l’écran du boîtier sa taille d’origine, et retirez tout adaptateur entre les deux.",
        en="Set the mini-PC's screen to its own size again, and take out any adapter between the two.",
    ),
}
LAMP = (
    Text(
        fr="La lampe du projecteur approche de la fin de sa durée de vie.",
        en="The projector's lamp nears the end of its life.",
    ),
    Text(
        fr="Commandez une lampe et prévoyez son remplacement ; remettez ensuite son compteur à zéro.",
        en="Order a lamp and plan its replacement; set its counter to zero afterwards.",
    ),
)
"""Sentence and remedy of ``board-lamp``."""
FILTER = (
    Text(
        fr="Le filtre du projecteur est à nettoyer ou à changer.",
        en="The projector's filter is due to be cleaned or replaced.",
    ),
    Text(
        fr="Nettoyez-le ou changez-le selon son manuel ; remettez ensuite son compteur à zéro.",
        en="Clean or replace it as its manual says; set its counter to zero afterwards.",
    ),
)
"""Sentence and remedy of ``board-filter``."""
_PLACES: Mapping[str, tuple[str, str]] = {
    "fan": ("ventilateur", "fan"),
    "lamp": ("lampe", "lamp"),
    "temperature": ("température", "temperature"),
    "cover": ("capot", "cover"),
    "filter": ("filtre", "filter"),
    "other": ("autre", "other"),
}


def fault_words(places: Sequence[str], *, is_error: bool) -> Text:
    """Return the sentence for the places that a display names, words of `agent.devices.display.FAULTS`."""
    known = [_PLACES.get(place, _PLACES["other"]) for place in places]
    french, english = (", ".join(dict.fromkeys(words)) for words in zip(*known, strict=True))
    if is_error:
        return Text(fr=f"Le tableau signale une panne : {french}.", en=f"The board reports a failure: {english}.")
    return Text(fr=f"Le tableau avertit : {french}.", en=f"The board warns: {english}.")
