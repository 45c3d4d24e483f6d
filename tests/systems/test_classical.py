"""Filter bank, wavelet shrinkage and ICA: nothing is lost, and what they promise of known signals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae.errors import CheckpointError, ConfigError
from sepvae.mixing.mixture import Rendered, render
from sepvae.systems.contract import SystemChoice, TrainingMixtures
from sepvae.systems.filter_bank import design_bank, erb_edges_hz
from sepvae.systems.profiles import read_profiles, write_profiles
from sepvae.training.loop import TrainingData

RATE = 8000


@pytest.fixture(scope="module")
def mixtures(humming: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> TrainingMixtures:
    shared = tmp_path_factory.mktemp("shared")
    return TrainingMixtures(humming.train, humming.valid, humming.root, seed=0, device="cpu", shared=shared)


def trained(kind: str, mixtures: TrainingMixtures, folder: Path, **settings: Any) -> Any:
    system = SystemChoice.of(kind, settings).build(sample_rate=RATE)
    system.train(mixtures, folder)
    system.load(folder, device="cpu")
    return system


def snr_db(reference: Any, estimate: Any) -> float:
    return float(10 * np.log10(np.sum(reference**2) / np.sum((estimate - reference) ** 2)))


def gain_db(system: Any, item: Rendered) -> float:
    estimates = system.separate(item)
    return min(snr_db(w, estimates[n]) - snr_db(w, item.mixture) for n, w in item.sources.items())


@pytest.mark.parametrize("n_taps", [129, 1025])
def test_the_filters_of_the_bank_add_up_to_a_delay(n_taps: int) -> None:
    delta = np.zeros(n_taps)
    delta[n_taps // 2] = 1
    np.testing.assert_allclose(design_bank(16, n_taps, sample_rate=RATE).sum(0), delta, atol=1e-12)


def test_a_sine_comes_out_of_its_band() -> None:
    edges, filters = erb_edges_hz(16, RATE), design_bank(16, 2049, sample_rate=RATE)
    for band in (4, 9, 13):
        frequency = float(np.mean(edges[band : band + 2]))
        sine = np.sin(2 * np.pi * frequency * np.arange(8000) / RATE)
        powers = [np.mean(np.convolve(sine, taps, mode="same")[3000:5000] ** 2) for taps in filters]
        assert powers[band] == pytest.approx(0.5, rel=0.1)
        assert int(np.argmax(powers)) == band


def test_erb_bands_widen_with_frequency() -> None:
    edges = erb_edges_hz(20, 16000)
    assert edges[0] == pytest.approx(0)
    assert edges[-1] == pytest.approx(8000)
    assert (np.diff(edges, 2) > 0).all()


@pytest.mark.parametrize("kind", ["wavelet", "filter_bank"])
def test_a_hum_and_a_hiss_are_told_apart(kind: str, mixtures: TrainingMixtures, tmp_path: Path) -> None:
    system = trained(kind, mixtures, tmp_path)
    items = [render(mixture, mixtures.root) for mixture in mixtures.valid]
    assert min(gain_db(system, item) for item in items) > 3


def test_ica_unmixes_two_channels(mixtures: TrainingMixtures, tmp_path: Path) -> None:
    system = trained("ica", mixtures, tmp_path)
    items = [render(mixture, mixtures.root) for mixture in mixtures.valid]
    # Sources that are nearly independent, named right each time.
    assert min(gain_db(system, item) for item in items) > 10


def test_the_names_of_components_come_from_training_alone(mixtures: TrainingMixtures, tmp_path: Path) -> None:
    system = trained("ica", mixtures, tmp_path)
    item = render(mixtures.valid[0], mixtures.root)
    swapped = Rendered(item.mixture, dict(reversed(item.sources.items())), None)
    for name, wave in system.separate(item).items():
        np.testing.assert_allclose(system.separate(swapped)[name], wave, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("wavelet", {"wavelet": "morlet9"}, "unknown wavelet 'morlet9': choose one of PyWavelets, such as db8"),
        ("ica", {"second": (1.0, 1.0)}, "equal gains make both channels alike: give different ones"),
    ],
)
def test_impossible_settings_are_named(kind: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SystemChoice.of(kind, settings).build(sample_rate=RATE)


def test_profiles_keep_the_order_of_the_sources(tmp_path: Path) -> None:
    profiles = {"speech": np.array([1.0, 2.0]), "background": np.array([3.0, 4.0])}
    write_profiles(tmp_path / "p.json", profiles)
    again = read_profiles(tmp_path / "p.json")
    assert list(again) == ["speech", "background"]
    assert np.array_equal(again["background"], profiles["background"])


@pytest.mark.parametrize("kind", ["wavelet", "filter_bank", "ica"])
def test_an_untrained_system_says_so(kind: str, tmp_path: Path) -> None:
    system = SystemChoice.of(kind, {}).build(sample_rate=RATE)
    with pytest.raises(CheckpointError, match="train the system first"):
        system.load(tmp_path, device="cpu")


def test_the_wavelet_denoiser_keeps_the_first_source(mixtures: TrainingMixtures, tmp_path: Path) -> None:
    # Of a source with all the power of a sub-band nothing is taken, whatever the names are.
    system = trained("wavelet", mixtures, tmp_path)
    first = next(iter(render(mixtures.train[0], mixtures.root).sources))
    item = render(mixtures.valid[0], mixtures.root)
    alone = Rendered(item.sources[first], item.sources, None)
    assert snr_db(alone.mixture, system.separate(alone)[first]) > 3
