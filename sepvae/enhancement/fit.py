"""Expectation–maximisation on one stretch of a recording: the speech given the noise, the noise given the speech."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sepvae.enhancement.config import EnhancementConfig
from sepvae.enhancement.noise_model import (
    NoiseModel,
    negative_log_likelihood,
    start_noise,
    update_gains,
    update_noise,
    variance,
)
from sepvae.enhancement.speech_prior import SpeechPrior
from sepvae.seeds import torch_generator


class NoisyFit(NamedTuple):
    """What was found: the share of the speech in every bin (frames, bins), the noise, and how the fit went.

    `trace` is the mean negative log-likelihood of a bin after each iteration, `acceptance` the share of accepted moves
    of Metropolis–Hastings in each, empty for other inferences.
    """

    share: Tensor
    noise: NoiseModel
    gains: Tensor
    trace: list[float]
    acceptance: list[float]


@torch.no_grad()
def fit_noisy(power: Tensor, prior: SpeechPrior, start: Tensor, config: EnhancementConfig) -> NoisyFit:
    """Fit the speech and the noise of a recording.

    Args:
        power: of its normalised spectrum (frames, bins).
        prior: of the speech.
        start: state of the speech to start from (1, frames, dimensions).
        config: how to fit.
    """
    generator = torch_generator(config.seed, "enhance", config.inference.kind)
    inference = config.inference.build(start, generator=generator)
    noise = start_noise(power, config.n_components, torch_generator(config.seed, "noise"))
    gains, trace = power.new_ones((len(power), 1)), list[float]()
    for _ in range(config.n_iterations):
        current, scale = noise.power, gains

        def energy(state: Tensor, current: Tensor = current, scale: Tensor = scale) -> Tensor:
            return prior.energy(state, power, current, scale, density=inference.samples_density)

        speech = prior.power(inference.advance(energy))
        if config.gain == "mm":
            gains = update_gains(power, speech, gains, current)
        noise = update_noise(power, gains * speech, noise)
        total = variance(gains * speech, noise.power)
        trace.append(float(negative_log_likelihood(power, total).mean()))
    share = (gains * speech / total).mean(0)
    return NoisyFit(share, noise, gains, trace, inference.acceptance)
