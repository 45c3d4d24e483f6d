"""Separator: lengths, levels, blocks and types, on untrained networks; every law here holds for any weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sepvae.audio import Wave
from sepvae.config import parse_config
from sepvae.errors import CheckpointError, ConfigError, InputError
from sepvae.estimator.checkpoint import Checkpoint, save_checkpoint
from sepvae.models.contract import Decoded, Posterior, Reconstruction
from sepvae.separation.separator import Separator
from sepvae.settings import merge
from sepvae.training.config import TrainingConfig, fresh_checkpoint

RATE, WINDOW = 8000, 128
Training = dict[str, Any]

COMPLEX = {"input": {"kind": "complex"}, "target": {"kind": "complex"}}

# Front-ends and networks that differ in everything blocks could break.
TRAININGS: dict[str, Training] = {
    "plain": {},
    "context": {"model": {"settings": {"context_frames": 3}}},
    "peak": {"frontend": {"normalisation": "peak"}, "model": {"settings": {"context_frames": 1}}},
    "log": {
        "frontend": {"input": {"kind": "log_power"}, "target": {"kind": "power"}},
        "model": {"settings": {"context_frames": 2}},
        "mask": "wiener",
    },
    "log target": {
        "frontend": {"input": {"kind": "log_mel", "n_mels": 20}, "target": {"kind": "log_power"}},
        "model": {"settings": {"context_frames": 2, "output": "identity"}},
    },
    "long windows": {
        "frontend": {"stft": {"window_ms": 50, "hop_ms": 12, "window": "sine"}},
        "model": {"settings": {"context_frames": 5}},
    },
    "joint": {
        "model": {"kind": "temporal_vae", "settings": {"hidden": 12, "latent": 4, "encoder_blocks": 5}},
        "objective": "wave_sdr",
        "mask": "wiener",
    },
    "complex": {
        "frontend": COMPLEX,
        "model": {"kind": "complex_dense", "settings": {"hidden": [24], "latent": 6}},
        "mask": "wiener",
    },
    "direct": {
        "frontend": COMPLEX,
        "model": {"kind": "complex_pair", "settings": {"hidden": [24], "latent": 6, "context_frames": 2}},
        "mask": "direct",
    },
}


def make_models(training: Training, sources: tuple[str, ...] = ("female", "male"), *, seed: int = 0) -> Checkpoint:
    frontend = {"sample_rate": RATE, **training.get("frontend", {})}
    dense = {"kind": "dense_vae", "settings": {"hidden": [24], "latent": 6}}
    model = merge(dense if "kind" not in training.get("model", {}) else {}, training.get("model", {}))
    config = parse_config(TrainingConfig, {**training, "frontend": frontend, "model": model}, where="test")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        models = fresh_checkpoint(config, sources)
        for weight in models.estimator.networks.parameters():
            # Larger than torch draws them: the masks of the sources should differ.
            weight.data *= 3
    return models


def make_separator(training: Training | None = None, **kwargs: Any) -> Separator:
    return Separator([make_models(training or {}, **kwargs)])


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """These networks are too small to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def separator() -> Separator:
    return make_separator(TRAININGS["context"])


def noise(*shape: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).uniform(-0.7, 0.7, shape).astype(np.float32)


def reader(wave: np.ndarray[Any, Any]) -> Callable[[int, int], Wave]:
    return lambda start, stop: wave[:, start:stop].copy()


def test_the_networks_here_do_separate(separator: Separator) -> None:
    estimates = separator.separate(noise(3000), RATE)
    assert list(estimates) == ["female", "male"] == list(separator.sources)
    assert float(np.abs(estimates["female"] - estimates["male"]).max()) > 0.05


@given(
    length=st.integers(0, 3 * WINDOW),
    lead=st.lists(st.integers(1, 3), max_size=2),
    training=st.sampled_from([name for name in TRAININGS if name != "direct"]),
    seed=st.integers(0, 9),
)
@settings(max_examples=80, deadline=None)
def test_shape_is_kept_and_estimates_add_up(length: int, lead: list[int], training: str, seed: int) -> None:
    wave = noise(*lead, length, seed=seed)
    estimates = make_separator(TRAININGS[training]).separate(wave, RATE)
    assert all(estimate.shape == wave.shape for estimate in estimates.values())
    assert np.abs(sum(estimates.values()) - wave).max(initial=0.0) < 1e-5


def test_every_length_up_to_three_windows() -> None:
    stft = {"window_ms": 4, "hop_ms": 1}
    separator = make_separator({**TRAININGS["context"], "frontend": {"stft": stft}})
    wave = noise(2, 96)
    for length in range(97):
        estimates = separator.separate(wave[:, :length], RATE)
        assert estimates["male"].shape == (2, length)
        assert np.abs(sum(estimates.values()) - wave[:, :length]).max(initial=0.0) < 1e-5


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 500), (1, 0, 500), (0, 0)])
def test_nothing_in_nothing_out(separator: Separator, shape: tuple[int, ...]) -> None:
    assert all(estimate.shape == shape for estimate in separator.separate(np.zeros(shape, np.float32), RATE).values())


@pytest.mark.parametrize("training", TRAININGS)
def test_silence_in_silence_out(training: str) -> None:
    for estimate in make_separator(TRAININGS[training]).separate(np.zeros((2, 1000), np.float32), RATE).values():
        assert not estimate.any()


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize("gain", [1e-4, 10.0])
def test_a_gain_carries_through(training: str, gain: float) -> None:
    separator, wave = make_separator(TRAININGS[training]), noise(2, 2500)
    plain, louder = separator.separate(wave, RATE), separator.separate(np.float32(gain) * wave, RATE)
    for name in plain:
        np.testing.assert_allclose(louder[name] / gain, plain[name], atol=2e-5)


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize("block_s", [0.0, 0.05, 0.33])
def test_blocks_give_what_the_whole_gives(training: str, block_s: float) -> None:
    separator, wave = make_separator(TRAININGS[training]), noise(2, 9001)
    # Loud and soft parts: the level must be that of the whole, not of a block.
    wave[:, 4000:] *= 0.01
    whole = separator.separate(wave, RATE)
    blocks = list(separator.stream(reader(wave), n_samples=9001, block_s=block_s))
    assert len(blocks) > 3
    for name, estimate in whole.items():
        joined = np.concatenate([block[name] for block in blocks], -1)
        np.testing.assert_allclose(joined, estimate, atol=1e-5)


@given(n_samples=st.integers(1, 3000), block_s=st.floats(0.01, 0.3), context=st.integers(0, 4))
@settings(max_examples=25, deadline=None)
def test_blocks_of_any_size(n_samples: int, block_s: float, context: int) -> None:
    separator, wave = make_separator({"model": {"settings": {"context_frames": context}}}), noise(1, n_samples)
    whole = separator.separate(wave, RATE)["female"]
    blocks = [block["female"] for block in separator.stream(reader(wave), n_samples=n_samples, block_s=block_s)]
    np.testing.assert_allclose(np.concatenate(blocks, -1), whole, atol=1e-5)


def test_a_block_is_all_that_is_read_at_once(separator: Separator) -> None:
    wave, longest = noise(1, 100_000), 0

    def read(start: int, stop: int) -> Wave:
        nonlocal longest
        assert 0 <= start <= stop <= 100_000
        longest = max(longest, stop - start)
        return wave[:, start:stop]

    list(separator.stream(read, n_samples=100_000, block_s=0.5))
    assert longest <= 0.5 * RATE + 20 * WINDOW


def test_channels_and_items_are_separated_by_themselves(separator: Separator) -> None:
    wave = noise(2, 3, 1500)
    wave[1, 2] *= 0.001
    together = separator.separate(wave, RATE)
    for item in range(2):
        for channel in range(3):
            alone = separator.separate(wave[item, channel], RATE)
            for name, estimate in alone.items():
                np.testing.assert_allclose(together[name][item, channel], estimate, atol=1e-6)


def test_models_with_different_masks_are_asked_for_one() -> None:
    models = [make_models({"mask": mask}, (name,)) for name, mask in (("female", "ratio"), ("male", "wiener"))]
    with pytest.raises(ConfigError, match=r"\(ratio for female, wiener for male\), .* --mask ratio or --mask wiener"):
        Separator(models)
    assert Separator(models, mask="ratio").mask == "ratio"
    assert Separator([models[1], make_models({"mask": "wiener"}, ("child",))]).mask == "wiener"


def test_a_shift_by_whole_hops_shifts_the_estimates(separator: Separator) -> None:
    wave, hop = noise(3000), 5 * 64
    shifted = np.concatenate([np.zeros(hop, np.float32), wave])
    # The zeros before it lower the level, so compare at a level that does not count silence.
    for levels in ("whole", "gated"):
        frontend = {"normalisation": "none", "levels": levels}
        free = make_separator({"frontend": frontend, "model": {"settings": {"context_frames": 3}}})
        # What lies before a file is not known, so that its first samples are heard in another way than after silence.
        first = 0 if levels == "whole" else free._estimators.context_samples
        assert first < 2500
        found, expected = free.separate(shifted, RATE)["male"][hop:], free.separate(wave, RATE)["male"]
        np.testing.assert_allclose(found[first:], expected[first:], atol=1e-5)


def test_types_in_are_types_out(separator: Separator) -> None:
    wave = noise(2, 700)
    for dtype in (np.float16, np.float32, np.float64, np.dtype(">f4"), np.longdouble):
        estimate = separator.separate(wave.astype(dtype), RATE)["male"]
        assert isinstance(estimate, np.ndarray)
        assert estimate.dtype == dtype
    for kind in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        tensor = separator.separate(torch.from_numpy(wave).to(kind), RATE)["male"]
        assert isinstance(tensor, Tensor)
        assert tensor.dtype == kind
        assert not tensor.requires_grad
        assert not tensor.is_inference()


def test_odd_arrays_are_read_as_they_are(separator: Separator) -> None:
    wave = noise(700)
    expected = separator.separate(wave, RATE)["male"]
    fixed = wave.copy()
    fixed.flags.writeable = False
    np.testing.assert_array_equal(separator.separate(fixed, RATE)["male"], expected)
    np.testing.assert_array_equal(separator.separate(wave[::-1][::-1], RATE)["male"], expected)
    np.testing.assert_array_equal(separator.separate(np.repeat(wave, 2)[::2], RATE)["male"], expected)
    tracked = torch.from_numpy(wave.copy()).requires_grad_()
    np.testing.assert_array_equal(separator.separate(tracked, RATE)["male"].numpy(), expected)
    reversed_ = separator.separate(np.ascontiguousarray(wave[::-1]), RATE)["male"]
    np.testing.assert_array_equal(separator.separate(wave[::-1], RATE)["male"], reversed_)


def test_the_input_is_left_as_it_was(separator: Separator) -> None:
    wave = noise(700)
    before = wave.copy()
    separator.separate(wave, RATE)
    np.testing.assert_array_equal(wave, before)


def test_the_same_twice(separator: Separator) -> None:
    wave = noise(2, 900)
    first = separator.separate(wave, RATE)
    separator.separate(noise(2, 300, seed=5), RATE)
    np.testing.assert_array_equal(first["male"], separator.separate(wave, RATE)["male"])


@pytest.mark.parametrize(
    ("wave", "rate", "words"),
    [
        (noise(10), 16000, "sampled at 16000 Hz, the model at 8000 Hz: resample it first with sepvae.audio.resample"),
        (np.zeros((1, 1, 1, 5), np.float32), RATE, r"shape \(1, 1, 1, 5\): give \(time,\), \(channels, time\) or"),
        (np.float32(0.5), RATE, r"shape \(\): give"),
        (np.zeros(5, np.int16), RATE, "a mixture of int16 samples: give floats .*divide 16-bit integers by 32768"),
        (torch.zeros(5, dtype=torch.int16), RATE, "a mixture of torch.int16 samples: give floats"),
        (np.zeros(5, np.complex64), RATE, "a mixture of complex64 samples"),
        (torch.zeros(5, dtype=torch.complex64), RATE, "a mixture of torch.complex64 samples"),
        (["a"], RATE, "a mixture of <U1 samples"),
        (None, RATE, r"a mixture of shape \(\)"),
        (np.array([0, np.nan]), RATE, "holds NaN or infinite samples: repair it first"),
        (torch.tensor([0, torch.inf]), RATE, "holds NaN or infinite samples"),
        (np.array([0, 1e300]), RATE, "holds NaN or infinite samples"),
    ],
)
def test_bad_input_is_named(separator: Separator, wave: Any, rate: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        separator.separate(wave, rate)


def test_folders_of_models_are_combined(tmp_path: Path) -> None:
    for number, name in enumerate(["female", "male", "noise"]):
        save_checkpoint(tmp_path / name, make_models({}, (name,), seed=number), provenance={})
    separator = Separator.load(tmp_path / "male", tmp_path / "female", tmp_path / "noise")
    wave = noise(1200)
    estimates = separator.separate(wave, RATE)
    assert list(estimates) == ["male", "female", "noise"]
    np.testing.assert_allclose(sum(estimates.values()), wave, atol=1e-5)
    # The order of the folders changes the order of the results and nothing else.
    swapped = Separator.load(tmp_path / "noise", tmp_path / "female", tmp_path / "male").separate(wave, RATE)
    for name, estimate in estimates.items():
        np.testing.assert_allclose(swapped[name], estimate, atol=1e-6)


def test_models_with_different_context_are_combined() -> None:
    wide = make_models({"model": {"settings": {"context_frames": 4}}}, ("female",))
    narrow = make_models({}, ("male",), seed=1)
    wave, separator = noise(1, 5000), Separator([wide, narrow])
    whole = separator.separate(wave, RATE)["female"]
    blocks = [block["female"] for block in separator.stream(reader(wave), n_samples=5000, block_s=0.1)]
    np.testing.assert_allclose(np.concatenate(blocks, -1), whole, atol=1e-5)


def test_models_that_do_not_fit_together_are_refused() -> None:
    female = make_models({}, ("female",))
    with pytest.raises(CheckpointError, match="two models are for the source 'female': give each source once"):
        Separator([female, make_models({}, ("male", "female"))])
    with pytest.raises(CheckpointError, match="different front-ends"):
        Separator([female, make_models({"frontend": {"normalisation": "peak"}}, ("male",))])
    with pytest.raises(CheckpointError, match="of 'female' alone, and there is nothing to separate it from"):
        Separator([female])
    assert make_separator(TRAININGS["direct"], sources=("female",)).sources == ("female",)


def test_models_for_several_microphones_say_what_they_need(voice_model: Path) -> None:
    told = r"a conditional_vae takes no mixtures of one .* separates recordings of several .* by 'sepvae demix"
    with pytest.raises(CheckpointError, match=told):
        Separator.load(voice_model)


def test_mask_is_the_models_own_or_the_one_that_is_asked_for() -> None:
    models = make_models({"mask": "wiener"})
    assert Separator([models]).mask == "wiener"
    wave = noise(1000)
    ratio, wiener = (Separator([models], mask=kind).separate(wave, RATE)["male"] for kind in ("ratio", "wiener"))  # type: ignore[arg-type]
    np.testing.assert_array_equal(wiener, Separator([models]).separate(wave, RATE)["male"])
    assert np.abs(ratio - wiener).max() > 1e-3


def test_direct_estimates_are_what_the_networks_give() -> None:
    models, wave = make_models(TRAININGS["direct"]), 0.01 * noise(2, 1000)
    shares = {"female": 0.25, "male": -2.0}
    for name, share in shares.items():

        def reconstruct(features: Tensor, sample: Any, share: float = share) -> Reconstruction:
            # Without the context on both sides.
            latent = features[:, 2:-2]
            return Reconstruction(
                Posterior(latent, None), None, sample(Posterior(latent, None)), Decoded(share * latent, None)
            )

        models.estimator.networks[name].reconstruct = reconstruct
    heard = models.estimator.frontend.heard(torch.from_numpy(wave)).numpy()
    for name, estimate in Separator([models]).separate(wave, RATE).items():
        np.testing.assert_allclose(estimate, shares[name] * heard, atol=1e-7)


def test_bad_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a Separator needs at least one model folder"):
        Separator.load()
    with pytest.raises(ConfigError, match="unknown device 'gpu': give auto, cpu, cuda, cuda:N or mps"):
        Separator([make_models({})], device="gpu")
    with pytest.raises(CheckpointError, match="no such model folder: train one with 'sepvae train'"):
        Separator.load(tmp_path / "missing")


def test_device_auto_is_taken() -> None:
    assert Separator([make_models({})], device="auto").separate(noise(100), RATE)["male"].shape == (100,)


def test_a_model_that_gives_nan_is_an_error_not_a_file() -> None:
    models = make_models({})
    for weight in models.estimator.networks["male"].parameters():
        weight.data.fill_(1e30)
    with pytest.raises(CheckpointError, match="the model of 'male' gives NaN or infinity for this mixture"):
        Separator([models]).separate(noise(500), RATE)


def test_nothing_is_trained_or_recorded(separator: Separator) -> None:
    before = torch.random.get_rng_state()
    separator.separate(noise(500), RATE)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not torch.is_inference_mode_enabled()
    stream = separator.stream(reader(noise(1, 5000)), n_samples=5000, block_s=0.1)
    next(stream)
    assert not torch.is_inference_mode_enabled()


def test_samples_as_soundfile_reads_them_are_told_to_be_transposed() -> None:
    separator = Separator([make_models({})])
    with pytest.raises(InputError, match=r"give \(channels, time\), is it transposed\?"):
        separator.separate(np.zeros((RATE, 2), np.float32), RATE)


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize("offset", [0.05, -0.5])
def test_an_offset_changes_no_estimate_and_is_shared(training: str, offset: float) -> None:
    separator, wave = make_separator(TRAININGS[training]), 0.1 * noise(2, 9000)
    plain, moved = separator.separate(wave, RATE), separator.separate(wave + np.float32(offset), RATE)
    share = 0.0 if training == "direct" else offset / len(plain)
    for name, estimate in plain.items():
        np.testing.assert_allclose(moved[name] - share, estimate, atol=2e-5)


def test_models_of_the_old_rule_say_when_the_level_is_not_that_of_the_speech(
    caplog: pytest.LogCaptureFixture,
) -> None:
    old, new = (make_separator({"frontend": {"levels": levels}}) for levels in ("whole", "gated"))
    quiet = np.concatenate([0.1 * noise(8000), np.zeros(80000, np.float32)])
    for separator, wave in ((old, 0.1 * noise(8000)), (new, quiet), (new, 0.1 * noise(8000) + 1)):
        separator.separate(wave.astype(np.float32), RATE)
    assert not caplog.messages
    old.separate(quiet, RATE)
    assert "the mixture: its level" in caplog.messages[0]
    assert "dB below that of its speech" in caplog.messages[0]
    loud = np.concatenate([0.01 * noise(1, 8000), 0.5 * noise(1, 800)], axis=1).astype(np.float32)
    list(old.stream(reader(loud), n_samples=8800, name="talk.wav"))
    assert "talk.wav: its level" in caplog.messages[1]
    assert "dB above" in caplog.messages[1]
    list(old.stream(reader((0.1 * noise(1, 8000) + 0.03).astype(np.float32)), n_samples=8000, name="talk.wav"))
    assert "talk.wav: an offset or hum in it is heard by its model" in caplog.messages[2]
