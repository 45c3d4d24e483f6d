"""The making of augmented corpora: planned, made block by block, journalled, written with labels and manifests."""

from sepvae.tables import Table

WRITERS = Table(
    "format",
    {
        "wav": "sepvae.augmented.writers.files:WavFiles",
        "flac": "sepvae.augmented.writers.files:FlacFiles",
        "npy": "sepvae.augmented.writers.files:FeatureFiles",
        "ark": "sepvae.augmented.writers.ark:Ark",
        "webdataset": "sepvae.augmented.writers.archives:WebDataset",
        "shar": "sepvae.augmented.writers.archives:Shar",
    },
)

# What is written of a record.
CONTENTS = Table(
    "contents",
    {
        "samples": "sepvae.augmented.contents:Samples",
        "log_mel": "sepvae.augmented.contents:LogMel",
        "decoded": "sepvae.augmented.contents:DecoderFeatures",
    },
)
