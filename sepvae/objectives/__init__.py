"""What to minimise: callables from models and a batch to a loss with named terms, and what these are made of."""

from sepvae.tables import Table

OBJECTIVES = Table(
    "objective",
    {
        "elbo": "sepvae.objectives.elbo:Elbo",
        "adversarial": "sepvae.objectives.adversarial:Adversarial",
        "itl": "sepvae.objectives.itl:Itl",
        "weak_class": "sepvae.objectives.weak_class:WeakClass",
        "conditional_elbo": "sepvae.objectives.conditional_elbo:ConditionalElbo",
        "chimera_acvae": "sepvae.objectives.chimera_acvae:ChimeraAcvae",
        "hierarchical_elbo": "sepvae.objectives.hierarchical_elbo:HierarchicalElbo",
        "wave_sdr": "sepvae.objectives.wave_sdr:WaveSdr",
    },
)
LIKELIHOODS = Table(
    "likelihood",
    {
        "gaussian": "sepvae.objectives.likelihoods:gaussian",
        "gaussian_learned": "sepvae.objectives.likelihoods:gaussian_learned",
        "bernoulli": "sepvae.objectives.likelihoods:bernoulli",
        "itakura_saito": "sepvae.objectives.likelihoods:itakura_saito",
        "poisson": "sepvae.objectives.likelihoods:poisson",
    },
)
DIVERGENCES = Table(
    "divergence",
    {
        "cauchy_schwarz": "sepvae.objectives.divergences:cauchy_schwarz_divergence",
        "euclidean": "sepvae.objectives.divergences:euclidean_divergence",
    },
)
PRIORS = Table(
    "prior",
    {
        "gaussian": "sepvae.objectives.priors:gaussian",
        "laplace": "sepvae.objectives.priors:laplace",
        "swiss_roll": "sepvae.objectives.priors:swiss_roll",
    },
)
