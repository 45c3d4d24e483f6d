"""How FastMVAE2 was published to be trained: knowledge distillation from a CVAE into a ChimeraACVAE.

Li, Kameoka & Makino 2022 (FastMVAE2). Terms, directions and weights are those of the authors' program
(github.com/lili-0805/mvae-ss at 65ca394); where this departs from it, and why, is in decision 0015.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from sepvae.config import Config
from sepvae.limits import Scale, Weight
from sepvae.models.contract import Posterior
from sepvae.models.network import DistilledNetwork, Network, within_limits
from sepvae.objectives.conditional_elbo import detached, itakura_saito_divergence, labels_of
from sepvae.objectives.contract import Batch, Loss, Objective
from sepvae.objectives.elbo import kl_divergence, sample

_TINY = 1e-20


class ChimeraAcvaeConfig(Config):
    """Weights: 1 for each term but `distillation`, that of the divergence between the posteriors.

    `temperature` is that of the soft labels (Gumbel-softmax); the lower, the nearer to a single class.
    """

    distillation: Weight = 10.0
    temperature: Scale = 1.0


class _Taught(NamedTuple):
    """What the teacher says of a batch: its posterior, and the variances (batch, frames, bins) of the mean of it."""

    posterior: Posterior
    variances: Tensor


class ChimeraAcvae(Objective):
    """The CVAE's bound for the teacher, and for the student what was published, per bin and frame.

    The student's bound, its class, the class of what it decodes with the label and with a soft one, the likelihood
    under both, and its divergence from the teacher: KL(teacher ‖ student) in the latents and in the spectra. The
    paper trains the teacher first, this one at the same time; it learns from no term of the student.
    """

    Config: ClassVar[type[Config]] = ChimeraAcvaeConfig
    trains: ClassVar[tuple[type[Network], ...]] = (DistilledNetwork,)
    config: ChimeraAcvaeConfig

    @property
    def stops_gradients(self) -> bool:
        """The teacher teaches the student, and does not learn from it."""
        return True

    def __call__(self, models: Mapping[str, DistilledNetwork], batch: Batch) -> Loss:
        """Return the loss of the one network on a batch whose items have a speaker each."""
        ((name, model),) = models.items()
        labels = labels_of(batch, model.config.classes, objective="chimera_acvae")
        target = batch.targets[name]
        classes = nn.functional.one_hot(labels, model.n_classes).to(target.dtype)
        terms, taught = _teach(model, target, classes, batch.generator)
        found = model.infer(target)
        latent = sample(found.posterior, epsilon_std=1.0, generator=batch.generator)
        soft = soft_labels(found.log_classes, temperature=self.config.temperature, generator=batch.generator)
        terms |= {
            "kl": kl_divergence(found.posterior).mean() / target.shape[-1],
            "classification": nn.functional.nll_loss(found.log_classes, labels),
            "distilled_kl": self.config.distillation
            * _per_latent(kl_divergence(taught.posterior, found.posterior), latent),
        }
        for kind, told in (("", classes), ("soft_", soft)):
            decoded = model.decode(latent, told).spectrum
            terms[f"{kind}reconstruction"] = itakura_saito_divergence(target, decoded) / target.shape[-1]
            terms[f"{kind}information"] = nn.functional.nll_loss(model.infer(decoded).log_classes, labels)
            terms[f"{kind}distilled_spectrum"] = itakura_saito_divergence(taught.variances, decoded) / target.shape[-1]
        return Loss(torch.stack(list(terms.values())).sum(), {f"{name}/{key}": term for key, term in terms.items()})


def _teach(
    model: DistilledNetwork, target: Tensor, classes: Tensor, generator: torch.Generator
) -> tuple[dict[str, Tensor], _Taught]:
    """Return the terms of the teacher (Kameoka et al. 2019), and what it says, which no gradient passes."""
    posterior, n_bins = model.encode(target, classes), target.shape[-1]
    latent = sample(posterior, epsilon_std=1.0, generator=generator)
    terms = {
        "teacher_reconstruction": itakura_saito_divergence(target, _teacher(model, latent, classes)) / n_bins,
        "teacher_kl": kl_divergence(posterior).mean() / n_bins,
    }
    with torch.no_grad():
        variances = _teacher(model, posterior.mean, classes)
    return terms, _Taught(detached(posterior), variances)


def _teacher(model: DistilledNetwork, latent: Tensor, classes: Tensor) -> Tensor:
    """Return the variances (batch, frames, bins) of the teacher."""
    return within_limits(model.teacher_log_variances(latent, classes)).exp()


def _per_latent(per_frame: Tensor, latent: Tensor) -> Tensor:
    """Return the mean over latents, of sums over them (batch, frames)."""
    return per_frame.mean() / latent.shape[-1]


def soft_labels(log_classes: Tensor, *, temperature: float, generator: torch.Generator) -> Tensor:
    """Draw classes by the Gumbel-softmax, (batch, classes): near a corner of the simplex, and differentiable.

    Source: Jang, Gu & Poole 2017.

    Args:
        log_classes: log-probabilities (batch, classes).
        temperature: near 0 the draws are single classes, far above 1 all classes alike.
        generator: of the noise.
    """
    noise = -torch.empty_like(log_classes).exponential_(generator=generator).clamp_min(_TINY).log()
    return torch.softmax((log_classes + noise) / temperature, dim=-1)
