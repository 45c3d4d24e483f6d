"""The negative signal-to-distortion ratio of the rebuilt waves, and the KL term of the latents behind them.

Trains through mask and inverse STFT, so that what is minimised is what is heard: for VAEs of all sources together, and
without the KL term for any network on waves.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.limits import MAX_DB, Weight
from sepvae.models.contract import REST
from sepvae.models.network import JointNetwork, Network, SourceNetwork, WaveNetwork
from sepvae.objectives.contract import Batch, EstimatesWaves, Loss, Objective
from sepvae.objectives.elbo import kl_divergence, sampler

_MOST_SOURCES = 5
# Added to powers before they are compressed: 50 dB below a wave of unit level.
_SOFTEST = 1e-5


class WaveSdrConfig(Config):
    """Which ratio, how much of the KL term, and the noise of the latents.

    `sdr` compares levels too, `si_sdr` (Le Roux et al. 2019) does not: of no use behind a mask that sets them.
    `floor_db` bounds the ratio of a source that is silent: it is the level, relative to the mixture, of a noise that is
    added to reference and error. `order` `any` compares the estimates of an item with its sources in that order which
    makes the mean ratio best (utterance-level permutation-invariant training, Kolbaek et al. 2017): for sources of one
    kind, whose names mean nothing. What the sources leave, `rest`, has its place in any order.

    `spectral_weight` is the weight of the same ratio of compressed magnitudes, |X|^`compression` of windows of
    `spectral_window` samples: what is soft, and heard, counts in them as it does not in a wave (Braun & Tashev 2021).
    """

    ratio: Literal["sdr", "si_sdr"] = "sdr"
    kl_weight: Weight = 1e-3
    epsilon_std: Weight = 1.0
    floor_db: float = Field(-40.0, ge=-MAX_DB, le=0)
    order: Literal["given", "any"] = "given"
    spectral_weight: Weight = 0.0
    spectral_window: int = Field(512, ge=16, le=1 << 16)
    compression: float = Field(0.3, gt=0, le=1)

    @model_validator(mode="after")
    def _in_one_order(self) -> WaveSdrConfig:
        if self.spectral_weight and self.order == "any":
            raise ConfigError("spectral_weight: compares sources in their order: set order = given, or the weight to 0")
        return self


def ratio_db(estimate: Tensor, reference: Tensor, *, floor: Tensor, scale_invariant: bool = False) -> Tensor:
    """Return 10 log10 of the energies of reference and error (…) of waves (…, time).

    Args:
        estimate: waves (…, time).
        reference: waves (…, time).
        floor: energy (…) added to both.
        scale_invariant: project the estimate on the reference first (Le Roux et al. 2019).
    """
    energy = reference.square().sum(-1)
    if scale_invariant:
        share = (estimate * reference).sum(-1) / (energy + floor)
        reference = share[..., None] * reference
        energy = reference.square().sum(-1)
    error = (estimate - reference).square().sum(-1)
    return 10 * torch.log10((energy + floor) / (error + floor))


def compressed_magnitudes(waves: Tensor, *, window: int, power: float) -> Tensor:
    """Return |X|^power (…, bins · frames) of waves (…, time) of about unit level.

    Hann windows overlap by three quarters.

    Example:
        >>> compressed_magnitudes(torch.randn(2, 3, 400), window=64, power=0.3).shape
        torch.Size([2, 3, 858])
    """
    spectrum = torch.stft(
        waves.flatten(0, -2),
        window,
        hop_length=window // 4,
        window=torch.hann_window(window, device=waves.device, dtype=waves.dtype),
        # Zeros, of which there may be more than samples.
        pad_mode="constant",
        return_complex=True,
    )
    # Of nothing the slope of a power below one is infinite.
    powers = torch.view_as_real(spectrum).square().sum(-1) + window * _SOFTEST
    return powers.pow(power / 2).reshape(*waves.shape[:-1], -1)


def best_order_db(estimates: Tensor, references: Tensor, *, floor: Tensor, scale_invariant: bool = False) -> Tensor:
    """Return for each item (batch) the mean ratio over its sources in the order in which that is highest.

    Args:
        estimates: waves (sources, batch, time).
        references: waves (sources, batch, time); five sources at most, of which there are 120 orders.
        floor: as of `ratio_db`, (batch).
        scale_invariant: as of `ratio_db`.

    Raises:
        ConfigError: more sources.

    Example:
        >>> waves = torch.eye(2)[:, None]
        >>> best_order_db(waves.flip(0), waves, floor=torch.tensor([1e-4])).item()
        40.00043487548828
    """
    count = len(references)
    if count > _MOST_SOURCES:
        raise ConfigError(f"objective.order any: {count} sources have too many orders: give {_MOST_SOURCES} at most")
    ratios = ratio_db(estimates[:, None], references[None], floor=floor, scale_invariant=scale_invariant)
    orders = [torch.stack([ratios[order[i], i] for i in range(count)]).mean(0) for order in permutations(range(count))]
    return torch.stack(orders).amax(0)


class WaveSdr(Objective):
    """−SDR in dB, averaged over sources and items, + kl_weight · KL per frame, averaged over sources."""

    Config: ClassVar[type[Config]] = WaveSdrConfig
    domain: ClassVar[Literal["features", "waves"]] = "waves"
    trains: ClassVar[tuple[type[Network], ...]] = (SourceNetwork, JointNetwork, WaveNetwork)
    config: WaveSdrConfig

    @property
    def any_order(self) -> bool:
        """Whether the best order counts."""
        return self.config.order == "any"

    def __call__(self, models: EstimatesWaves, batch: Batch) -> Loss:
        """Return the loss of an estimator on a batch of waves."""
        config = self.config
        found = models.estimate(batch.input, sampler(config.epsilon_std, batch.generator))
        floor = 10 ** (config.floor_db / 10) * batch.input.square().sum(-1) + torch.finfo(batch.input.dtype).tiny
        invariant = config.ratio == "si_sdr"
        terms: dict[str, Tensor] = {}
        alike = [name for name in batch.targets if config.order == "any" and name != REST]
        if alike:
            pair = [torch.stack([waves[name] for name in alike]) for waves in (found.waves, batch.targets)]
            best = best_order_db(*pair, floor=floor, scale_invariant=invariant)
            terms[config.ratio] = -best.mean() * len(alike) / len(batch.targets)
        for name, target in batch.targets.items():
            if name not in alike:
                ratio = ratio_db(found.waves[name], target, floor=floor, scale_invariant=invariant)
                terms[f"{name}/{config.ratio}"] = -ratio.mean() / len(batch.targets)
        if config.spectral_weight:
            terms |= self._spectral(found.waves, batch)
        for name, item in found.reconstructions.items():
            weight = config.kl_weight / len(found.reconstructions)
            terms[f"{name}/kl"] = weight * kl_divergence(item.posterior, item.prior).mean()
        return Loss(torch.stack(list(terms.values())).sum(), terms)

    def _spectral(self, waves: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Return the ratio of compressed magnitudes of each source but the rest, whose order is given."""
        config, terms = self.config, dict[str, Tensor]()
        names = [name for name in batch.targets if name != REST]
        for name in names:
            one, other = (
                compressed_magnitudes(wave, window=config.spectral_window, power=config.compression)
                for wave in (waves[name], batch.targets[name])
            )
            floor = 10 ** (config.floor_db / 10) * other.square().sum(-1).detach() + 1.0
            weight = config.spectral_weight / len(batch.targets)
            terms[f"{name}/spectral"] = -weight * ratio_db(one, other, floor=floor).mean()
        return terms
