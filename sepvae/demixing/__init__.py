"""Separation by several microphones: demixing matrices or spatial covariances, and models of the sources."""

from sepvae.tables import Table

ALGORITHMS = Table(
    "algorithm",
    {
        "auxiva": "sepvae.demixing.auxiva:AuxIva",
        "ilrma": "sepvae.demixing.ilrma:Ilrma",
        "fastmvae2": "sepvae.demixing.fastmvae2:FastMvae2",
        "fastmvae2_refined": "sepvae.demixing.fastmvae2:FastMvae2Refined",
        "fastmvae": "sepvae.demixing.fastmvae:FastMvae",
        "mvae": "sepvae.demixing.mvae:Mvae",
        "gmvae": "sepvae.demixing.gmvae:Gmvae",
    },
)
UPDATES = Table(
    "update",
    {
        "ip": "sepvae.demixing.updates:iterative_projection",
        "iss": "sepvae.demixing.updates:iterative_source_steering",
    },
)
