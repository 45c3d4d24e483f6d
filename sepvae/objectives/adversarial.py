"""Generators against critics: GAN, Wasserstein GAN and autoencoding Wasserstein GAN, in one backward pass.

Goodfellow et al. 2014; Arjovsky et al. 2017; Mescheder et al. 2018; Subakan & Smaragdis 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.limits import Weight
from sepvae.models.network import SourceNetwork
from sepvae.objectives import LIKELIHOODS
from sepvae.objectives.contract import END_OF_SCHEDULE, Batch, Loss, Objective
from sepvae.objectives.elbo import sampler

# −60 dB of the level of a file: below it the slope of a root would make noise of quiet bins.
_COMPRESSION_FLOOR = 1e-3


class AdversarialConfig(Config):
    """Which game, how smooth its critic is kept, and how much of an autoencoder the generator is.

    `game`: `gan` in its non-saturating form, or `wgan`. `penalty` weighs the squared gradient of the critic, at real
    spectra in a `gan`, between real and made ones in a `wgan`. Both players move at once, and that penalty is what lets
    them settle (Mescheder et al. 2018); the one of Gulrajani et al. 2017, which wants gradients of norm 1, makes them
    circle. Subakan & Smaragdis 2018 clip the critic's weights to ±0.01 instead, which is another change of the weights
    behind each step of the optimiser. `reconstruction` weighs −log p(target|decoded) per frame, for networks with an
    encoder.
    """

    game: Literal["gan", "wgan"] = "wgan"
    penalty: Weight = 1.0
    adversarial: Weight = 1.0
    reconstruction: Weight = 0.0
    likelihood: Annotated[str, LIKELIHOODS] = "poisson"
    epsilon_std: Weight = 1.0


def energy_distance(samples: Tensor, others: Tensor) -> Tensor:
    """Return the energy distance of two sets of samples (n, dimensions) and (m, dimensions); 0 for equal sets.

    Source: Székely & Rizzo 2013.
    """
    between = torch.cdist(samples, others).mean()
    return 2 * between - torch.cdist(samples, samples).mean() - torch.cdist(others, others).mean()


def compress(spectrum: Tensor) -> Tensor:
    """Return the square root of spectra (…, bins), non-negative: the loud bins are then not all that a critic sees."""
    return (spectrum + _COMPRESSION_FLOOR).sqrt()


def gradient_penalty(critic: nn.Module, at: Tensor) -> Tensor:
    """Return the mean squared norm of the critic's gradient at spectra (…, bins).

    It has gradients for the critic's weights, also where they are switched off around it, and none for `at`.

    Source: Mescheder et al. 2018, Eq. (9), without its factor ½.
    """
    with torch.enable_grad():
        at = at.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(critic(at).sum(), at, create_graph=True)
        return gradient.square().sum(-1).mean()


class Adversarial(Objective):
    """Loss of the generators, which does not move the critics, and loss of the critics, which moves nothing else.

    At validation, where a game has no loss that could be compared over time, the total is the reconstruction where the
    config weighs one, and otherwise the energy distance of the generated frames from the target's,
    both compressed.
    """

    Config: ClassVar[type[Config]] = AdversarialConfig
    config: AdversarialConfig
    stops_gradients = True

    def __call__(self, models: Mapping[str, SourceNetwork], batch: Batch) -> Loss:
        """Return the loss of the models, one per named source, on a batch.

        Raises:
            ConfigError: a network has no critic.
        """
        terms: dict[str, Tensor] = {}
        for name, model in models.items():
            critic = getattr(model, "critic", None)
            if critic is None:
                raise ConfigError(
                    "objective adversarial needs a network with a critic: model.kind = generator, settings.critic = 90"
                )
            found = model.reconstruct(batch.input, sampler(self.config.epsilon_std, batch.generator))
            real, made = batch.targets[name], found.decoded.spectrum
            if self.config.reconstruction:
                nll = LIKELIHOODS.resolve(self.config.likelihood)(real, found.decoded, 1.0).sum(-1).mean()
                terms[f"{name}/reconstruction"] = self.config.reconstruction * nll
            if batch.step < END_OF_SCHEDULE:
                terms |= {f"{name}/{key}": term for key, term in self._game(critic, real, made, batch).items()}
            elif not self.config.reconstruction:
                terms[f"{name}/energy_distance"] = energy_distance(
                    compress(real).flatten(0, -2), compress(made).flatten(0, -2)
                )
        return Loss(torch.stack(list(terms.values())).sum(), terms)

    def _game(self, critic: Any, real: Tensor, made: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the loss of the generator, the critic, and the penalty of the critic's gradient."""
        real, made = compress(real), compress(made)
        fixed = {name: weight.detach() for name, weight in critic.named_parameters()}
        # (batch, frames, bins) -> scores (batch, frames, 1)
        moving = functional_call(critic, fixed, (made,))
        of_real, of_made = critic(real), critic(made.detach())
        softplus = nn.functional.softplus
        if self.config.game == "gan":
            generator, judged = softplus(-moving).mean(), softplus(-of_real).mean() + softplus(of_made).mean()
            at = real
        else:
            generator, judged = -moving.mean(), of_made.mean() - of_real.mean()
            share = torch.rand(real.shape[:-1], generator=batch.generator, device=real.device).to(real)[..., None]
            at = share * real + (1 - share) * made.detach()
        terms = {"generator": self.config.adversarial * generator, "critic": judged}
        if self.config.penalty:
            terms["penalty"] = self.config.penalty * gradient_penalty(critic, at)
        return terms
