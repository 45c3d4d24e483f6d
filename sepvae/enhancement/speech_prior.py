"""The model of clean speech as a prior: which model folders serve, and how likely a state makes a noisy recording.

A state (samples, frames, latent) holds the latents of each frame, and behind them the logarithm of its gain where the
gain has a prior.
"""

from __future__ import annotations

from functools import cached_property
from typing import cast

import torch
from torch import Tensor, nn

from sepvae.enhancement.config import GainKind
from sepvae.enhancement.noise_model import negative_log_likelihood, variance
from sepvae.errors import CheckpointError
from sepvae.estimator.checkpoint import Checkpoint
from sepvae.estimator.separating import SourceEstimator
from sepvae.frontend.frontend import Frontend
from sepvae.models.network import SourceNetwork

# The gain of a frame lies within ±43 dB: no step can lead out of the numbers.
_LOG_GAIN_LIMIT = 10.0
HOW_TO_TRAIN = (
    "train one on clean speech with 'sepvae train MANIFEST --corpus DIR --preset speech_prior -o OUT' where "
    "MANIFEST is made by 'sepvae mix --set sources=[speech]'"
)


def check_speech_model(checkpoint: Checkpoint) -> None:
    """Raise CheckpointError when a model is no prior of the power of one source."""
    config, likelihood, found = checkpoint.config.estimator, checkpoint.config.likelihood, ""
    if not isinstance(checkpoint.estimator, SourceEstimator):
        found = f"{config.model.kind} is no network of one source"
    elif len(checkpoint.estimator.sources) != 1:
        found = f"it is of the sources {', '.join(checkpoint.estimator.sources)}"
    elif config.frontend.target.kind != "power":
        found = f"its target is {config.frontend.target.kind}, not power"
    elif likelihood != "itakura_saito":
        found = f"its likelihood is {likelihood}, not itakura_saito"
    if found:
        raise CheckpointError(f"this model cannot enhance speech, {found}: {HOW_TO_TRAIN}")


class SpeechPrior:
    """The speech of one network, with a gain for each frame.

    Args:
        model: of clean speech, decoding to powers.
        frontend: its front-end.
        gain: `gamma` puts the logarithm of each gain into the state.
    """

    def __init__(self, model: SourceNetwork, frontend: Frontend, *, gain: GainKind) -> None:
        self._model, self._frontend, self._has_gain = model, frontend, gain == "gamma"
        self._device = next(cast("nn.Module", model).parameters()).device

    @torch.no_grad()
    def start(self, spectrum: Tensor) -> Tensor:
        """Return the state (1, frames, latent) that the encoder gives for a normalised spectrum (frames, bins)."""
        context = self._model.context_frames
        padded = nn.functional.pad(spectrum, (0, 0, context, context))
        latents = self._model.encode(self._frontend.input(padded)[None]).mean
        if not self._has_gain:
            return latents
        return torch.cat([latents, latents.new_zeros((*latents.shape[:-1], 1))], dim=-1)

    def power(self, state: Tensor) -> Tensor:
        """Return the power of the speech (samples, frames, bins) in a state."""
        if not self._has_gain:
            return self._model.decode(state).spectrum
        log_gain = state[..., -1:].clamp(-_LOG_GAIN_LIMIT, _LOG_GAIN_LIMIT)
        return log_gain.exp() * self._model.decode(state[..., :-1]).spectrum

    def energy(self, state: Tensor, power: Tensor, noise: Tensor, gains: Tensor, *, density: bool) -> Tensor:
        """Return −log p(recording, state | noise) of each frame (samples, frames), up to a constant.

        Args:
            state: (samples, frames, latent).
            power: of the recording (frames, bins).
            noise: power of the noise (frames, bins).
            gains: further gains (frames, 1), of the kinds that have no prior.
            density: with respect to the logarithm of the gain, as samples need it, and not to the gain, whose most
                likely value is wanted.

        Source: Leglaive et al. 2018; the gain's prior Gamma(1, 1) as in Sadeghi & Serizel 2022.
        """
        total = variance(gains * self.power(state), noise)
        energy = negative_log_likelihood(power, total).sum(-1)
        latents = state[..., :-1] if self._has_gain else state
        energy = energy + 0.5 * latents.square().sum(-1)
        if self._has_gain:
            log_gain = state[..., -1]
            energy = energy + log_gain.clamp_max(_LOG_GAIN_LIMIT).exp() - (log_gain if density else 0)
        return energy

    @cached_property
    def works_frame_by_frame(self) -> bool:
        """Whether the decoder gives a frame whatever lies beside it."""
        state = self.start(torch.zeros((5, self._frontend.stft.n_bins), dtype=torch.complex64, device=self._device))
        moved = state.clone()
        moved[:, 2] += 1.0
        beside = [0, 1, 3, 4]
        with torch.no_grad():
            return bool((self.power(state)[:, beside] == self.power(moved)[:, beside]).all())
