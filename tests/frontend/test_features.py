"""Features against their definitions, and what can be undone is."""

from __future__ import annotations

import sys
import warnings

import librosa
import numpy as np
import pytest
import torch

from sepvae.errors import ConfigError, MissingExtra
from sepvae.frontend.features import FeatureConfig, FeatureKind, Features, mel_filterbank


def spectrum(*shape: int, dtype: torch.dtype = torch.complex64) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def make(kind: FeatureKind, *, n_bins: int = 129, **settings: float) -> Features:
    return Features(FeatureConfig(kind=kind, **settings), sample_rate=16000, n_bins=n_bins)  # type: ignore[arg-type]


def test_features_are_what_they_are_called() -> None:
    complex_spectrum = spectrum(2, 7, 129, dtype=torch.complex128)
    power = complex_spectrum.abs().square()
    torch.testing.assert_close(make("magnitude")(complex_spectrum), complex_spectrum.abs())
    torch.testing.assert_close(make("power")(complex_spectrum), power)
    torch.testing.assert_close(make("log_power", floor=1e-3)(complex_spectrum), (power + 1e-3).log())
    filters = mel_filterbank(sample_rate=16000, n_bins=129, n_mels=40).double()
    torch.testing.assert_close(make("mel", n_mels=40)(complex_spectrum), power @ filters)
    torch.testing.assert_close(make("log_mel", n_mels=40)(complex_spectrum), (power @ filters + 1e-10).log())


def test_mel_power_is_librosas() -> None:
    wave = np.random.default_rng(0).standard_normal(4000)
    complex_spectrum = librosa.stft(wave, n_fft=256, hop_length=128)
    expected = librosa.feature.melspectrogram(S=np.abs(complex_spectrum) ** 2, sr=16000, n_mels=32)
    ours = make("mel", n_mels=32)(torch.from_numpy(complex_spectrum.T))
    np.testing.assert_allclose(ours.numpy(), expected.T, rtol=1e-5)


@pytest.mark.parametrize("kind", ["magnitude", "power", "log_power"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_magnitude_undoes_the_feature(kind: FeatureKind, scale: float) -> None:
    features = make(kind)
    complex_spectrum = scale * spectrum(5, 129, dtype=torch.complex128)
    torch.testing.assert_close(features.magnitude(features(complex_spectrum)), complex_spectrum.abs())


def test_silence_is_undone_to_silence() -> None:
    silence = torch.zeros((3, 129), dtype=torch.complex64)
    for kind in ("magnitude", "power", "log_power"):
        features = make(kind)  # type: ignore[arg-type]
        assert float(features.magnitude(features(silence)).abs().max()) < 1e-7


@pytest.mark.parametrize("kind", ["magnitude", "power", "log_power"])
def test_whatever_a_network_gives_is_a_finite_magnitude(kind: FeatureKind) -> None:
    values = torch.tensor([-1e9, -1.0, 0.0, 1.0, 1e9]).expand(2, 5)
    magnitudes = make(kind, n_bins=5).magnitude(values)
    assert torch.isfinite(magnitudes).all()
    assert (magnitudes >= 0).all()


@pytest.mark.parametrize(("kind", "n_features"), [("magnitude", 129), ("log_power", 129), ("mel", 40), ("log_mel", 40)])
def test_number_of_features_is_declared(kind: FeatureKind, n_features: int) -> None:
    features = make(kind, n_mels=40)
    assert features.n_features == n_features
    assert features(spectrum(4, 129)).shape == (4, n_features)


def test_mel_features_cannot_be_undone() -> None:
    with pytest.raises(ConfigError, match="log_mel features cannot be turned back into a spectrum: use log_power"):
        make("log_mel", n_mels=40).magnitude(torch.zeros(1, 40))


def test_default_number_of_mels_fits_the_default_stft() -> None:
    assert make("mel").n_features == 80


def test_empty_mel_filters_are_an_error_not_a_warning() -> None:
    with (
        warnings.catch_warnings(),
        pytest.raises(ConfigError, match=r"n_mels: 13 of 128 mel filters over 129 bins are empty: give fewer"),
    ):
        warnings.simplefilter("error")
        make("mel", n_mels=128)


def test_missing_librosa_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "librosa.filters", None)
    with pytest.raises(MissingExtra, match=r"mel features needs the optional extra 'mel'.*pip install 'sepvae\[mel\]'"):
        make("mel")


def test_complex_features_are_the_spectrum() -> None:
    features = Features(FeatureConfig(kind="complex"), sample_rate=16000, n_bins=9)
    spectrum = torch.randn(3, 9, generator=torch.Generator().manual_seed(0), dtype=torch.complex64)
    found = features(spectrum)
    assert found.shape == (3, features.n_features) == (3, 18)
    assert torch.equal(features.spectrum(found), spectrum)
    torch.testing.assert_close(features.magnitude(found), spectrum.abs())
    with pytest.raises(ConfigError, match="magnitude features have no phase: only complex ones are a spectrum"):
        Features(FeatureConfig(), sample_rate=16000, n_bins=9).spectrum(spectrum.abs())
