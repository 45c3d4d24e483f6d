"""How often a model of speech names the right speaker: the class accuracy of Li et al. 2019, 2022."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sepvae.demixing.contract import SpeechModel
from sepvae.errors import ConfigError, InputError
from sepvae.estimator.speech_models import ConditionalEstimator

_SILENCE = 1e-20


class ClassAccuracy(NamedTuple):
    """Of how many recordings the speaker was named, and of how many rightly.

    Example:
        >>> ClassAccuracy(3, 4).share
        0.75
    """

    right: int
    of: int

    @property
    def share(self) -> float:
        """The right ones of all; NaN of none."""
        return self.right / self.of if self.of else float("nan")


@torch.no_grad()
def name_speaker(
    model: ConditionalEstimator, wave: NDArray[np.floating] | Tensor, sample_rate: int
) -> tuple[str, float]:
    """Return which speaker of the model a recording of one talker sounds like most, and with what probability.

    Args:
        model: a conditional VAE of speech, as in the model folder.
        wave: (time,) floating point; its level does not matter.
        sample_rate: Hz; must be that of the model.

    Raises:
        InputError: another rate or shape, or silence.
    """
    samples, own = torch.as_tensor(wave), model.frontend.config.sample_rate
    if sample_rate != own:
        raise InputError(f"the recording is sampled at {sample_rate} Hz, the model at {own} Hz: resample it first")
    if samples.dim() != 1:
        raise InputError(f"a recording of shape {tuple(samples.shape)}: give one channel, (time,)")
    weights = next(model.network.parameters())
    # (1, frames, bins)
    power = model.frontend.stft.analyse(model.frontend.heard(samples.double())).abs().square()[None]
    if not power.mean() > _SILENCE:
        raise InputError("nobody is heard in the recording: it is silent, or holds NaN")
    model.network.eval()
    logs = model.network.infer(SpeechModel.of(model).seen(power).to(weights)).log_classes[0]
    return model.speakers[int(logs.argmax())], float(logs.max().exp())


def class_accuracy(
    model: ConditionalEstimator, recordings: Iterable[tuple[str, NDArray[np.floating] | Tensor]], sample_rate: int
) -> ClassAccuracy:
    """Count of how many recordings the model names the right speaker.

    Args:
        model: a conditional VAE of speech.
        recordings: who speaks, and the wave (time,), of speakers that the model knows.
        sample_rate: Hz; must be that of the model.

    Raises:
        ConfigError: a speaker whom the model does not know, and cannot name.
        InputError: as of `name_speaker`.
    """
    right = total = 0
    for speaker, wave in recordings:
        if speaker not in model.speakers:
            raise ConfigError(f"speaker {speaker}: the model knows {', '.join(model.speakers)}: leave others out")
        right, total = right + (name_speaker(model, wave, sample_rate)[0] == speaker), total + 1
    return ClassAccuracy(right, total)
