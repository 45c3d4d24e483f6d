"""The objective of a conditional VAE of speech with an inference that is not told who speaks.

CVAE: Kameoka et al. 2019. Class information: ACVAE, Li et al. 2019. Inference of both in one pass, taught by
the encoder that knows the class, after Li, Kameoka & Makino 2022 (FastMVAE2), whose own objective is `chimera_acvae`:
here the divergence is KL(student ‖ teacher), and the soft label the probabilities as they are (decision 0015).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.limits import Decibels, Weight
from sepvae.models.contract import Posterior
from sepvae.models.network import ConditionalNetwork, Network
from sepvae.objectives.contract import Batch, Loss, Objective
from sepvae.objectives.elbo import kl_divergence, sample

_FLOOR = 1e-8
_TINY = 1e-20


class ConditionalElboConfig(Config):
    """Weights of the terms, and what the powers that it learns from are disturbed by.

    `information` weighs how well the class can be told from what the decoder makes of it (ACVAE); `inference` the terms
    that teach the inference without a label, 0 for none. With the probability `disturbed`, what the inference sees is
    not what it is to give: another speaker of the batch is added, at a level of `leak_db` over the speech, as after a
    demixing that is not done. With the probability `reverberant`, powers are smeared by a reverberation time of up to
    `reverberation_s`, for all networks: `hop_s` is the time between frames. `colour_db` is the range of a smooth
    response that each item is heard through. With the probability `warped`, an item's frequencies and speed are changed
    by a share of up to `warp`: known speakers gain from the items that are left as they are, others from the rest.
    """

    beta: Weight = 1.0
    classification: Weight = 10.0
    information: Weight = 10.0
    inference: Weight = 1.0
    disturbed: float = Field(0.7, ge=0, le=1)
    leak_db: tuple[Decibels, Decibels] = (-25.0, 0.0)
    reverberant: float = Field(0.5, ge=0, le=1)
    reverberation_s: float = Field(0.5, gt=0, le=5)
    colour_db: float = Field(3.0, ge=0, le=20)
    warp: float = Field(0.08, ge=0, le=0.5)
    warped: float = Field(0.5, ge=0, le=1)
    hop_s: float = Field(0.032, gt=0, le=1)


class ConditionalElbo(Objective):
    """−log p(s|z, c) + β · KL(q(z|s, c) ‖ N(0, I)) per frame, and what teaches the other networks."""

    Config: ClassVar[type[Config]] = ConditionalElboConfig
    trains: ClassVar[tuple[type[Network], ...]] = (ConditionalNetwork,)
    config: ConditionalElboConfig

    @property
    def stops_gradients(self) -> bool:
        """Whether the encoder teaches the inference, and does not learn from it."""
        return self.config.inference > 0

    def __call__(self, models: Mapping[str, ConditionalNetwork], batch: Batch) -> Loss:
        """Return the loss of the one conditional model on a batch whose items have a speaker each."""
        config = self.config
        ((name, model),) = models.items()
        labels = labels_of(batch, model.config.classes, objective="conditional_elbo")
        classes = nn.functional.one_hot(labels, model.n_classes).to(batch.targets[name].dtype)
        clean = batch.targets[name]
        heard = _colour(_warp(clean, config, batch.generator), config, batch.generator)
        target = at_level_of(clean, _reverberate(heard, config, batch.generator))
        posterior = model.encode(target, classes)
        latent = sample(posterior, epsilon_std=1.0, generator=batch.generator)
        decoded = model.decode(latent, classes).spectrum
        terms = {
            "reconstruction": itakura_saito_divergence(target, decoded),
            "kl": config.beta * kl_divergence(posterior).mean(),
        }
        if config.information:
            log_classes = model.infer(at_level_of(target, decoded)).log_classes
            terms["information"] = config.information * nn.functional.nll_loss(log_classes, labels)
        disturbed = at_level_of(target, _disturb(target, config, batch.generator))
        found = model.infer(disturbed)
        if config.classification:
            terms["classification"] = config.classification * nn.functional.nll_loss(found.log_classes, labels)
        if config.inference:
            drawn = sample(found.posterior, epsilon_std=1.0, generator=batch.generator)
            inferred = model.decode(drawn, found.log_classes.exp()).spectrum
            terms["inferred_reconstruction"] = config.inference * itakura_saito_divergence(target, inferred)
            terms["inferred_kl"] = config.inference * kl_divergence(found.posterior, detached(posterior)).mean()
        return Loss(torch.stack(list(terms.values())).sum(), {f"{name}/{key}": term for key, term in terms.items()})


def detached(posterior: Posterior) -> Posterior:
    """Return a posterior that no gradient passes: who gave it teaches, and does not learn."""
    spread = posterior.log_variance
    return Posterior(posterior.mean.detach(), None if spread is None else spread.detach())


def labels_of(batch: Batch, classes: tuple[str, ...], *, objective: str) -> Tensor:
    """Return the number of the class of each item (batch,); ConfigError, by the objective, where one has none."""
    places = {name: place for place, name in enumerate(classes)}
    if unknown := sorted(set(batch.speakers) - set(places)):
        raise ConfigError(
            f"objective {objective}: the model has no class for {', '.join(unknown)} (it has "
            f"{', '.join(classes) or 'none'}): name all speakers of training and validation in its classes"
        )
    return torch.tensor([places[name] for name in batch.speakers], device=batch.input.device)


def itakura_saito_divergence(target: Tensor, decoded: Tensor) -> Tensor:
    """Return the Itakura–Saito divergence per frame of powers (batch, frames, bins), a mean over frames.

    One floor below both keeps digital silence finite.
    """
    ratio = (target + _FLOOR) / (decoded + _FLOOR)
    return (ratio - ratio.log() - 1).sum(-1).mean()


def at_level_of(target: Tensor, power: Tensor) -> Tensor:
    """Return powers (batch, frames, bins), each item at the mean that its target has.

    The front-end has divided files by the level of the speech in them, as at separation; a segment has a level of its
    own beside that, which is left to it.
    """
    return power * (target.mean((1, 2), keepdim=True) / power.mean((1, 2), keepdim=True).clamp_min(_TINY))


def _uniform(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, device=like.device).uniform_(0, 1, generator=generator)


def _interpolate(values: Tensor, places: Tensor) -> Tensor:
    """Return values (batch, n, channels) at fractional places (batch, m) along n, the ends continued."""
    n_last = values.shape[1] - 1
    places = places.clamp(0, n_last)
    below = places.floor().long().clamp_max(max(n_last - 1, 0))
    share = (places - below)[..., None]
    index = below[..., None].expand(-1, -1, values.shape[2])
    above = (index + 1).clamp_max(n_last)
    return values.gather(1, index) * (1 - share) + values.gather(1, above) * share


def _warp(power: Tensor, config: ConditionalElboConfig, generator: torch.Generator) -> Tensor:
    """Give each item a pitch and vocal tract, and a speed, a little off its own (Jaitly & Hinton 2013)."""
    if not config.warp:
        return power
    _, n_frames, n_bins = power.shape
    draws = _uniform((3, len(power), 1), power, generator)
    factors = 1 + config.warp * (2 * draws[:2] - 1) * (draws[2] < config.warped)
    bins, frames = torch.arange(n_bins, device=power.device), torch.arange(n_frames, device=power.device)
    warped = _interpolate(power.transpose(1, 2), bins * factors[0]).transpose(1, 2)
    return _interpolate(warped, frames * factors[1])


def _colour(power: Tensor, config: ConditionalElboConfig, generator: torch.Generator) -> Tensor:
    """Give each item a smooth response of its own, as rooms and microphones do."""
    knots = 2 * _uniform((len(power), 1, 9), power, generator) - 1
    response = nn.functional.interpolate(knots, power.shape[-1], mode="linear", align_corners=True)
    return power * torch.pow(10.0, config.colour_db / 10 * response)


def _reverberate(power: Tensor, config: ConditionalElboConfig, generator: torch.Generator) -> Tensor:
    """Smear powers (batch, frames, bins) along time by exponential decays, some items not at all."""
    draws = _uniform((3, len(power)), power, generator)
    n_taps = min(power.shape[1], round(config.reverberation_s / config.hop_s) + 1)
    times = torch.arange(n_taps, device=power.device) * config.hop_s
    decay = (config.reverberation_s * draws[0]).clamp_min(0.02)
    taps = torch.exp(-13.8 * times / decay[:, None]) * draws[1, :, None]
    taps[:, 0] = 1
    taps[draws[2] >= config.reverberant, 1:] = 0
    # (bins, batch, frames): one filter for each item.
    padded = nn.functional.pad(power.permute(2, 0, 1), (n_taps - 1, 0))
    return nn.functional.conv1d(padded, taps.flip(1)[:, None], groups=len(power)).permute(1, 2, 0)


def _disturb(power: Tensor, config: ConditionalElboConfig, generator: torch.Generator) -> Tensor:
    """Add to each item what another one of the batch leaks into it, in every bin as much as it likes."""
    draws = _uniform((2, len(power)), power, generator)
    low, high = config.leak_db
    gain = torch.pow(10.0, (low + (high - low) * draws[0]) / 10) * (draws[1] < config.disturbed)
    knots = 2 * _uniform((len(power), 1, 33), power, generator) - 1
    response = torch.pow(10.0, nn.functional.interpolate(knots, power.shape[-1], mode="linear", align_corners=True))
    # Over the speech of the segment, whose level is its own.
    return power + gain[:, None, None] * response * at_level_of(power, power.roll(1, 0))
