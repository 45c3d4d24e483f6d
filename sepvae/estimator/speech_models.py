"""Estimators that model speech for something else than a mask: of segments, and of speakers known by name."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from sepvae.estimator.estimator import About, Estimator
from sepvae.models.network import ConditionalNetwork, DistilledNetwork
from sepvae.models.segment_network import SegmentNetwork

# Of speakers, in words about a model.
_MOST_NAMES = 20


class SegmentEstimator(Estimator):
    """A network that codes segments of speech, for augmentation."""

    @property
    def network(self) -> SegmentNetwork:
        """The network of the only source."""
        (network,) = self.networks.values()
        return cast("SegmentNetwork", network)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (batch, segment_frames, n_inputs) to what they are decoded to, (batch, segment_frames, …)."""
        decoded: Tensor = self.network(features)
        return decoded

    def about(self) -> About:
        """Return what the model is for."""
        return About(
            "Codes segments of speech",
            "sepvae augment fit CORPUS -m THIS_FOLDER\nsepvae augment run CORPUS -m THIS_FOLDER -o OUT",
        )


class ConditionalEstimator(Estimator):
    """A network of the powers of speech that is told who speaks, for several microphones."""

    @property
    def network(self) -> ConditionalNetwork:
        """The network of all speakers."""
        (network,) = self.networks.values()
        return cast("ConditionalNetwork", network)

    def forward(self, power: Tensor, classes: Tensor) -> Tensor:
        """Map powers (batch, frames, bins) and classes (batch, classes) to variances (batch, frames, bins)."""
        variances: Tensor = self.network(power, classes)
        return variances

    @property
    def speakers(self) -> tuple[str, ...]:
        """Who it was trained on."""
        return tuple(self.config.model.settings["classes"])

    def about(self) -> About:
        """Return what the model is for."""
        more = f" and {len(self.speakers) - _MOST_NAMES} more" if len(self.speakers) > _MOST_NAMES else ""
        algorithm = "fastmvae2" if issubclass(self.config.model.entry, DistilledNetwork) else "fastmvae2_refined"
        return About(
            "Separates recordings of several microphones",
            f"sepvae demix FILE -m THIS_FOLDER --algorithm {algorithm} -o OUT",
            f"the speakers {', '.join(self.speakers[:_MOST_NAMES])}{more} by name, and others less well",
        )
