"""Normalisation that is undone exactly and does not depend on how a file is cut."""

from __future__ import annotations

import pytest
import torch

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.frontend.frontend import Frontend, FrontendConfig


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


def test_training_pair_divides_sources_by_the_level_of_the_mixture() -> None:
    frontend = make(normalisation="rms", levels="whole", target={"kind": "magnitude"}, input={"kind": "power"})
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
