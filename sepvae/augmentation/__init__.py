"""Augmentations: what changes the voice, the channel or the surroundings of speech, and leaves its words."""

from sepvae.tables import Table

AUGMENTATIONS = Table(
    "augmentation",
    {
        "replace": "sepvae.augmentation.latent_methods:Replace",
        "soft": "sepvae.augmentation.latent_methods:Soft",
        "hard": "sepvae.augmentation.latent_methods:Hard",
        "interpolate": "sepvae.augmentation.latent_methods:Interpolate",
        "reconstruct": "sepvae.augmentation.latent_methods:Reconstruct",
        "uniform": "sepvae.augmentation.latent_methods:Uniform",
        "reversed": "sepvae.augmentation.latent_methods:Reversed",
        "noise": "sepvae.augmentation.classical:Noise",
        "reverberation": "sepvae.augmentation.classical:Reverberation",
        "speed": "sepvae.augmentation.classical:Speed",
        "gain": "sepvae.augmentation.classical:Gain",
        "band_pass": "sepvae.augmentation.classical:BandPass",
        "audiomentations": "sepvae.augmentation.library:Audiomentations",
    },
)
