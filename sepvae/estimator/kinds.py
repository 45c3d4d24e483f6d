"""Which estimator a kind of network is in: the one place that looks at it."""

from __future__ import annotations

from collections.abc import Sequence

from sepvae.errors import ConfigError
from sepvae.estimator.config import EstimatorConfig
from sepvae.estimator.estimator import Estimator
from sepvae.estimator.separating import JointEstimator, SourceEstimator, WaveEstimator
from sepvae.estimator.speech_models import ConditionalEstimator, SegmentEstimator
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

    Weights come from torch's global generator, so seed it around the call. Arguments and errors as of `Estimator`.
    """
    return KINDS[kind_of(config.model.kind)](config, sources, device=device)
