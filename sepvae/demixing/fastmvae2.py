"""FastMVAE2: class and latents of each source in one pass of a network (Li, Kameoka & Makino 2022), and a refined form.

Whether the inference has the last word is what the two differ in: see decision 0015.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from sepvae.demixing.mvae import Mvae, MvaeConfig
from sepvae.demixing.speech_model import CvaeVariances, DecodedSources, SpeechDemixingConfig, SpeechModelAlgorithm


class FastMvae2Variances(CvaeVariances):
    """Class and latents in one pass of the network that was taught to infer both."""

    @torch.no_grad()
    def _fit_sources(self, power: Tensor) -> DecodedSources:
        return self._infer(power)


class FastMvae2(SpeechModelAlgorithm):
    """A VAE of many speakers says in one pass what each talker is like (Li, Kameoka & Makino 2022)."""

    Config = SpeechDemixingConfig
    label = "FastMVAE2"

    def variances(self, n_batch: int, speakers: Tensor | None) -> FastMvae2Variances:  # noqa: ARG002
        """Return a source model that has inferred nothing."""
        return FastMvae2Variances(self.model, speakers=speakers, half=self.half)


class FastMvae2RefinedConfig(MvaeConfig):
    """Few `steps` behind the inference, and otherwise the settings of MVAE."""

    steps: int = Field(3, ge=1, le=10_000)


class FastMvae2Refined(Mvae):
    """FastMVAE2 with a few gradient steps behind its inference."""

    Config = FastMvae2RefinedConfig
    label = "FastMVAE2 + gradient steps"
