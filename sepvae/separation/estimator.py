"""Estimator: front-end, networks and mask as one torch module, from mixtures to the waves of the sources.

It is what is trained, saved, loaded and run; `Separator` runs it on recordings of any length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from pydantic import model_validator
from torch import Tensor, nn

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.frontend.features import NON_NEGATIVE
from sepvae.frontend.frontend import Frontend, FrontendConfig
from sepvae.models.contract import (
    ModelChoice,
    Posterior,
    Reconstruction,
    Sampler,
    SourceModel,
    interface_of,
    make_model,
    most_likely,
    takes_roots,
)
from sepvae.objectives.contract import WaveEstimate
from sepvae.separation.generative import GenerativeConfig, infer_sources
from sepvae.separation.masks import MaskKind, apply_masks, make_masks, scale_spectrum

# The name of the network of all sources among the modules, and so among the stored weights.
_ALL = "all_sources"


class EstimatorConfig(Config):
    """Everything that decides how estimates are made, the weights aside.

    `inference` None takes what the encoders make of the mixture; `{kind: generative}` fits the decoders to it, for
    models that were trained on clean sources. `mask` `direct` takes complex estimates as they are, in place of a share
    of the mixture: then they do not add up to it.
    """

    frontend: FrontendConfig = FrontendConfig()
    model: ModelChoice = ModelChoice()
    inference: GenerativeConfig | None = None
    mask: Literal["ratio", "wiener", "direct"] = "ratio"

    @model_validator(mode="after")
    def _has_roots(self) -> EstimatorConfig:
        """Refuse negative features for a network that takes roots of them: it would give NaN."""
        kind = self.frontend.input.kind
        if takes_roots(self.model.kind) and kind not in NON_NEGATIVE:
            raise ConfigError(
                f"frontend.input.kind = {kind}: model {self.model.kind} takes roots of its input, which must not be "
                f"negative: set frontend.input.kind to magnitude, or to one of {', '.join(NON_NEGATIVE[1:])}"
            )
        return self

    @model_validator(mode="after")
    def _has_phases(self) -> EstimatorConfig:
        """Refuse to take as a spectrum what has no phase."""
        if self.mask == "direct" and self.frontend.target.kind != "complex":
            kind = self.frontend.target.kind
            raise ConfigError(
                f"mask direct takes the estimates themselves; frontend.target.kind = {kind} has no phase: set it to "
                "complex, or mask to ratio or wiener"
            )
        return self

    @model_validator(mode="after")
    def _can_be_fitted(self) -> EstimatorConfig:
        """Refuse to fit what has no decoders, or spectra that do not add up under the likelihood."""
        if self.inference is None:
            return self
        if interface_of(self.model.kind) != "source":
            raise ConfigError(f"inference generative fits networks of one source each, {self.model.kind} is of all")
        wanted = {"poisson": "magnitude", "itakura_saito": "power"}[self.inference.likelihood]
        if self.frontend.target.kind != wanted:
            raise ConfigError(
                f"inference.likelihood = {self.inference.likelihood} adds up spectra of the kind {wanted}, "
                f"frontend.target.kind is {self.frontend.target.kind}: set it to {wanted}"
            )
        return self


class Estimator(nn.Module):
    """Networks for named sources with the front-end before and the mask behind them.

    Args:
        config: front-end, network and mask.
        sources: names of the sources.
        device: where the weights are made; `meta` for shapes alone.

    Raises:
        ConfigError: a source is named twice or as a part of torch's modules, or the front-end is impossible.
    """

    def __init__(self, config: EstimatorConfig, sources: Sequence[str], *, device: str = "cpu") -> None:
        super().__init__()
        self.config, self.sources = config, tuple(sources)
        self.frontend, choice = Frontend(config.frontend), config.model
        self.interface = interface_of(choice.kind)
        self.networks = nn.ModuleDict()
        for name in self.sources:
            if self.sources.count(name) > 1 or hasattr(self.networks, name):
                reason = "is there twice" if self.sources.count(name) > 1 else "is taken by torch"
                raise ConfigError(f"source name {name!r} {reason}: give another")
        for name in (_ALL,) if self.interface in ("joint", "waves") else self.sources:
            with torch.device(device):
                self.networks[name] = make_model(
                    choice.kind,
                    choice.config(),
                    n_inputs=self.frontend.input.n_features,
                    n_outputs=self.frontend.target.n_features,
                    sources=self.sources,
                )

    @property
    def context_frames(self) -> int:
        """Frames before and after a frame that its estimate depends on; 0 for networks on waves."""
        if self.interface == "waves":
            return 0
        return max(cast("SourceModel", network).context_frames for network in self.networks.values())

    @property
    def context_samples(self) -> int:
        """Samples before and after a sample that its estimate depends on: a multiple of the hop."""
        stft = self.frontend.stft
        hop = stft.hop_samples
        if self.interface == "waves":
            samples: int = cast("Any", self.networks[_ALL]).context_samples
            return math.ceil(samples / hop) * hop
        # A sample depends on the frames that cover it, and these on their context.
        return (math.ceil(2 * stft.window_samples / hop) + self.context_frames) * hop

    @property
    def models(self) -> dict[str, SourceModel]:
        """The network of each source, as objectives on features take them; only networks of one source each."""
        return {name: cast("SourceModel", network) for name, network in self.networks.items()}

    def reconstruct(self, features: Tensor, sample: Sampler = most_likely) -> dict[str, Reconstruction]:
        """Map input features to a reconstruction of each source.

        Args:
            features: (batch, frames + 2 · context_frames, n_inputs); (batch, frames, n_inputs) for a joint network.
            sample: how latents are drawn.
        """
        if self.interface == "joint":
            found: dict[str, Reconstruction] = cast("Any", self.networks[_ALL]).reconstruct(features, sample)
            return found
        return {name: model.reconstruct(features, sample) for name, model in self.models.items()}

    def estimate(self, mixture: Tensor, sample: Sampler = most_likely) -> WaveEstimate:
        """Map mixtures (batch, time) to the estimates of all sources; differentiable."""
        return estimate_together([self], mixture, sample=sample)


def estimate_together(
    estimators: Sequence[Estimator],
    mixture: Tensor,
    *,
    levels: Tensor | None = None,
    mask: MaskKind | Literal["direct"] | None = None,
    sample: Sampler = most_likely,
) -> WaveEstimate:
    """Map mixtures (batch, time) to the estimates of the sources of all estimators, behind one mask.

    Args:
        estimators: with the same front-end; networks on waves have no mask, and stand alone.
        mixture: waves (batch, time).
        levels: of the spectrum of each mixture (batch, 1, 1), when it is a part of a longer one.
        mask: the one of the first estimator when None, which may be `direct`.
        sample: how latents are drawn.

    Returns:
        Estimates (batch, time) in the order of the estimators' sources, and the reconstructions behind them.
    """
    first = estimators[0]
    stft = first.frontend.stft
    spectrum = stft.analyse(mixture)
    levels = first.frontend.levels(spectrum) if levels is None else levels
    if first.interface == "waves":
        # By Parseval, the level of the waves from that of their spectra.
        scale = levels[:, 0] / math.sqrt(stft.window_energy)
        estimates: Tensor = first.networks[_ALL](mixture / scale) * scale
        return WaveEstimate(dict(zip(first.sources, estimates, strict=True)), {})
    found, posteriors = dict[str, Reconstruction](), dict[str, Posterior]()
    normalised = scale_spectrum(spectrum, 1 / levels)
    for estimator in estimators:
        context = estimator.context_frames if estimator.interface == "source" else 0
        # Silence before and after the file, as in training; in the spectrum, since not every feature of it is 0.
        features = estimator.frontend.input(nn.functional.pad(normalised, (0, 0, context, context)))
        if first.config.inference is None:
            found |= estimator.reconstruct(features, sample)
        else:
            posteriors |= {name: model.encode(features) for name, model in estimator.models.items()}
    if first.config.inference is not None:
        models = {name: model for estimator in estimators for name, model in estimator.models.items()}
        found = infer_sources(models, posteriors, first.frontend.target(normalised), first.config.inference)
    kind = mask or first.config.mask
    if kind == "direct":
        direct = torch.stack([first.frontend.target.spectrum(item.decoded.spectrum) for item in found.values()])
        # Biases make something of nothing, where a mask does not.
        heard = (spectrum != 0).any(-1, keepdim=True)
        waves = stft.synthesise(scale_spectrum(direct, levels * heard), n_samples=mixture.shape[-1])
        return WaveEstimate(dict(zip(found, waves, strict=True)), found)
    magnitudes = [first.frontend.target.magnitude(item.decoded.spectrum) for item in found.values()]
    masks = make_masks(torch.stack(magnitudes), kind=kind)
    # The masks add up to one and synthesis is linear, so the last source is what the others leave of the mixture.
    waves = stft.synthesise(apply_masks(spectrum, masks[:-1]), n_samples=mixture.shape[-1])
    return WaveEstimate(dict(zip(found, [*waves, mixture - waves.sum(0)], strict=True)), found)
