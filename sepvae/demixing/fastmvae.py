"""FastMVAE: the class of each source from a classifier, then its latents from an encoder (Li et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

from sepvae.demixing.speech_model import (
    CvaeVariances,
    DecodedSources,
    InferredSources,
    SpeechDemixingConfig,
    SpeechModelAlgorithm,
)


class FastMvaeVariances(CvaeVariances):
    """The class from the classifier, then the latents from the encoder that is told the class."""

    @torch.no_grad()
    def _fit_sources(self, power: Tensor) -> DecodedSources:
        log_classes = self.network.infer(power).log_classes
        latent = self.network.encode(power, self._classes(log_classes)).mean
        return self._decode(InferredSources(latent, log_classes))


class FastMvae(SpeechModelAlgorithm):
    """A VAE of many speakers says who each talker sounds like, then what they are like (Li et al. 2019)."""

    Config = SpeechDemixingConfig
    label = "FastMVAE"

    def variances(self, n_batch: int, speakers: Tensor | None) -> FastMvaeVariances:  # noqa: ARG002
        """Return a source model that has inferred nothing."""
        return FastMvaeVariances(self.model, speakers=speakers, half=self.half)
