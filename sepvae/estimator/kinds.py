"""Which estimator a kind of network is in: the one place that looks at it."""

from __future__ import annotations

from collections.abc import Sequence

from sepvae.errors import ConfigError
from sepvae.estimator.config import EstimatorConfig
from sepvae.estimator.estimator import Estimator
from sepvae.estimator.separating import JointEstimator, SourceEstimator, WaveEstimator
from sepvae.estimator.speech_models import ConditionalEstimator, SegmentEstimator
from sepvae.models.network import ConditionalNetwork, JointNetwork, Network, SourceNetwork, WaveNetwork
from sepvae.models.segment_network import SegmentNetwork

_KINDS: dict[type[Network], type[Estimator]] = {
    SourceNetwork: SourceEstimator,
    JointNetwork: JointEstimator,
    WaveNetwork: WaveEstimator,
    SegmentNetwork: SegmentEstimator,
    ConditionalNetwork: ConditionalEstimator,
}


def make_estimator(config: EstimatorConfig, sources: Sequence[str], *, device: str = "cpu") -> Estimator:
    """Return an estimator with fresh weights, of the kind that its network is of.

    Weights come from torch's global generator, so seed it around the call. Arguments and errors as of `Estimator`.
    """
    for base, kind in _KINDS.items():
        if issubclass(config.model.entry, base):
            return kind(config, sources, device=device)
    known = ", ".join(base.__name__ for base in _KINDS)
    raise ConfigError(f"model {config.model.kind}: its class is of no kind of network: derive it from one of {known}")
