"""A conditional VAE whose inference has a decoder of its own, taught by another: Li, Kameoka & Makino 2022 (FastMVAE2).

The ChimeraACVAE of the paper, in one network with its teacher. Layers and sizes are those of our `conditional_vae`.
"""

from __future__ import annotations

from torch import Tensor

from sepvae.models.conditional import ConditionalVae, ConditionalVaeConfig, SpeechDecoder
from sepvae.models.network import DistilledNetwork


class TeacherDecoder(SpeechDecoder):
    """The decoder of the CVAE that teaches."""

    def __init__(self, config: ConditionalVaeConfig, *, n_outputs: int) -> None:
        super().__init__()
        self.make_decoder(config, n_outputs=n_outputs)


class ChimeraAcvae(ConditionalVae, DistilledNetwork):
    """Powers to latents, class and variances in one pass: the student, beside the CVAE that teaches it.

    `infer` and `decode` are the student; `encode`, which is told the class, and `teacher_log_variances` the teacher.
    """

    apart = ("teacher_decoder",)

    def __init__(self, config: ConditionalVaeConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__(config, n_inputs=n_inputs, n_outputs=n_outputs)
        self.teacher_decoder = TeacherDecoder(config, n_outputs=n_outputs)

    def calibrate(self, targets: Tensor) -> None:
        """Start both decoders from the mean of the powers (frames, bins) to be learnt."""
        super().calibrate(targets)
        self.teacher_decoder.calibrate(targets)

    def teacher_log_variances(self, latent: Tensor, classes: Tensor) -> Tensor:
        """Map latents (batch, frames, latent) and classes to the log-variances (batch, frames, bins) of the teacher."""
        return self.teacher_decoder.log_variances(latent, classes)
