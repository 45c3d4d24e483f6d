"""The making of augmented corpora: planned, made block by block, journalled, written with labels and manifests."""

from sepvae.tables import Table

WRITERS = Table(
    "format",
    {
        "wav": "sepvae.augmented.writers.files:AudioFiles",
        "flac": "sepvae.augmented.writers.files:AudioFiles",
        "npy": "sepvae.augmented.writers.files:FeatureFiles",
        "ark": "sepvae.augmented.writers.ark:Ark",
        "webdataset": "sepvae.augmented.writers.archives:WebDataset",
        "shar": "sepvae.augmented.writers.archives:Shar",
    },
)
