"""What the checks of the room's line say. Only what is critical reaches who teaches; the rest is for IT."""

from __future__ import annotations

from collections.abc import Mapping

from agent.health.wording import Words, wording

LINE_WORDS: Mapping[str, Mapping[str, Words]] = {
    "line-loss": {
        "": wording(
            "Le réseau de la salle perd des paquets : la plupart des élèves entendent des trous.",
            "The room's network loses packets: most pupils hear gaps.",
            "Branchez le boîtier par un câble ; demandez ce qui occupe la liaison de l’école en ce moment.",
            "Plug the mini-PC in by cable; ask what else uses the school's line right now.",
        )
    },
    "line-delay": {
        "": wording(
            "La liaison de l’école est lente : tout arrive en retard chez la plupart des élèves.",
            "The school's line is slow: everything reaches most pupils late.",
            "Arrêtez les gros transferts ; si seul le TCP passe vers le serveur TURN, ouvrez l’UDP.",
            "Stop large transfers; if TCP alone gets through to the TURN server, open UDP.",
        )
    },
    "line-jitter": {
        "": wording(
            "La liaison de l’école est irrégulière : la voix peut être hachée chez la plupart des élèves.",
            "The school's line is uneven: the voice may break up for most pupils.",
            "Branchez le boîtier par un câble ; donnez la priorité à la classe sur le routeur de l’école.",
            "Plug the mini-PC in by cable; give the class priority in the school's router.",
        )
    },
    "line-rate": {
        "": wording(
            "La liaison de l’école ne suffit pas aux images de la classe.",
            "The school's line is too narrow for the pictures of the class.",
            "Demandez plus de débit montant, ou baissez camera_bitrate_bps et board_bitrate_bps dans [media].",
            "Ask for more upstream, or lower camera_bitrate_bps and board_bitrate_bps in [media].",
        )
    },
}
"""Sentence and remedy by check and variant."""
