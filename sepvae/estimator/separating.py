"""Estimators that take mixtures apart: of a network for each source, of one for all, and of one on waves."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from sepvae.errors import CheckpointError, ConfigError
from sepvae.estimator import MASKS
from sepvae.estimator.config import DIRECT, EstimatorConfig
from sepvae.estimator.estimator import About, Estimator
from sepvae.estimator.generative import infer_sources
from sepvae.estimator.masks import apply_masks, make_masks, scale_spectrum
from sepvae.frontend.frontend import Frontend
from sepvae.models.contract import Reconstruction, Sampler, most_likely
from sepvae.models.network import JointNetwork, SourceNetwork, WaveNetwork
from sepvae.objectives.contract import WaveEstimate


class SeparatingEstimator(Estimator):
    """An estimator from mixtures to the waves of their sources."""

    # Whether a single source makes sense: a mask of one source is 1 everywhere.
    needs_others: ClassVar[bool] = True

    @property
    @abstractmethod
    def context_samples(self) -> int:
        """Samples before and after a sample that its estimate depends on: a multiple of the hop."""

    @abstractmethod
    def estimate(
        self,
        mixture: Tensor,
        sample: Sampler = most_likely,
        *,
        beside: Sequence[SeparatingEstimator] = (),
        levels: Tensor | None = None,
        mask: str | None = None,
    ) -> WaveEstimate:
        """Map mixtures to the estimates of all sources, and of those of other estimators behind the same mask.

        Args:
            mixture: waves (batch, time).
            sample: how latents are drawn.
            beside: other estimators with the same front-end.
            levels: of the spectrum of each mixture (batch, 1, 1), when it is a part of a longer one.
            mask: that of the config when None.

        Returns:
            Estimates (batch, time) in the order of the sources, and the reconstructions behind them; differentiable.
        """

    def forward(self, mixture: Tensor) -> Tensor:
        """Map mixtures (batch, time) to the most likely waves of the sources (sources, batch, time)."""
        return torch.stack(list(self.estimate(mixture).waves.values()))

    def about(self) -> About:
        """Return what the model is for."""
        return About(f"Separates mixtures of {', '.join(self.sources)}", "sepvae separate FILE -m THIS_FOLDER -o OUT")


class SpectralEstimator(SeparatingEstimator):
    """An estimator whose networks give spectra of the sources, which a mask shares the mixture out by."""

    @property
    def context_samples(self) -> int:
        """Samples before and after a sample that its estimate depends on: a multiple of the hop."""
        stft = self.frontend.stft
        # A sample depends on the frames that cover it, and these on their context, and on what is heard of it.
        frames = math.ceil((2 * stft.window_samples + self.frontend.heard_samples) / stft.hop_samples)
        return (frames + self.context_frames) * stft.hop_samples

    @abstractmethod
    def infer(self, normalised: Tensor, sample: Sampler) -> dict[str, Reconstruction]:
        """Map spectra (batch, frames, bins) at a level of 1 to what the encoders make of each source."""

    def estimate(
        self,
        mixture: Tensor,
        sample: Sampler = most_likely,
        *,
        beside: Sequence[SeparatingEstimator] = (),
        levels: Tensor | None = None,
        mask: str | None = None,
    ) -> WaveEstimate:
        """Map mixtures to the estimates of all sources; arguments as of the base."""
        heard = self.frontend.heard(mixture)
        spectrum = self.frontend.stft.analyse(heard)
        levels = self.frontend.levels(spectrum) if levels is None else levels
        estimators = [self, *(cast("SpectralEstimator", other) for other in beside)]
        found = _reconstructions(estimators, scale_spectrum(spectrum, 1 / levels), sample)
        mask = mask or self.config.mask
        waves = self._rebuilt(found, heard, spectrum, levels, mask)
        if mask != DIRECT:
            # Estimates behind masks add up to the mixture: what no network has heard is nobody's, and shared by all.
            waves = {name: wave + (mixture - heard) / len(waves) for name, wave in waves.items()}
        return WaveEstimate(waves, found)

    def _rebuilt(
        self, found: dict[str, Reconstruction], heard: Tensor, spectrum: Tensor, levels: Tensor, mask: str
    ) -> dict[str, Tensor]:
        """Return the wave (batch, time) of each source, of what is heard of the mixture."""
        stft, target, n_samples = self.frontend.stft, self.frontend.target, heard.shape[-1]
        decoded = [item.decoded.spectrum for item in found.values()]
        if mask == DIRECT:
            direct = torch.stack([target.spectrum(features) for features in decoded])
            # Biases make something of nothing, where a mask does not.
            audible = (spectrum != 0).any(-1, keepdim=True)
            waves = stft.synthesise(scale_spectrum(direct, levels * audible), n_samples=n_samples)
            return dict(zip(found, waves, strict=True))
        masks = make_masks(torch.stack([target.magnitude(features) for features in decoded]), kind=mask)
        # Masks add up to one and synthesis is linear, so the last source is what the others leave of the mixture.
        waves = stft.synthesise(apply_masks(spectrum, masks[:-1]), n_samples=n_samples)
        return dict(zip(found, [*waves, heard - waves.sum(0)], strict=True))


def _reconstructions(
    estimators: Sequence[SpectralEstimator], normalised: Tensor, sample: Sampler
) -> dict[str, Reconstruction]:
    """Return what the sources of all estimators are in normalised spectra, as their config infers it."""
    inference = estimators[0].config.inference
    if inference is None:
        return {name: item for one in estimators for name, item in one.infer(normalised, sample).items()}
    of_one = [cast("SourceEstimator", one) for one in estimators]
    models = {name: model for one in of_one for name, model in one.models.items()}
    posteriors = {name: model.encode(one.features(normalised)) for one in of_one for name, model in one.models.items()}
    return infer_sources(models, posteriors, estimators[0].frontend.target(normalised), inference)


class SourceEstimator(SpectralEstimator):
    """A network for each source, which sees the frames around those it gives."""

    @property
    def models(self) -> dict[str, SourceNetwork]:
        """The network of each source."""
        return {name: cast("SourceNetwork", network) for name, network in self.networks.items()}

    @property
    def context_frames(self) -> int:
        """Frames before and after a frame that its estimate depends on."""
        return max(model.context_frames for model in self.models.values())

    def features(self, normalised: Tensor) -> Tensor:
        """Return the input of the networks, (batch, frames + 2 · context_frames, n_inputs)."""
        context = self.context_frames
        # Silence before and after the file, as in training; in the spectrum, since not every feature of it is 0.
        padded = nn.functional.pad(torch.view_as_real(normalised), (0, 0, 0, 0, context, context))
        return self.frontend.input(torch.view_as_complex(padded))

    def infer(self, normalised: Tensor, sample: Sampler) -> dict[str, Reconstruction]:
        """Map spectra (batch, frames, bins) at a level of 1 to what the encoders make of each source."""
        features = self.features(normalised)
        return {name: model.reconstruct(features, sample) for name, model in self.models.items()}


class JointEstimator(SpectralEstimator):
    """One network of all sources, whose output has the frames of its input."""

    def __init__(self, config: EstimatorConfig, sources: Sequence[str], *, device: str = "cpu") -> None:
        if len(sources) < 2 and config.mask != DIRECT:
            raise ConfigError(
                f"model {config.model.kind} shares a mixture out among its sources, and {', '.join(sources)} is alone: "
                "give two sources or more, or a model of one source (preset clean_source)"
            )
        super().__init__(config, sources, device=device)

    @property
    def network_names(self) -> tuple[str, ...]:
        """What the network is called among the modules."""
        return (ALL_SOURCES,)

    @property
    def network(self) -> JointNetwork:
        """The network."""
        return cast("JointNetwork", self.networks[ALL_SOURCES])

    @property
    def context_frames(self) -> int:
        """Frames before and after a frame that its estimate depends on."""
        return self.network.context_frames

    def infer(self, normalised: Tensor, sample: Sampler) -> dict[str, Reconstruction]:
        """Map spectra (batch, frames, bins) at a level of 1 to what the encoder makes of each source."""
        return self.network.reconstruct(self.frontend.input(normalised), sample)


class WaveEstimator(SeparatingEstimator):
    """One network from waves to waves; the front-end tells it the level, and nothing else."""

    needs_others: ClassVar[bool] = False

    @property
    def network_names(self) -> tuple[str, ...]:
        """What the network is called among the modules."""
        return (ALL_SOURCES,)

    @property
    def network(self) -> WaveNetwork:
        """The network."""
        return cast("WaveNetwork", self.networks[ALL_SOURCES])

    @property
    def context_samples(self) -> int:
        """Samples before and after a sample that its estimate depends on: a multiple of the hop."""
        hop = self.frontend.stft.hop_samples
        return math.ceil((self.network.context_samples + self.frontend.heard_samples) / hop) * hop

    def estimate(
        self,
        mixture: Tensor,
        sample: Sampler = most_likely,  # noqa: ARG002
        *,
        beside: Sequence[SeparatingEstimator] = (),  # noqa: ARG002
        levels: Tensor | None = None,
        mask: str | None = None,  # noqa: ARG002
    ) -> WaveEstimate:
        """Map mixtures to the estimates of all sources; it has no latents and no mask, and stands alone."""
        stft, heard = self.frontend.stft, self.frontend.heard(mixture)
        levels = self.frontend.levels(stft.analyse(heard)) if levels is None else levels
        # By Parseval, the level of the waves from that of their spectra.
        scale = levels[:, 0] / math.sqrt(stft.window_energy)
        estimates: Tensor = self.network(heard / scale) * scale
        return WaveEstimate(dict(zip(self.sources, estimates, strict=True)), {})


# The name of the network of all sources among the modules, and so among the stored weights.
ALL_SOURCES = "all_sources"


class Together:
    """One or more estimators behind one mask.

    Args:
        estimators: with the same front-end and inference, and different sources.
        mask: the one they were stored with when None.

    Raises:
        CheckpointError: they do not fit together, or take no mixtures apart.
        ConfigError: they were stored with different masks, and none is given.
    """

    def __init__(self, estimators: Sequence[Estimator], *, mask: str | None = None) -> None:
        names: list[str] = []
        separating = [_separating(one) for one in estimators]
        first = separating[0].config
        for one in separating:
            if one.config.frontend != first.frontend:
                raise CheckpointError("the models have different front-ends: separate with models trained alike")
            if one.config.inference != first.inference:
                raise CheckpointError("the models are fitted to mixtures in different ways: give models trained alike")
            if not isinstance(one, SpectralEstimator) and len(separating) > 1:
                raise CheckpointError(
                    "a network on waves gives all its sources by itself: give it without other models"
                )
            if again := sorted(set(names) & set(one.sources)):
                raise CheckpointError(f"two models are for the source {again[0]!r}: give each source once")
            names += one.sources
        self.estimators = tuple(separating)
        self.mask = mask or _stored_mask(separating)
        if len(names) < 2 and self.mask != DIRECT and separating[0].needs_others:
            raise CheckpointError(
                f"the models are of {names[0]!r} alone, and there is nothing to separate it from: give the models of "
                "all who speak, or take speech out of noise with 'sepvae enhance'"
            )
        self.sources = tuple(names)
        self.context_samples = max(one.context_samples for one in separating)

    @property
    def frontend(self) -> Frontend:
        """The front-end of all."""
        return self.estimators[0].frontend

    def estimate(self, mixture: Tensor, *, levels: Tensor) -> WaveEstimate:
        """Map parts of mixtures (batch, time), whose levels (batch, 1, 1) are known, to the most likely estimates."""
        first, *others = self.estimators
        return first.estimate(mixture, beside=others, levels=levels, mask=self.mask)


def _separating(estimator: Estimator) -> SeparatingEstimator:
    if not isinstance(estimator, SeparatingEstimator):
        about = estimator.about()
        raise CheckpointError(
            f"a {estimator.config.model.kind} takes no mixtures of one microphone apart. It {about.does[0].lower()}"
            f"{about.does[1:]}: use it by {about.usage.splitlines()[0]!r}, and for one microphone train a model of "
            "each talker with 'sepvae train'"
        )
    return estimator


def _stored_mask(estimators: Sequence[SeparatingEstimator]) -> str:
    """Return the mask that the models agree on; ConfigError names theirs where they do not."""
    stored = {", ".join(one.sources): one.config.mask for one in estimators}
    if len(set(stored.values())) > 1:
        found = ", ".join(f"{mask} for {sources}" for sources, mask in stored.items())
        raise ConfigError(
            f"the models have different masks ({found}), and one mask is shared by all sources: choose it with "
            f"{' or '.join(f'--mask {name}' for name in MASKS)} (from Python: mask=)"
        )
    return estimators[0].config.mask
