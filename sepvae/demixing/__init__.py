"""Separation by several microphones: demixing matrices or spatial covariances, and models of the sources."""

from sepvae.tables import Table

UPDATES = Table(
    "update",
    {
        "ip": "sepvae.demixing.updates:iterative_projection",
        "iss": "sepvae.demixing.updates:iterative_source_steering",
    },
)
