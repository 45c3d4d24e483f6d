"""Enhancer: what it promises of any recording, and which models it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sepvae.audio import Wave
from sepvae.config import parse_config
from sepvae.enhancement import INFERENCES
from sepvae.enhancement.config import EnhancementConfig
from sepvae.enhancement.enhancer import Enhancer
from sepvae.enhancement.fit import NoisyFit
from sepvae.errors import CheckpointError, ConfigError, InputError
from sepvae.estimator.checkpoint import Checkpoint

RATE = 8000
any_method = pytest.mark.parametrize("method", INFERENCES)
QUICK = {"mcem": {"burn_in": 3, "n_samples": 4}, "langevin": {"n_chains": 3}}


def make(model: Checkpoint, method: str, traces: list[NoisyFit] | None = None, **settings: Any) -> Enhancer:
    inference = {"kind": method, "settings": QUICK.get(method, {})}
    quick = {"n_iterations": 8, "n_components": 2, "inference": inference}
    config = parse_config(EnhancementConfig, {**quick, **settings}, where="test")
    return Enhancer(model, config, on_fit=None if traces is None else traces.append)


def noisy(n_samples: int = 4000, seed: int = 0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    tone = np.sin(np.arange(n_samples) / 5) * (np.sin(np.arange(n_samples) / 300) > 0)
    return (0.1 * tone + 0.03 * random.standard_normal(n_samples)).astype(np.float32)


@any_method
@pytest.mark.parametrize("gain", ["none", "mm", "gamma"])
def test_speech_and_noise_add_up_and_the_fit_gets_better(model: Checkpoint, method: str, gain: str) -> None:
    wave, fits = noisy(), list[NoisyFit]()
    found = make(model, method, fits, gain=gain).enhance(wave, RATE)
    assert list(found) == ["speech", "noise"]
    np.testing.assert_allclose(found["speech"] + found["noise"], wave, atol=1e-6)
    (fit,) = fits
    assert len(fit.trace) == 8
    assert fit.trace[-1] < fit.trace[0]
    assert 0 <= float(fit.share.min()) < float(fit.share.max()) <= 1
    assert [0 < accepted < 1 for accepted in fit.acceptance] == ([True] * 8 if method == "mcem" else [])


@any_method
def test_the_seed_decides_and_nothing_else(model: Checkpoint, method: str) -> None:
    wave = noisy()
    first, again, other = (make(model, method, seed=seed).enhance(wave, RATE)["speech"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


@any_method
def test_a_gain_carries_through(model: Checkpoint, method: str) -> None:
    wave, enhancer = noisy(), make(model, method)
    soft, loud = enhancer.enhance(wave, RATE)["speech"], enhancer.enhance(8 * wave, RATE)["speech"]
    # A power of two is exact: no move of a chain is decided differently.
    np.testing.assert_array_equal(loud, 8 * soft)


def test_any_gain_carries_through(model: Checkpoint) -> None:
    wave, enhancer = noisy(), make(model, "map")
    soft, loud = enhancer.enhance(wave, RATE)["speech"], enhancer.enhance(10 * wave, RATE)["speech"]
    np.testing.assert_allclose(loud, 10 * soft, atol=1e-4)


@any_method
@pytest.mark.parametrize("n_samples", [0, 1, 1000])
def test_silence_in_silence_out(model: Checkpoint, method: str, n_samples: int) -> None:
    for part in make(model, method).enhance(np.zeros(n_samples, np.float32), RATE).values():
        assert part.shape == (n_samples,)
        assert not part.any()


def test_channels_know_nothing_of_each_other(model: Checkpoint) -> None:
    left, right = noisy(), noisy(seed=1)
    enhancer = make(model, "langevin")
    both = enhancer.enhance(np.stack([left, right]), RATE)["speech"]
    np.testing.assert_array_equal(both[1], enhancer.enhance(right, RATE)["speech"])


@pytest.mark.parametrize(("n_samples", "block_s", "n_blocks"), [(20000, 1.0, 3), (8100, 1.0, 2), (33, 0.001, 2)])
def test_blocks_are_alike_in_length_and_fade_into_each_other(
    model: Checkpoint, n_samples: int, block_s: float, n_blocks: int
) -> None:
    wave, fits = torch.from_numpy(noisy(n_samples))[None], list[NoisyFit]()
    enhancer = make(model, "map", fits, n_iterations=3)
    reads: list[int] = []

    def read(start: int, stop: int) -> Wave:
        reads.append(stop - start)
        return wave[:, start:stop].numpy()

    blocks = list(enhancer.stream(read, n_samples=n_samples, block_s=block_s))
    assert len(blocks) == len(fits) == n_blocks
    lengths = [block["speech"].shape[-1] for block in blocks]
    assert max(lengths) - min(lengths) < 32 * n_blocks
    assert max(reads) <= max(lengths) + 4000
    total = np.concatenate([block["speech"] + block["noise"] for block in blocks], axis=-1)
    torch.testing.assert_close(torch.from_numpy(total), wave)
    # Behind the fade, a block is what it would be alone; at its start it goes on where the last one was.
    if n_samples == 20000:
        start = lengths[0]
        samples = wave.numpy()
        before = next(enhancer.stream(lambda a, b: samples[:, a:b], n_samples=start + 4000, block_s=9.0))["speech"]
        alone = next(
            enhancer.stream(lambda a, b: samples[:, start + a : start + b], n_samples=lengths[1] + 4000, block_s=9.0)
        )["speech"]
        np.testing.assert_allclose(blocks[1]["speech"][:, 4000:], alone[:, 4000 : lengths[1]], rtol=1.3e-6, atol=1e-5)
        np.testing.assert_allclose(blocks[1]["speech"][:, :3], before[:, start : start + 3], atol=1e-4, rtol=0)


def test_only_models_of_one_clean_source_serve(make_model: Callable[..., Checkpoint]) -> None:
    unfit = {
        "it is of the sources a, b": make_model(("a", "b")),
        "its target is magnitude, not power": make_model(
            objective={"settings": {"likelihood": "poisson"}}, frontend={"sample_rate": RATE}
        ),
        "its likelihood is gaussian, not itakura_saito": make_model(objective={"settings": {}}),
        "conv_tasnet is no network of one source": make_model(model="conv_tasnet", objective="wave_sdr"),
    }
    for words, model in unfit.items():
        with pytest.raises(CheckpointError, match=rf"cannot enhance speech, {words}: train one on clean speech with"):
            Enhancer(model)


def test_chains_of_frames_need_frames_that_stand_alone(make_model: Callable[..., Checkpoint]) -> None:
    model = make_model(model={"kind": "conv_time_vae", "settings": {"hidden": 8, "latent": 3}})
    with pytest.raises(ConfigError, match=r"the decoder of conv_time_vae works along time: choose map or langevin"):
        make(model, "mcem")
    found = make(model, "map").enhance(noisy(), RATE)
    assert np.isfinite(found["speech"]).all()


def test_another_rate_is_refused(model: Checkpoint) -> None:
    with pytest.raises(InputError, match="sampled at 16000 Hz, the model at 8000 Hz"):
        make(model, "map").enhance(noisy(), 16000)
