"""A classifier of voices by how the energy of their speech is spread over frequency: logistic regression.

What is loud and how much of an utterance is silence says nothing about who speaks: only the shape of the mean counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sepvae.errors import InputError

_STEPS = 200
_PENALTY = 0.01
_SMALLEST = 1e-3


@dataclass(frozen=True)
class VoiceClassifier:
    """The speakers it knows, what their spectra are compared to, and the weights (mels, speakers) and offsets."""

    speakers: tuple[str, ...]
    mean: Tensor
    std: Tensor
    weights: Tensor
    offsets: Tensor

    @classmethod
    def train(cls, features: Sequence[Tensor], speakers: Sequence[str]) -> VoiceClassifier:
        """Return a classifier that has learnt utterances of features (frames, mels) and who speaks in each.

        Raises:
            InputError: fewer than two speakers.
        """
        names = sorted(set(speakers))
        if len(names) < 2:
            raise InputError(f"{len(names)} speakers: a classifier of voices needs two or more")
        spectra = torch.stack([_shape(one) for one in features])
        labels = torch.tensor([names.index(name) for name in speakers])
        mean, std = spectra.mean(0), spectra.std(0).clamp_min(_SMALLEST)
        inputs = (spectra - mean) / std
        weights = torch.zeros((inputs.shape[1], len(names)), dtype=torch.float64, requires_grad=True)
        offsets = torch.zeros(len(names), dtype=torch.float64, requires_grad=True)
        search = torch.optim.LBFGS([weights, offsets], max_iter=_STEPS, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            search.zero_grad()
            found = nn.functional.cross_entropy(inputs @ weights + offsets, labels) + _PENALTY * weights.square().sum()
            found.backward()  # type: ignore[no-untyped-call]
            return found

        search.step(loss)  # type: ignore[no-untyped-call]
        return cls(tuple(names), mean, std, weights.detach(), offsets.detach())

    def who(self, features: Tensor) -> str:
        """Return the speaker of an utterance of features (frames, mels)."""
        spectrum = (_shape(features) - self.mean) / self.std
        return self.speakers[int((spectrum @ self.weights + self.offsets).argmax())]


def _shape(features: Tensor) -> Tensor:
    """Return the mean spectrum (mels,) of frames (frames, mels), wherever its level lies."""
    spectrum = features.double().mean(0)
    return spectrum - spectrum.mean()
