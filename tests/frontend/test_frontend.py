"""Normalisation that is undone exactly and does not depend on how a file is cut."""

from __future__ import annotations

import itertools
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.frontend.frontend import Frontend, FrontendConfig, LevelMeter


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def make(**settings: object) -> Frontend:
    return Frontend(parse_config(FrontendConfig, settings, where="test"))


@pytest.mark.parametrize("normalisation", ["none", "rms", "peak"])
@pytest.mark.parametrize("scale", [1e-8, 1e-3, 1.0, 100.0])
def test_normalisation_is_undone_exactly(normalisation: str, scale: float) -> None:
    frontend = make(normalisation=normalisation)
    wave = scale * noise(2000)
    spectrum = frontend.stft.analyse(wave)
    level = frontend.meter().add(spectrum).level
    back = frontend.stft.synthesise(spectrum / level * level, n_samples=2000)
    assert float((back - wave).abs().max()) < 1e-6 * scale * 4


def test_normalised_spectra_have_the_level_that_is_promised() -> None:
    spectrum = make().stft.analyse(0.01 * noise(3000))
    rms = spectrum / LevelMeter("rms").add(spectrum).level
    peak = spectrum / LevelMeter("peak").add(spectrum).level
    assert float(rms.abs().square().mean()) == pytest.approx(1, rel=1e-5)
    assert float(peak.abs().max()) == pytest.approx(1, rel=1e-6)
    assert LevelMeter("none").add(spectrum).level == 1


@pytest.mark.parametrize("normalisation", ["none", "rms", "peak"])
def test_silence_and_nothing_have_level_one(normalisation: str) -> None:
    meter = LevelMeter(normalisation)
    assert meter.level == 1
    assert meter.add(torch.zeros((0, 129), dtype=torch.complex64)).level == 1
    assert meter.add(torch.zeros((4, 129), dtype=torch.complex64)).level == 1


@given(cuts=st.lists(st.integers(0, 40), max_size=5), normalisation=st.sampled_from(["rms", "peak"]))
@settings(max_examples=50, deadline=None)
def test_level_does_not_depend_on_the_blocks(cuts: list[int], normalisation: str) -> None:
    spectrum = torch.randn((40, 9), generator=torch.Generator().manual_seed(0), dtype=torch.complex64)
    meter = LevelMeter(normalisation)
    edges = [0, *sorted(cuts), 40]
    for start, stop in itertools.pairwise(edges):
        meter.add(spectrum[start:stop])
    assert meter.level == pytest.approx(LevelMeter(normalisation).add(spectrum).level, rel=1e-12)


def test_level_grows_with_the_gain() -> None:
    spectrum = make().stft.analyse(noise(1000))
    for normalisation in ("rms", "peak"):
        level = LevelMeter(normalisation).add(spectrum).level
        assert LevelMeter(normalisation).add(10 * spectrum).level == pytest.approx(10 * level, rel=1e-6)


def test_training_pair_divides_sources_by_the_level_of_the_mixture() -> None:
    frontend = make(normalisation="rms", target={"kind": "magnitude"}, input={"kind": "power"})
    sources = torch.stack([noise(2000, seed=1), 0.1 * noise(2000, seed=2)])
    mixture = sources.sum(0)
    features, targets = frontend.training_pair(mixture, sources)
    level = frontend.stft.analyse(mixture).abs().square().mean().sqrt()
    torch.testing.assert_close(features, (frontend.stft.analyse(mixture) / level).abs().square())
    torch.testing.assert_close(targets, (frontend.stft.analyse(sources) / level).abs())


def test_training_pair_does_not_depend_on_the_gain() -> None:
    frontend = make(input={"kind": "log_power"}, target={"kind": "log_power"})
    sources = torch.stack([noise(2000, seed=1), noise(2000, seed=2)])
    for one, other in zip(
        frontend.training_pair(sources.sum(0), sources),
        frontend.training_pair(100 * sources.sum(0), 100 * sources),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_training_pair_of_silence_is_finite() -> None:
    frontend = make(input={"kind": "log_power"})
    features, targets = frontend.training_pair(torch.zeros(500), torch.zeros(2, 500))
    assert torch.isfinite(features).all()
    assert float(targets.abs().max()) == 0


def test_config_survives_json() -> None:
    config = parse_config(
        FrontendConfig,
        {"sample_rate": 8000, "stft": {"window_ms": 32, "window": "sine"}, "target": {"kind": "power"}},
        where="",
    )
    assert FrontendConfig.model_validate_json(config.model_dump_json()) == config


def test_typing_errors_are_named_with_their_path() -> None:
    with pytest.raises(ConfigError, match=r"f.yaml: unknown key 'stft.window_mss': did you mean 'window_ms'\?"):
        parse_config(FrontendConfig, {"stft": {"window_mss": 3}}, where="f.yaml")
    with pytest.raises(ConfigError, match=r"f.yaml: sample_rate = -1: give 1000 or more"):
        parse_config(FrontendConfig, {"sample_rate": -1}, where="f.yaml")


@pytest.mark.parametrize("normalisation", ["none", "rms", "peak"])
def test_levels_of_a_batch_are_those_of_the_meter(normalisation: Literal["none", "rms", "peak"]) -> None:
    frontend = Frontend(FrontendConfig(normalisation=normalisation))
    waves = torch.randn(3, 3000, generator=torch.Generator().manual_seed(0)) * torch.tensor([[1.0], [1e-3], [0.0]])
    spectra = frontend.stft.analyse(waves)
    levels = frontend.levels(spectra)
    assert levels.shape == (3, 1, 1)
    assert levels.flatten().tolist() == pytest.approx([frontend.meter().add(one).level for one in spectra])
    assert frontend.levels(spectra[:, :0]).flatten().tolist() == [1.0, 1.0, 1.0]
