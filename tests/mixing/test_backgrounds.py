"""Synthetic backgrounds: what each kind must sound like, and that a name always sounds the same."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from sepvae.errors import ConfigError
from sepvae.mixing import BACKGROUNDS
from sepvae.mixing.backgrounds import N_RECORDINGS, synthesise

RATE = 16000


def power(kind: str, number: int = 0) -> tuple[np.ndarray, np.ndarray]:
    wave = synthesise(kind, number, sample_rate=RATE).astype(float)
    return np.fft.rfftfreq(len(wave), 1 / RATE), np.abs(np.fft.rfft(wave)) ** 2 / len(wave)


@pytest.mark.parametrize("kind", BACKGROUNDS)
@pytest.mark.parametrize("rate", [1000, 22050])
def test_level_length_and_range_at_any_rate(kind: str, rate: int) -> None:
    wave = synthesise(kind, 1, sample_rate=rate)
    assert wave.shape == (20 * rate,) and wave.dtype == np.float32
    assert np.sqrt(np.mean(wave.astype(float) ** 2)) == pytest.approx(0.05, rel=1e-4)
    assert np.abs(wave).max() < 1
    # No second of it is silent: a stretch of any two seconds has a level.
    assert np.sqrt((wave.reshape(20, rate).astype(float) ** 2).mean(1)).min() > 0.005


@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_a_name_always_sounds_the_same_and_numbers_differ(kind: str) -> None:
    first = synthesise(kind, 0, sample_rate=8000).copy()
    others = [synthesise(kind, number, sample_rate=8000) for number in (1, N_RECORDINGS - 1)]
    synthesise.cache_clear()
    assert np.array_equal(synthesise(kind, 0, sample_rate=8000), first)
    for other in others:
        assert abs(np.corrcoef(first, other)[0, 1]) < 0.1


def test_gaussian_noise_is_white_and_gaussian() -> None:
    _, spectrum = power("gaussian")
    bands = [part.mean() for part in np.array_split(spectrum[1:], 8)]
    assert max(bands) / min(bands) < 1.05
    wave = synthesise("gaussian", 0, sample_rate=RATE).astype(float) / 0.05
    assert np.mean(wave**4) == pytest.approx(3, abs=0.1)


def test_the_others_are_where_they_belong() -> None:
    shares = {}
    for kind in BACKGROUNDS:
        hz, spectrum = power(kind)
        edges = (0, 200, 2000, 8000)
        shares[kind] = [spectrum[(hz >= a) & (hz < b)].sum() / spectrum.sum() for a, b in pairwise(edges)]
    assert shares["traffic"][0] > 2 * max(shares[kind][0] for kind in ("water", "trumpet", "gaussian"))
    assert shares["trumpet"][0] < 0.01 and shares["water"][1] > 0.5


def test_the_trumpet_plays_notes() -> None:
    # Half the power of a tone lies in a few lines of the spectrum of a quarter of a second; that of noise does not.
    def top_lines(kind: str) -> float:
        blocks = synthesise(kind, 0, sample_rate=RATE).reshape(-1, RATE // 4)
        spectra = np.sort(np.abs(np.fft.rfft(blocks * np.hanning(RATE // 4), axis=1)) ** 2, axis=1)
        return float(np.median(spectra[:, -12:].sum(1) / spectra.sum(1)))

    assert top_lines("trumpet") > 0.6
    assert max(top_lines("gaussian"), top_lines("traffic")) < 0.4


def test_an_unknown_kind() -> None:
    with pytest.raises(ConfigError, match="unknown synthetic background 'rain': choose one of trumpet, traffic"):
        synthesise("rain", 0, sample_rate=RATE)
