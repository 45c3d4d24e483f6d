"""Which estimator a kind of network is in: the one place that looks at it."""

from __future__ import annotations

from collections.abc import Sequence

from sepvae.errors import ConfigError
from sepvae.estimator.config import EstimatorConfig
from sepvae.estimator.estimator import Estimator
from sepvae.estimator.separating import JointEstimator, SourceEstimator, WaveEstimator
from sepvae.estimator.speech_models import ConditionalEstimator, SegmentEstimator
from sepvae.limits import MAX_WEIGHTS, check_size
from sepvae.models import MODELS
from sepvae.models.network import (
    ConditionalNetwork,
    DistilledNetwork,
    JointNetwork,
    Network,
    SourceNetwork,
    WaveNetwork,
)
from sepvae.models.segment_network import SegmentNetwork, SequenceNetwork

# Narrower kinds come first.
KINDS: dict[type[Network], type[Estimator]] = {
    SourceNetwork: SourceEstimator,
    JointNetwork: JointEstimator,
    WaveNetwork: WaveEstimator,
    SequenceNetwork: SegmentEstimator,
    SegmentNetwork: SegmentEstimator,
    DistilledNetwork: ConditionalEstimator,
    ConditionalNetwork: ConditionalEstimator,
}


def kind_of(model: str) -> type[Network]:
    """Return the kind that a network of the table is of; ConfigError when its class is derived from none."""
    entry = MODELS.resolve(model)
    for kind in KINDS:
        if issubclass(entry, kind):
            return kind
    known = ", ".join(kind.__name__ for kind in KINDS)
    raise ConfigError(f"model {model}: its class is of no kind of network: derive it from one of {known}")


def make_estimator(config: EstimatorConfig, sources: Sequence[str], *, device: str = "cpu") -> Estimator:
    """Return an estimator with fresh weights, of the kind that its network is of.

    Weights come from torch's global generator, so seed it around the call. Arguments as of `Estimator`.

    Raises:
        ConfigError: as of `Estimator`, or more than `MAX_WEIGHTS` weights.
    """
    kind = KINDS[kind_of(config.model.kind)]
    # Shapes without memory: settings that are each of a modest size can be a large network together.
    shapes = kind(config, sources, device="meta")
    advice = "choose a smaller model, fewer sources, or a shorter window_ms"
    check_size("weights of the model", shapes.n_weights, MAX_WEIGHTS, advice)
    return shapes if device == "meta" else kind(config, sources, device=device)
