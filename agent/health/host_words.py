"""What the checks of the mini-PC say. Only what is critical reaches who teaches; the rest is for IT."""

from __future__ import annotations

from collections.abc import Mapping

from agent.health.wording import Words, wording

HOST_WORDS: Mapping[str, Mapping[str, Words]] = {
    "host-temperature": {
        "": wording(
            "Le boîtier de la salle chauffe trop.",
            "The room's mini-PC gets too hot.",
            "Dégagez ses aérations et sortez-le de tout placard fermé ; faites nettoyer son ventilateur.",
            "Clear its vents and take it out of any closed cupboard; have its fan cleaned.",
        )
    },
    "host-throttled": {
        "": wording(
            "Le boîtier ralentit parce qu’il a trop chaud.",
            "The mini-PC slows down because it is too hot.",
            "Dégagez ses aérations ; faites nettoyer son ventilateur.",
            "Clear its vents; have its fan cleaned.",
        )
    },
    "host-load": {
        "": wording(
            "Le boîtier a plus de travail qu’il n’en peut faire.",
            "The mini-PC has more work than it can do.",
            "Fermez les autres programmes ; si cela reste, baissez la taille des images dans le fichier de la salle.",
            "Close other programs; if it stays so, lower the pictures' size in the room's file.",
        )
    },
    "host-memory": {
        "": wording(
            "La mémoire du boîtier est presque pleine.",
            "The mini-PC's memory is almost full.",
            "Fermez les autres programmes, ou redémarrez le boîtier après la classe.",
            "Close other programs, or restart the mini-PC after the class.",
        )
    },
    "host-disk": {
        "": wording(
            "Le disque du boîtier est presque plein.",
            "The mini-PC's disk is almost full.",
            "Supprimez ce qui ne sert plus ; voyez d’abord les journaux et les téléchargements.",
            "Remove what is not needed; look at logs and downloads first.",
        )
    },
    "host-disk-wear": {
        "": wording(
            "Le disque du boîtier est presque usé.",
            "The mini-PC's disk is almost worn out.",
            "Prévoyez son remplacement dans les semaines qui viennent.",
            "Plan to replace it within weeks.",
        ),
        "failing": wording(
            "Le disque du boîtier annonce sa panne.",
            "The mini-PC's disk says that it is failing.",
            "Sauvegardez ce qui compte et remplacez le disque.",
            "Save what matters and replace the disk.",
        ),
    },
    "host-clock": {
        "": wording(
            "L’horloge du boîtier avance sur celle du centre.",
            "The mini-PC's clock is ahead of the centre's.",
            "Vérifiez que la synchronisation de l’heure (NTP) marche sur le boîtier : timedatectl.",
            "See that time synchronisation (NTP) works on the mini-PC: timedatectl.",
        ),
        "behind": wording(
            "L’horloge du boîtier retarde sur celle du centre.",
            "The mini-PC's clock is behind the centre's.",
            "Vérifiez que la synchronisation de l’heure (NTP) marche sur le boîtier : timedatectl.",
            "See that time synchronisation (NTP) works on the mini-PC: timedatectl.",
        ),
    },
    "host-link": {
        "": wording(
            "Le câble réseau de la salle ne donne pas tout son débit.",
            "The room's network cable does not give its full speed.",
            "Changez le câble ou la prise ; si le réseau n’est pas plus rapide, réglez link_mbps dans [health].",
            "Change the cable or the socket; if the network is no faster, set link_mbps in [health].",
        ),
        "half": wording(
            "La prise réseau de la salle n’envoie et ne reçoit qu’à tour de rôle.",
            "The room's network socket sends and receives in turns only.",
            "Remettez la négociation automatique sur le port du commutateur, ou changez le câble.",
            "Set automatic negotiation on the switch's port again, or change the cable.",
        ),
    },
    "host-certificate": {
        "": wording(
            "Le certificat de la salle arrive à son terme.",
            "The room's certificate is about to run out.",
            "Au centre, émettez le suivant avant cette date : estrade-controller pki room ; puis redémarrez l’agent.",
            "At the centre, issue the next one before that date: estrade-controller pki room; then restart the agent.",
        ),
        "over": wording(
            "Le certificat de la salle est périmé : le centre ne la laisse plus entrer.",
            "The room's certificate has run out: the centre does not admit it any more.",
            "Au centre, émettez-en un autre : estrade-controller pki room ; puis redémarrez l’agent.",
            "At the centre, issue another: estrade-controller pki room; then restart the agent.",
        ),
    },
    "host-restarts": {
        "": wording(
            "Le programme de la salle est tombé plusieurs fois en une heure.",
            "The room's program fell several times within an hour.",
            "Lisez le journal : journalctl -u estrade-agent ; envoyez-le à l’équipe qui tient Estrade.",
            "Read the log: journalctl -u estrade-agent; send it to the people who run Estrade.",
        )
    },
    "host-power": {
        "": wording(
            "Le boîtier manque de courant.",
            "The mini-PC gets too little power.",
            "Remettez le bloc d’alimentation livré avec lui, sans rallonge.",
            "Use the power supply that came with it, without an extension.",
        ),
        "usb": wording(
            "Une prise USB du boîtier a été surchargée.",
            "A USB socket of the mini-PC was overloaded.",
            "Débranchez ce qui vient d’y être branché, ou passez par un concentrateur alimenté.",
            "Unplug what was plugged in last, or use a hub with a power supply of its own.",
        ),
    },
    "host-usb": {
        "": wording(
            "Une caméra ou un micro USB décroche sans cesse de sa prise.",
            "A USB camera or microphone drops off its socket again and again.",
            "Changez son câble ou sa prise ; évitez rallonges et concentrateurs sans alimentation.",
            "Change its cable or its socket; avoid extensions and hubs without a power supply.",
        )
    },
}
"""Sentence and remedy by check and variant."""
