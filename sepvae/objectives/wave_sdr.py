"""The negative signal-to-distortion ratio of the rebuilt waves, and the KL term of the latents behind them.

Trains through mask and inverse STFT, so that what is minimised is what is heard: for VAEs of all sources together, and
without the KL term for any network on waves.
"""

from __future__ import annotations

from itertools import permutations
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.limits import MAX_DB, Weight
from sepvae.models.contract import REST
from sepvae.models.network import JointNetwork, Network, SourceNetwork, WaveNetwork
from sepvae.objectives.contract import Batch, EstimatesWaves, Loss, Objective
from sepvae.objectives.elbo import kl_divergence, sampler

_MOST_SOURCES = 5


class WaveSdrConfig(Config):
    """Which ratio, how much of the KL term, and the noise of the latents.

    `sdr` compares levels too, `si_sdr` (Le Roux et al. 2019) does not: of no use behind a mask that sets them.
    `floor_db` bounds the ratio of a source that is silent: it is the level, relative to the mixture, of a noise that is
    added to reference and error. `order` `any` compares the estimates of an item with its sources in that order which
    makes the mean ratio best (utterance-level permutation-invariant training, Kolbaek et al. 2017): for sources of one
    kind, whose names mean nothing. What the sources leave, `rest`, has its place in any order.
    """

    ratio: Literal["sdr", "si_sdr"] = "sdr"
    kl_weight: Weight = 1e-3
    epsilon_std: Weight = 1.0
    floor_db: float = Field(-40.0, ge=-MAX_DB, le=0)
    order: Literal["given", "any"] = "given"


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
        for name, item in found.reconstructions.items():
            weight = config.kl_weight / len(found.reconstructions)
            terms[f"{name}/kl"] = weight * kl_divergence(item.posterior, item.prior).mean()
        return Loss(torch.stack(list(terms.values())).sum(), terms)
