"""What estimates sources: front-end, networks and mask as one module, and the folder that it is stored in."""

from sepvae.tables import Table

MASKS = Table(
    "mask",
    {
        "ratio": "sepvae.estimator.masks:ratio",
        "wiener": "sepvae.estimator.masks:wiener",
    },
)
