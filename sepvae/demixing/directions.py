"""Who of more talkers than microphones is heard where: masks from the delays between the first two microphones.

No geometry is needed. Each talker reaches the two with a delay of their own, which decides the phase between them in
every bin (Mandel et al. 2010; the delays as peaks over the frames, Blandin et al. 2012).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Between delays tried: a quarter of a sample at 16 kHz, below what the phases of speech resolve.
_STEP_S = 1.5e-5
# How strongly a phase decides. Chosen on mixtures of three talkers at a reverberation time of 0.15 s.
_CONCENTRATION = 12.0
_ROUNDS = 10
_LEAST = 1e-30


def _agreement(spectrum: Tensor, frequencies: Tensor, delays: Tensor) -> Tensor:
    """Return cos(phase − 2π f τ) of spectra (bins, 2, frames) for delays (delays,) in s, (delays, bins, frames)."""
    cross = spectrum[:, 1] * spectrum[:, 0].conj()
    unit = cross / cross.abs().clamp_min(_LEAST)
    phase = 2 * math.pi * frequencies[None] * delays[:, None]
    return unit.real[None] * phase.cos()[..., None] + unit.imag[None] * phase.sin()[..., None]


def _peaks(scores: Tensor, n_peaks: int) -> list[int]:
    """Return the places of the highest summits of scores (n,); where there are too few of them, the highest others."""
    padded = torch.nn.functional.pad(scores, (1, 1), value=-torch.inf)
    summit = (scores > padded[:-2]) & (scores >= padded[2:])
    ranked = torch.where(summit, scores + (scores.max() - scores.min() + 1), scores)
    return sorted(ranked.argsort(descending=True)[:n_peaks].tolist())


def masks_by_delay(spectrum: Tensor, frequencies: Tensor, *, n_sources: int, max_delay_s: float) -> Tensor:
    """Return how much of each bin and frame belongs to each of the talkers.

    Args:
        spectrum: of one recording (bins, channels, frames) complex; two channels are looked at.
        frequencies: of the bins in Hz (bins,).
        n_sources: talkers.
        max_delay_s: the longest delay between the two microphones, that is their distance over the speed of sound.

    Returns:
        Masks (sources, bins, frames) that add up to 1, in the order of the delays.
    """
    pair = spectrum[:, :2]
    n_steps = max(n_sources, round(max_delay_s / _STEP_S))
    delays = torch.arange(-n_steps, n_steps + 1, device=spectrum.device, dtype=frequencies.dtype) * _STEP_S
    power = pair.real.square().sum(1) + pair.imag.square().sum(1)
    # Loud bins know more, but not so much more that one of them decides.
    weight = power.clamp_min(_LEAST).pow(0.25)
    sums = [(_agreement(pair, frequencies, delay[None])[0] * weight).sum(0) for delay in delays]
    response = torch.stack(sums) / weight.sum(0)
    # Of every delay its best frames, in which one talker is heard nearly alone.
    n_best = max(1, response.shape[1] // (4 * n_sources))
    scores = response.sort(dim=1, descending=True).values[:, :n_best].mean(1)
    chosen = delays[_peaks(scores, n_sources)]
    for _ in range(_ROUNDS):
        masks = (_CONCENTRATION * _agreement(pair, frequencies, chosen)).softmax(0)
        chosen = torch.stack(
            [_refined(pair, frequencies, weight * mask, delay) for mask, delay in zip(masks, chosen, strict=True)]
        )
    return (_CONCENTRATION * _agreement(pair, frequencies, chosen)).softmax(0)


def _refined(pair: Tensor, frequencies: Tensor, weight: Tensor, delay: Tensor) -> Tensor:
    """Return the delay near another one that agrees best with what is in a mask."""
    around = delay + torch.linspace(-2, 2, 17, device=delay.device, dtype=delay.dtype) * _STEP_S
    return around[(_agreement(pair, frequencies, around) * weight).sum((1, 2)).argmax()]


def covariances_by_mask(spectrum: Tensor, masks: Tensor, *, full_rank: float) -> Tensor:
    """Return spatial covariances of a mean power of 1 from what is surely in each mask.

    Args:
        spectrum: of one recording (bins, channels, frames) complex.
        masks: (sources, bins, frames).
        full_rank: share of the power that arrives from everywhere.

    Returns:
        Positive definite matrices (bins, sources, channels, channels).
    """
    n_channels = spectrum.shape[1]
    matrices = torch.stack([(spectrum * mask.square()[:, None]) @ spectrum.mH for mask in masks], dim=1)
    power = matrices.diagonal(dim1=2, dim2=3).real.mean(-1)[..., None, None]
    eye = torch.eye(n_channels, dtype=matrices.dtype, device=matrices.device)
    return torch.where(power > _LEAST, (1 - full_rank) * matrices / power.clamp_min(_LEAST) + full_rank * eye, eye)
