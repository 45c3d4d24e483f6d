"""From utterances to mixtures that can be rebuilt bit for bit from a manifest."""

from sepvae.tables import Table

# Synthetic ones, for users without recordings.
BACKGROUNDS = Table(
    "synthetic background",
    {
        "trumpet": "sepvae.mixing.backgrounds:trumpet",
        "traffic": "sepvae.mixing.backgrounds:traffic",
        "water": "sepvae.mixing.backgrounds:water",
        "gaussian": "sepvae.mixing.backgrounds:gaussian",
    },
)
