"""Talkers in a synthetic room, from waves to waves: every demixing of the toolkit has to separate them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sepvae.demixing import UPDATES
from sepvae.demixing.auxiva import AuxIvaVariances
from sepvae.demixing.ilrma import IlrmaVariances
from sepvae.demixing.loop import demix, identity
from sepvae.demixing.projection_back import project_back
from sepvae.seeds import torch_generator

RATE, SECONDS, WINDOW = 8000, 4, 512
# Measured: 21 dB for each of the algorithms.
GAIN_DB = 15


def talk(rng: np.random.Generator) -> Any:
    """Return noise of a changing colour in syllables with pauses between them: as sparse as speech."""
    found = []
    for _ in range(5 * SECONDS):
        pole = rng.uniform(0.7, 0.98) * np.exp(1j * rng.uniform(0.1, 2.5))
        syllable = rng.standard_normal(RATE // 5)
        for n in range(2, len(syllable)):
            syllable[n] += 2 * pole.real * syllable[n - 1] - abs(pole) ** 2 * syllable[n - 2]
        found.append(syllable / syllable.std() * np.hanning(len(syllable)) * rng.exponential() ** 1.5)
    return np.concatenate(found)


def hear(n_talkers: int, seed: int) -> Tensor:
    """Return spectra (1, bins, channels, talkers, frames) of each talker at each microphone, by filters of 12 ms."""
    rng = np.random.default_rng(seed)
    decay = np.exp(-np.arange(96) / 16)
    images = [
        [np.convolve(wave, decay * rng.standard_normal(96))[: RATE * SECONDS] for wave in waves]
        for waves in [[talk(rng) for _ in range(n_talkers)]]
        for _ in range(n_talkers)
    ]
    waves = torch.from_numpy(np.array(images)).flatten(0, 1)
    window = torch.hann_window(WINDOW).double()
    spectra = torch.stft(waves, WINDOW, WINDOW // 4, window=window, return_complex=True)
    return spectra.view(n_talkers, n_talkers, *spectra.shape[1:]).permute(2, 0, 1, 3)[None]


def interference_db(demixing: Tensor, heard: Tensor) -> tuple[float, float]:
    """Return mean SIR of the images at the first microphone, and of the microphone itself, in dB.

    The filters are linear: what they make of each talker alone is known.
    """
    alone = torch.stack([project_back(demixing, demixing @ talker) for talker in heard.unbind(3)])
    # (talkers, sources)
    energies = alone.abs().square().sum((1, 2, 4))
    order = energies.argmax(0)
    assert sorted(order.tolist()) == list(range(len(order))), "two outputs are the same talker"
    wanted = energies.max(0).values
    direct = heard[:, :, 0].abs().square().sum((0, 1, 3))

    def mean_db(signal: Tensor, rest: Tensor) -> float:
        return float((10 * torch.log10(signal / rest)).mean())

    return mean_db(wanted, energies.sum(0) - wanted), mean_db(direct, direct.sum() - direct)


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize(
    ("algorithm", "n_talkers"),
    [("laplace", 2), ("gauss", 2), ("gauss", 3), ("ilrma", 2)],
)
def test_talkers_in_a_room_are_separated(algorithm: str, n_talkers: int, update: str) -> None:
    heard = hear(n_talkers, seed=1)
    spectrum = heard.sum(3)
    density: Any = "laplace" if algorithm == "laplace" else "gauss"
    found = demix(
        spectrum,
        AuxIvaVariances(density),
        n_iterations=30,
        demixing=identity(spectrum, n_sources=n_talkers),
        update=update,
    )
    if algorithm == "ilrma":
        model = IlrmaVariances(2, [torch_generator(0, "ilrma")])
        found = demix(spectrum, model, n_iterations=30, demixing=found.demixing, update=update)
    after, before = interference_db(found.demixing, heard)
    assert math.isfinite(after)
    assert after > before + GAIN_DB
