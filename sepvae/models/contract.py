"""What every model offers, and the closed table of the networks that offer it.

A model is a network and its config: no loss, no files. Features and spectra are (batch, frames, bins). There are five
interfaces: a network for one source (`source`), one that is told who speaks (`conditional`), one for all sources
together (`joint`), one from waves to waves (`waves`), and one that codes segments of speech, not frames (`segment`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from pydantic import Field, field_validator
from torch import Tensor, nn

from sepvae.config import Config, parse_config
from sepvae.tables import resolve

Interface = Literal["source", "conditional", "joint", "waves", "segment"]

# The only registry of models: name -> "module:Class".
MODELS: dict[str, str] = {
    "dense_vae": "sepvae.models.dense:DenseVae",
    "conv_time_vae": "sepvae.models.conv_time:ConvTimeVae",
    "generator": "sepvae.models.generator:Generator",
    "complex_pair": "sepvae.models.complex_pair:ComplexPair",
    "complex_dense": "sepvae.models.complex_dense:ComplexDense",
    "conv_patch": "sepvae.models.conv_patch:ConvPatch",
    "vrnn": "sepvae.models.vrnn:Vrnn",
    "conditional_vae": "sepvae.models.conditional:ConditionalVae",
    "temporal_vae": "sepvae.models.temporal:TemporalVae",
    "conv_tasnet": "sepvae.models.conv_tasnet:ConvTasNet",
    "segment_conv": "sepvae.models.segment_conv:SegmentConv",
    "segment_lstm": "sepvae.models.segment_lstm:SegmentLstm",
    "fhvae": "sepvae.models.fhvae:Fhvae",
}


class Posterior(NamedTuple):
    """q(z|x): mean and log-variance, each (batch, frames, latent); no log-variance for a deterministic encoder."""

    mean: Tensor
    log_variance: Tensor | None


class Decoded(NamedTuple):
    """p(s|z): the spectrum (batch, frames, bins) and, where the network learns it, its log-variance."""

    spectrum: Tensor
    log_variance: Tensor | None


class Reconstruction(NamedTuple):
    """One way through a network: q(z|x), its prior p(z) (None for N(0, I)), the latent drawn, and p(s|z)."""

    posterior: Posterior
    prior: Posterior | None
    latent: Tensor
    decoded: Decoded


# Draws a latent (batch, frames, latent) of a posterior: reparameterised noise in training, its mean at separation.
Sampler = Callable[[Posterior], Tensor]


def most_likely(posterior: Posterior) -> Tensor:
    """Return the mean of a posterior: the sampler of separation."""
    return posterior.mean


class ModelConfig(Config):
    """Base of every model's config."""


class SourceModel(Protocol):
    """A network that gives the spectrum of one source.

    `context_frames` says how many frames before and after each output frame `encode` needs: its input has
    2 · context_frames more frames than its output. `takes_roots` marks a network that cannot have negative features.
    """

    Config: ClassVar[type[ModelConfig]]
    interface: ClassVar[Interface]
    context_frames: int

    def __init__(self, config: Any, *, n_inputs: int, n_outputs: int) -> None: ...

    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, frames + 2 · context_frames, n_inputs) to the posterior of (batch, frames, latent)."""
        ...

    def decode(self, latent: Tensor) -> Decoded:
        """Map latents (batch, frames, latent) to the target features (batch, frames, n_outputs)."""
        ...

    def reconstruct(self, features: Tensor, sample: Sampler) -> Reconstruction:
        """Encode features, draw a latent and decode it; networks with memory draw as they go along time."""
        ...


class SegmentModel(Protocol):
    """A network that codes a segment of `config.segment_frames` frames by one latent vector.

    `nuisance` says which latents hold what stays the same in an utterance, such as voice and channel. The vector of an
    utterance is the sum of these over its segments divided by their number plus `nuisance_prior`.
    """

    Config: ClassVar[type[ModelConfig]]
    interface: ClassVar[Interface]
    config: Any
    nuisance: slice
    nuisance_prior: float

    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, segment_frames, n_inputs) to the posterior of (batch, 1, latent)."""
        ...

    def decode(self, latent: Tensor) -> Decoded:
        """Map latents (batch, 1, latent) to the target features (batch, segment_frames, n_outputs)."""
        ...

    def reconstruct(self, features: Tensor, sample: Sampler) -> Reconstruction:
        """Encode features, draw a latent of their posterior and decode it."""
        ...

    def standardise(self, inputs: Tensor, targets: Tensor) -> None:
        """Take mean and spread of the features from some frames, (frames, n_inputs) and (frames, n_outputs)."""
        ...


class JointModel(Protocol):
    """A network that gives the spectra of all its sources at once, and is trained through the waves they make.

    Its output has the frames of its input; `context_frames` says how far from a frame others still matter to it.
    """

    Config: ClassVar[type[ModelConfig]]
    interface: ClassVar[Interface]
    context_frames: int

    def __init__(self, config: Any, *, n_inputs: int, n_outputs: int, sources: tuple[str, ...]) -> None: ...

    def reconstruct(self, features: Tensor, sample: Sampler) -> dict[str, Reconstruction]:
        """Map features (batch, frames, n_inputs) to the reconstruction of each source."""
        ...


class WaveModel(Protocol):
    """A network from mixtures to sources without a front-end of ours."""

    Config: ClassVar[type[ModelConfig]]
    interface: ClassVar[Interface]
    context_samples: int

    def __init__(self, config: Any, *, n_sources: int) -> None: ...

    def __call__(self, mixture: Tensor) -> Tensor:
        """Map mixtures (batch, time) at a root mean square of about 1 to waves (n_sources, batch, time)."""
        ...


def parse_model_config(kind: str, settings: dict[str, Any]) -> ModelConfig:
    """Return the validated config of the model called `kind`.

    Raises:
        ConfigError: unknown model, unknown key or impossible value; the message names it.
    """
    config_class: type[ModelConfig] = resolve(MODELS, kind, what="model").Config
    return parse_config(config_class, settings, where=f"model {kind}")


class ModelChoice(Config):
    """A network of `MODELS` with its settings: `{kind: dense_vae, settings: {latent: 64}}`."""

    kind: str = "dense_vae"
    settings: dict[str, Any] = Field(default_factory=dict, validate_default=True)

    @field_validator("settings")
    @classmethod
    def _resolved(cls, settings: dict[str, Any], info: Any) -> dict[str, Any]:
        """Check the settings against the network's own config and fill in its defaults."""
        return parse_model_config(info.data.get("kind", "dense_vae"), settings).model_dump(mode="json")

    def config(self) -> ModelConfig:
        """Return the network's own typed config."""
        return parse_model_config(self.kind, self.settings)


def interface_of(kind: str) -> Interface:
    """Return which interface the model called `kind` has."""
    interface: Interface = resolve(MODELS, kind, what="model").interface
    return interface


def takes_roots(kind: str) -> bool:
    """Return whether the model called `kind` takes roots of its features, which must then not be negative."""
    return bool(getattr(resolve(MODELS, kind, what="model"), "takes_roots", False))


def make_model(
    kind: str, config: ModelConfig, *, n_inputs: int, n_outputs: int, sources: tuple[str, ...] = ()
) -> nn.Module:
    """Build the network called `kind`, a torch module with the interface of its class.

    Args:
        config: from `parse_model_config`.
        n_inputs: features per frame that it sees.
        n_outputs: features per frame that it gives for a source.
        sources: names of the sources of a `joint` or `waves` network; other networks are of one source each.
    """
    network_class = resolve(MODELS, kind, what="model")
    network: nn.Module
    if network_class.interface == "waves":
        network = network_class(config, n_sources=len(sources))
    elif network_class.interface == "joint":
        network = network_class(config, n_inputs=n_inputs, n_outputs=n_outputs, sources=sources)
    else:
        network = network_class(config, n_inputs=n_inputs, n_outputs=n_outputs)
    return network
