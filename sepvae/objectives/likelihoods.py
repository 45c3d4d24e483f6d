"""Negative log-likelihoods −log p(target | decoded) of a spectrum, element by element.

Each takes the target and what the decoder gave, (…, frames, bins), and returns values of that shape. Constants that
depend on the target alone are kept where they exist, so that the values can be compared with the closed forms.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from sepvae.errors import ConfigError
from sepvae.models.contract import Decoded

# Spectra are normalised to a level near 1: a floor at −60 dB keeps digital silence from dominating a logarithm or a
# ratio, and lies below the noise of any recording.
SPECTRUM_FLOOR = 1e-6

Likelihood = Callable[[Tensor, Decoded, float], Tensor]


def gaussian(target: Tensor, decoded: Decoded, std: float) -> Tensor:
    """Gaussian with the decoded mean and a fixed standard deviation (Kingma & Welling 2014, App. C.2)."""
    return 0.5 * ((target - decoded.spectrum) / std).square() + math.log(std) + 0.5 * math.log(2 * math.pi)


def gaussian_learned(target: Tensor, decoded: Decoded, std: float) -> Tensor:  # noqa: ARG001
    """Gaussian with decoded mean and decoded log-variance; ConfigError when the model gives no variance."""
    if decoded.log_variance is None:
        raise ConfigError("likelihood gaussian_learned needs a model with learned_variance: true")
    squared = (target - decoded.spectrum).square()
    return 0.5 * (squared * (-decoded.log_variance).exp() + decoded.log_variance + math.log(2 * math.pi))


def bernoulli(target: Tensor, decoded: Decoded, std: float) -> Tensor:  # noqa: ARG001
    """Cross-entropy of a target in [0, 1] with a decoded probability.

    Needs peak normalisation and a sigmoid output; a source above its mixture's peak, where phases cancelled, counts
    as 1, beyond which the cross-entropy has no minimum.
    """
    probability = decoded.spectrum.clamp(SPECTRUM_FLOOR, 1 - SPECTRUM_FLOOR)
    target = target.clamp(0, 1)
    return -(target * probability.log() + (1 - target) * (-probability).log1p())


def itakura_saito(target: Tensor, decoded: Decoded, std: float) -> Tensor:  # noqa: ARG001
    """Itakura–Saito divergence of a target power from the decoded variance (Févotte et al. 2009).

    Up to a constant the negative log-likelihood of a zero-mean circular complex Gaussian.
    """
    ratio = (target + SPECTRUM_FLOOR) / (decoded.spectrum + SPECTRUM_FLOOR)
    return ratio - ratio.log() - 1


def poisson(target: Tensor, decoded: Decoded, std: float) -> Tensor:  # noqa: ARG001
    """Generalised Kullback–Leibler divergence, the Poisson likelihood up to a constant (Subakan & Smaragdis 2018)."""
    target, mean = target + SPECTRUM_FLOOR, decoded.spectrum + SPECTRUM_FLOOR
    return target * (target / mean).log() - target + mean
