"""The noise as a non-negative matrix factorisation, learnt from the noisy recording beside samples of the speech.

Powers are (frames, bins), samples of the speech's power (samples, frames, bins). Every update is a step of
majorisation–minimisation: none raises the mean negative log-likelihood (Leglaive et al. 2018).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sepvae.objectives.likelihoods import SPECTRUM_FLOOR


class NoiseModel(NamedTuple):
    """Spectra of the noise (components, bins), each adding up to 1, and their powers in time (frames, components)."""

    spectra: Tensor
    activations: Tensor

    @property
    def power(self) -> Tensor:
        """The power of the noise (frames, bins)."""
        return self.activations @ self.spectra


def start_noise(power: Tensor, n_components: int, generator: torch.Generator) -> NoiseModel:
    """Return a noise model to start from: all components like the median spectrum of the recording, but for chance.

    Most of the time a bin is without speech: a start at the mean leaves the noise with what is loud of the speech.

    Args:
        power: of the recording (frames, bins).
        n_components: how many spectra.
        generator: on the CPU, whatever the device of `power`.
    """
    n_frames, n_bins = power.shape
    chance = 0.5 + torch.rand((n_components, n_bins), generator=generator).to(power)
    usual = power.median(0).values + SPECTRUM_FLOOR
    spectra = chance * usual
    spectra = spectra / spectra.sum(1, keepdim=True)
    chance = 0.5 + torch.rand((n_frames, n_components), generator=generator).to(power)
    return NoiseModel(spectra, chance * (usual.sum() / n_components))


def variance(speech: Tensor, noise: Tensor) -> Tensor:
    """Return the variance of the recording from the powers of speech and noise; never below the floor."""
    return speech + noise + SPECTRUM_FLOOR


def negative_log_likelihood(power: Tensor, total: Tensor) -> Tensor:
    """Return −log N_C(x; 0, variance) of every bin up to log π, of the shape of the variance `total`."""
    return total.log() + (power + SPECTRUM_FLOOR) / total


def _weights(power: Tensor, speech: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return what an update weighs the falling and the rising part of the likelihood with, (frames, bins) each."""
    inverse = 1 / variance(speech, noise)
    return (power + SPECTRUM_FLOOR) * inverse.square().mean(0), inverse.mean(0)


def update_noise(power: Tensor, speech: Tensor, noise: NoiseModel) -> NoiseModel:
    """Return a noise model under which the recording is no less likely.

    Args:
        power: of the recording (frames, bins).
        speech: samples of the power of the speech, gains included (samples, frames, bins).
        noise: the noise model so far.

    Source: Leglaive et al. 2018, its M-step (spectra, then activations); with spectra that add up to 1.
    """
    tiny = torch.finfo(power.dtype).tiny
    spectra, activations = noise
    wanted, present = _weights(power, speech, activations @ spectra)
    spectra = spectra * ((activations.T @ wanted) / (activations.T @ present).clamp_min(tiny)).sqrt()
    wanted, present = _weights(power, speech, activations @ spectra)
    activations = activations * ((wanted @ spectra.T) / (present @ spectra.T).clamp_min(tiny)).sqrt()
    sums = spectra.sum(1)
    # A component that has died away stays as it is: it has no power to move to its activations.
    sums = torch.where(sums > tiny, sums, 1.0)
    return NoiseModel(spectra / sums[:, None], activations * sums)


def update_gains(power: Tensor, speech: Tensor, gains: Tensor, noise: Tensor) -> Tensor:
    """Return gains of the speech (frames, 1) under which the recording is no less likely.

    Args:
        power: of the recording (frames, bins).
        speech: samples of the power of the speech without gains (samples, frames, bins).
        gains: (frames, 1) so far.
        noise: power of the noise (frames, bins).

    Source: Leglaive et al. 2018, its M-step.
    """
    inverse = 1 / variance(gains * speech, noise)
    wanted = ((power + SPECTRUM_FLOOR) * (speech * inverse.square()).mean(0)).sum(-1, keepdim=True)
    present = (speech * inverse).mean(0).sum(-1, keepdim=True)
    return gains * (wanted / present.clamp_min(torch.finfo(power.dtype).tiny)).sqrt()
