"""Speech enhancement: a VAE as the prior of clean speech, non-negative matrix factors as the model of any noise."""

from sepvae.tables import Table

# How the latents of the speech are found.
INFERENCES = Table(
    "inference",
    {
        "mcem": "sepvae.enhancement.monte_carlo_em:MonteCarloEm",
        "map": "sepvae.enhancement.posterior:MostLikely",
        "langevin": "sepvae.enhancement.posterior:Langevin",
    },
)
