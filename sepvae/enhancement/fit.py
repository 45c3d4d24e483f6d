"""Expectation–maximisation on one stretch of a recording: the speech given the noise, the noise given the speech."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from sepvae.enhancement.config import EnhancementConfig
from sepvae.enhancement.monte_carlo_em import Energy, metropolis_hastings
from sepvae.enhancement.noise_model import (
    NoiseModel,
    negative_log_likelihood,
    start_noise,
    update_gains,
    update_noise,
    variance,
)
from sepvae.enhancement.posterior import Ascent, Langevin
from sepvae.enhancement.speech_prior import SpeechPrior
from sepvae.seeds import torch_generator

# Moves on the states under an energy and returns samples (samples, frames, dimensions).
Step = Callable[[Energy], Tensor]


class Fit(NamedTuple):
    """What was found: the share of the speech in every bin (frames, bins), the noise, and how the fit went.

    `trace` is the mean negative log-likelihood of a bin after each iteration, `acceptance` the share of accepted moves
    of Metropolis–Hastings in each, empty for other methods.
    """

    share: Tensor
    noise: NoiseModel
    gains: Tensor
    trace: list[float]
    acceptance: list[float]


def _stepper(start: Tensor, config: EnhancementConfig, acceptance: list[float]) -> Step:
    """Return how the states move under the method of the config."""
    generator = torch_generator(config.seed, "enhance", config.method)
    if config.method == "map":
        ascent = Ascent(start, learning_rate=config.map.learning_rate)
        return lambda energy: ascent.advance(energy, n_steps=config.map.n_steps)
    if config.method == "langevin":
        settings = config.langevin
        chains = Langevin(start, n_chains=settings.n_chains, step_size=settings.step_size, generator=generator)
        return lambda energy: chains.advance(energy, n_steps=settings.n_steps)
    samples = start

    def walk(energy: Energy) -> Tensor:
        nonlocal samples
        samples, accepted = metropolis_hastings(
            energy,
            samples[-1:],
            n_samples=config.mcem.n_samples,
            burn_in=config.mcem.burn_in,
            step_std=config.mcem.step_std,
            generator=generator,
        )
        acceptance.append(accepted)
        return samples

    return walk


@torch.no_grad()
def fit_noisy(power: Tensor, prior: SpeechPrior, start: Tensor, config: EnhancementConfig) -> Fit:
    """Fit the speech and the noise of a recording.

    Args:
        power: of its normalised spectrum (frames, bins).
        prior: of the speech.
        start: state of the speech to start from (1, frames, dimensions).
        config: how to fit.
    """
    acceptance: list[float] = []
    advance = _stepper(start, config, acceptance)
    noise = start_noise(power, config.n_components, torch_generator(config.seed, "noise"))
    gains, trace = power.new_ones((len(power), 1)), list[float]()
    for _ in range(config.n_iterations):
        current, scale = noise.power, gains

        def energy(state: Tensor, current: Tensor = current, scale: Tensor = scale) -> Tensor:
            return prior.energy(state, power, current, scale, density=config.method != "map")

        speech = prior.power(advance(energy))
        if config.gain == "mm":
            gains = update_gains(power, speech, gains, current)
        noise = update_noise(power, gains * speech, noise)
        total = variance(gains * speech, noise.power)
        trace.append(float(negative_log_likelihood(power, total).mean()))
    share = (gains * speech / total).mean(0)
    return Fit(share, noise, gains, trace, acceptance)
