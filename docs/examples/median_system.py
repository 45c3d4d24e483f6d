"""A system of one's own: what holds its pitch from what comes as a click, by medians along time and frequency.

sepvae recipe run docs/examples/median.yaml --corpus DIR --plugin docs/examples/median_system.py
"""

import numpy as np
import torch
from scipy.ndimage import median_filter

import sepvae
from sepvae.errors import InputError
from sepvae.estimator.masks import apply_masks, make_masks
from sepvae.frontend.stft import Stft
from sepvae.mixing.mixture import Rendered
from sepvae.systems.bounds import IdealMaskConfig
from sepvae.systems.contract import Estimates, System

LENGTH = 17  # frames, or bins, of a median


class Median(System[IdealMaskConfig]):
    """Harmonic and percussive parts (Fitzgerald 2010): which source is which it cannot know, so that it is `blind`."""

    Config, label, role, blind = IdealMaskConfig, "Medians", "baseline", True
    draws = False  # no seed changes anything

    def separate(self, mixture: Rendered) -> Estimates:
        if len(mixture.sources) != 2:
            raise InputError(f"medians tell 2 sources apart, the mixture has {len(mixture.sources)}")
        stft = Stft(self._config.stft, sample_rate=self._sample_rate)
        spectrum = stft.analyse(torch.from_numpy(mixture.mixture))
        parts = [median_filter(spectrum.abs().numpy(), size) for size in ((LENGTH, 1), (1, LENGTH))]
        masks = make_masks(torch.from_numpy(np.stack(parts)), kind=self._config.mask)
        waves = stft.synthesise(apply_masks(spectrum, masks), n_samples=len(mixture.mixture))
        return dict(zip(mixture.sources, waves.numpy(), strict=True))


sepvae.register("system", "median", Median)
