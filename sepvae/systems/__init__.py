"""Whatever separates a mixture in an experiment, by one contract: models, baselines, floor, and what is told all."""

from sepvae.tables import Table

SYSTEMS = Table(
    "system",
    {
        "mixture": "sepvae.systems.bounds:UnprocessedMixture",
        "ideal_mask": "sepvae.systems.bounds:IdealMask",
        "demixing": "sepvae.systems.demixing:Demixing",
        "fastmnmf": "sepvae.systems.fastmnmf:FastMnmf",
        "oracle_demixing": "sepvae.systems.oracle_demixing:OracleDemixing",
        "ica": "sepvae.systems.ica:Ica",
        "wavelet": "sepvae.systems.wavelet:Wavelet",
        "filter_bank": "sepvae.systems.filter_bank:FilterBank",
        "nmf": "sepvae.systems.nmf:Nmf",
        "generative": "sepvae.systems.generative:GenerativeModels",
        "enhancement": "sepvae.systems.enhancement:Enhancement",
        "filtered": "sepvae.systems.filtered:FilteredSystem",
        "source_models": "sepvae.systems.source_models:TrainedSourceModels",
        "ready_model": "sepvae.systems.ready_model:ReadyModel",
    },
)
