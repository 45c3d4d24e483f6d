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

# How moved latents become sound.
SYNTHESES = Table(
    "synthesis",
    {
        "filter": "sepvae.augmentation.synthesis:filter_code",
        "griffin_lim": "sepvae.augmentation.synthesis:griffin_lim_code",
    },
)

# Of the library audiomentations. Others move, cut or repeat speech, so that words and phones would be elsewhere.
TRANSFORMS = Table(
    "transform that keeps words and phones in place",
    {
    name: f"audiomentations:{name}"
    for name in (
        "AddBackgroundNoise", "AddColorNoise", "AddGaussianNoise", "AddGaussianSNR", "AddShortNoises", "AirAbsorption",
        "Aliasing", "BandPassFilter", "BandStopFilter", "BitCrush", "Clip", "ClippingDistortion", "Gain",
        "GainTransition", "HighPassFilter", "HighShelfFilter", "LowPassFilter", "LowShelfFilter",
        "Normalize", "PeakingFilter", "PitchShift", "PolarityInversion", "SevenBandParametricEQ", "TanhDistortion",
        "TimeMask",
    )
    },
)  # fmt: skip
