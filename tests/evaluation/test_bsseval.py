"""BSSEval against mir_eval, fast_bss_eval, dense least squares and what is known in closed form."""

from __future__ import annotations

import warnings
from pathlib import Path

import fast_bss_eval.numpy
import mir_eval.separation
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sepvae import audio, seeds
from sepvae.errors import ConfigError, InputError
from sepvae.evaluation.bsseval import bss_eval_noise, bss_eval_sources
from sepvae.evaluation.ratios import si_sdr

Array = NDArray[np.float64]
# The agreement asked for; above this ratio both programs measure their own rounding.
TOLERANCE_DB = 1e-6
ROUNDING_DB = 200.0


def scene(*shape: int, seed: int = 0, colour: float = 0.9, noise: float = 0.3) -> tuple[Array, Array]:
    """References (…, n_sources, time) with a spectrum like speech, and estimates with crosstalk and noise."""
    generator = seeds.generator(seed, "test", "bsseval", *shape)
    white = generator.standard_normal(shape)
    references = white.copy()
    references[..., 1:] += colour * white[..., :-1]
    references[..., 7:] += 0.5 * white[..., :-7]
    crosstalk = np.roll(references, 1, axis=-2)
    return references, references + 0.2 * crosstalk + noise * generator.standard_normal(shape)


def dense_bss_eval(references: Array, estimates: Array, n_taps: int) -> Array:
    """SDR, SIR and SAR (3, n_sources) by the QR decomposition of the matrix of delayed references."""
    n_sources, n_samples = references.shape
    columns = np.zeros((n_samples + n_taps - 1, n_sources, n_taps))
    for source in range(n_sources):
        for tap in range(n_taps):
            columns[tap : tap + n_samples, source, tap] = references[source]
    extended = np.pad(estimates, ((0, 0), (0, n_taps - 1)))

    def project(matrix: Array, signal: Array) -> Array:
        basis = np.linalg.qr(matrix)[0]
        return basis @ (basis.T @ signal)

    def ratio_db(signal: Array, error: Array) -> float:
        return 10 * np.log10(np.sum(signal**2) / np.sum(error**2))

    scores = []
    for source in range(n_sources):
        estimate = extended[source]
        target = project(columns[:, source], estimate)
        joint = project(columns.reshape(len(columns), -1), estimate)
        scores.append(
            (ratio_db(target, estimate - target), ratio_db(target, joint - target), ratio_db(joint, estimate - joint))
        )
    return np.array(scores).T


def ours(references: Array, estimates: Array, **settings_: object) -> Array:
    scores = bss_eval_sources(references=references, estimates=estimates, **settings_)  # type: ignore[arg-type]
    return np.stack([score.numpy() for score in scores[:3]])


def theirs(references: Array, estimates: Array, best: bool = False) -> tuple[Array, Array]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # deprecated: here it is the oracle
        *scores, permutation = mir_eval.separation.bss_eval_sources(references, estimates, compute_permutation=best)
    return np.stack(scores), permutation


@pytest.mark.parametrize(
    ("n_sources", "n_samples", "colour"), [(2, 9001, 0.999), (2, 2000, 0.9), (3, 4099, 0.9), (4, 2048, 0.0)]
)
def test_agrees_with_mir_eval(n_sources: int, n_samples: int, colour: float) -> None:
    references, estimates = scene(n_sources, n_samples, colour=colour)
    expected, _ = theirs(references, estimates)
    np.testing.assert_allclose(ours(references, estimates), expected, atol=TOLERANCE_DB, rtol=0)


def test_sdr_of_one_source_agrees_with_mir_eval_and_the_others_are_refused() -> None:
    references, estimates = scene(1, 4000)
    expected, _ = theirs(references, estimates)
    sdr, sir, sar = ours(references, estimates)
    np.testing.assert_allclose(sdr, expected[0], atol=TOLERANCE_DB, rtol=0)
    assert np.isnan(sir).all()
    assert np.isnan(sar).all()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_best_permutation_agrees_with_mir_eval(order: tuple[int, ...]) -> None:
    references, estimates = scene(3, 3000)
    estimates = estimates[list(order)]
    expected, permutation = theirs(references, estimates, best=True)
    scores = bss_eval_sources(references=references, estimates=estimates, permutation="best")
    np.testing.assert_array_equal(scores.permutation, permutation)
    np.testing.assert_allclose(np.stack(scores[:3]), expected, atol=TOLERANCE_DB, rtol=0)


def test_agrees_with_fast_bss_eval() -> None:
    references, estimates = scene(2, 8000)
    expected = fast_bss_eval.numpy.bss_eval_sources(references, estimates)
    np.testing.assert_allclose(ours(references, estimates), np.stack(expected[:3]), atol=TOLERANCE_DB, rtol=0)


@pytest.mark.parametrize("upsampled", [False, True])
def test_agrees_with_mir_eval_on_speech(corpora: Path, upsampled: bool) -> None:
    files = sorted((corpora / "timit-sample").glob("*/sx*.wav"))
    waves = [audio.read(file, n_samples=24000).wave[0].astype(np.float64) for file in (files[0], files[-1])]
    references = np.stack(waves)
    if upsampled:  # nothing above 4 kHz: the Gram matrix is very ill-conditioned
        low = audio.resample(references.astype(np.float32), from_rate=16000, to_rate=8000)
        references = audio.resample(low, from_rate=8000, to_rate=16000).astype(np.float64)
    noise = seeds.generator(0, "test", "speech").standard_normal(references.shape) * references.std()
    for level in (0.3, 1e-3):
        estimates = references + level * (references[::-1] + noise)
        expected, _ = theirs(references, estimates)
        np.testing.assert_allclose(ours(references, estimates), expected, atol=TOLERANCE_DB, rtol=0)


@pytest.mark.parametrize("n_taps", [1, 2, 33, 100])
@pytest.mark.parametrize("noise", [0.3, 1e-6])
def test_agrees_with_dense_least_squares(n_taps: int, noise: float) -> None:
    references, estimates = scene(2, 700, noise=noise)
    expected = dense_bss_eval(references, estimates, n_taps)
    np.testing.assert_allclose(ours(references, estimates, n_taps=n_taps), expected, atol=1e-7, rtol=0)


@pytest.mark.parametrize("n_samples", [1024, 1025, 3584, 3585, 3586, 7681])
def test_blocks_cover_every_length(n_samples: int) -> None:
    references, estimates = scene(2, n_samples)
    expected, _ = theirs(references, estimates)
    difference = np.abs(ours(references, estimates) - expected)
    assert difference[expected < ROUNDING_DB].max() < TOLERANCE_DB


def test_high_ratios_do_not_cancel() -> None:
    references, estimates = scene(2, 4000, noise=0.0)
    noise = seeds.generator(1, "test").standard_normal(references.shape)
    for decibels in (60, 140):
        estimates = references + noise * 10 ** (-decibels / 20) * references.std()
        expected, _ = theirs(references, estimates)
        np.testing.assert_allclose(ours(references, estimates)[0], expected[0], atol=1e-5, rtol=0)
        # The white noise keeps what 512 filter taps cannot explain of it: all but 1/8 of its energy here.
        assert abs(expected[0].mean() - decibels) < 2


def test_one_tap_is_si_sdr() -> None:
    references, estimates = scene(3, 500)
    sdr = ours(references, estimates, n_taps=1)[0]
    expected = [si_sdr(reference=r, estimate=e) for r, e in zip(references, estimates, strict=True)]
    np.testing.assert_allclose(sdr, expected, atol=1e-9)


def test_a_filtered_reference_has_no_distortion() -> None:
    references, _ = scene(2, 4000)
    references[:, -600:] = 0  # so that no tail is cut off
    taps = seeds.generator(0, "taps").standard_normal(512)
    estimates = np.stack([np.convolve(reference, taps)[:4000] for reference in references])
    assert (ours(references, estimates)[0] > ROUNDING_DB).all()


@pytest.mark.parametrize(("delay", "forgiven"), [(0, True), (1, True), (511, True), (512, False)])
def test_delays_up_to_511_samples_are_forgiven(delay: int, forgiven: bool) -> None:
    references = seeds.generator(0, "delay").standard_normal((2, 20000))
    references[:, -600:] = 0
    sdr = ours(references, np.roll(references, delay, axis=-1))[0]
    assert (sdr > ROUNDING_DB).all() if forgiven else (sdr < 0).all()


def test_white_noise_of_known_level_gives_that_ratio() -> None:
    generator = seeds.generator(0, "known level")
    references = generator.standard_normal((2, 100_000))
    noise = generator.standard_normal((2, 100_000))
    sdr, sir, sar = ours(references, references + 0.1 * noise)
    # 512 of 100 000 dimensions are explained by chance: 0.02 dB.
    np.testing.assert_allclose(sdr, 20, atol=0.1)
    np.testing.assert_allclose(sar, 20, atol=0.1)
    assert (sir > 35).all()
    np.testing.assert_allclose(ours(references, references + 0.1 * references[::-1])[1], 20, atol=0.1)


@settings(max_examples=15, deadline=None)
@given(st.floats(-140, 140), st.floats(-140, 140), st.booleans())
def test_scale_and_sign_do_not_matter(reference_exponent: float, estimate_exponent: float, negative: bool) -> None:
    references, estimates = scene(2, 400)
    scaled = ours(
        references * 10.0**reference_exponent,
        estimates * 10.0**estimate_exponent * (-1 if negative else 1),
        n_taps=16,
    )
    np.testing.assert_allclose(scaled, ours(references, estimates, n_taps=16), atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(4)))
def test_scores_follow_the_order_of_the_sources(order: list[int]) -> None:
    references, estimates = scene(4, 400)
    expected = ours(references, estimates, n_taps=16)[:, order]
    np.testing.assert_allclose(ours(references[order], estimates[order], n_taps=16), expected, atol=1e-9)


def test_best_order_undoes_any_permutation_of_nine_sources() -> None:
    references, estimates = scene(9, 600)
    order = seeds.generator(0, "order").permutation(9)
    scores = bss_eval_sources(references=references, estimates=estimates[order], n_taps=8, permutation="best")
    np.testing.assert_array_equal(order[scores.permutation.numpy()], np.arange(9))
    np.testing.assert_allclose(scores.sdr, ours(references, estimates, n_taps=8)[0], atol=1e-9)


def test_a_batch_is_its_items() -> None:
    references, estimates = scene(2, 3, 2, 900)
    scores = bss_eval_sources(references=references, estimates=estimates, n_taps=64)
    assert scores.sdr.shape == scores.permutation.shape == scores.active.shape == (2, 3, 2)
    assert scores.least_squares.shape == (2, 3)
    for index in np.ndindex(2, 3):
        single = ours(references[index], estimates[index], n_taps=64)
        np.testing.assert_allclose([score[index] for score in scores[:3]], single, atol=1e-10)


def test_takes_numpy_and_torch_of_any_precision_and_computes_in_float64() -> None:
    references, estimates = (signal.astype(np.float32) for signal in scene(2, 2000, noise=1e-4))
    expected = ours(references.astype(np.float64), estimates.astype(np.float64))
    np.testing.assert_array_equal(ours(references, estimates), expected)
    tensors = torch.as_tensor(references, dtype=torch.float32).requires_grad_(), torch.as_tensor(estimates)
    scores = bss_eval_sources(references=tensors[0], estimates=tensors[1])
    assert scores.sdr.dtype == torch.float64
    np.testing.assert_array_equal(scores.sdr, expected[0])


def test_a_silent_reference_is_left_out_and_the_others_are_scored() -> None:
    references, estimates = scene(3, 2000)
    references[1] = 0
    scores = bss_eval_sources(references=references, estimates=estimates)
    assert scores.active.tolist() == [True, False, True]
    assert not scores.least_squares
    without = [0, 2]
    expected = ours(references[without], estimates[without])
    for score, value in zip(scores[:3], expected, strict=True):
        assert score[1].isnan()
        np.testing.assert_allclose(score[without], value, atol=1e-9)


def test_one_active_reference_has_an_sdr_only() -> None:
    references, estimates = scene(2, 2000)
    references[0] = 0
    sdr, sir, sar = ours(references, estimates)
    np.testing.assert_allclose(sdr[1], ours(references[1:], estimates[1:])[0][0], atol=1e-9)
    assert np.isnan(sdr[0])
    assert np.isnan(sir).all()
    assert np.isnan(sar).all()


def test_silent_and_broken_estimates_have_no_score_and_harm_no_other() -> None:
    references, estimates = scene(3, 2000)
    expected = ours(references, estimates)
    estimates[0] = 0
    estimates[1, 77] = np.nan
    scores = ours(references, estimates)
    assert np.isnan(scores[:, :2]).all()
    np.testing.assert_allclose(scores[:, 2], expected[:, 2], atol=1e-9)


def test_a_broken_reference_spoils_its_own_item_only() -> None:
    references, estimates = scene(2, 2, 600)
    references[0, 1, 5] = np.inf
    scores = ours(references, estimates, n_taps=32)
    assert np.isnan(scores[:, 0]).all()
    np.testing.assert_allclose(scores[:, 1], ours(references[1], estimates[1], n_taps=32), atol=1e-9)


def test_best_order_copes_with_silence() -> None:
    references, estimates = scene(3, 900)
    references[1] = 0
    scores = bss_eval_sources(references=references, estimates=estimates[[2, 1, 0]], n_taps=16, permutation="best")
    assert scores.permutation.tolist() == [2, 1, 0]


def test_equal_references_fall_back_to_least_squares_and_say_so() -> None:
    references, estimates = scene(2, 2000)
    twice = np.stack([references[0], references[0]])
    scores = bss_eval_sources(references=twice, estimates=estimates, n_taps=64)
    assert scores.least_squares
    # The second copy adds nothing to what the first explains.
    for source in range(2):
        alone = ours(references[:1], estimates[source : source + 1], n_taps=64)[0]
        np.testing.assert_allclose([scores.sdr[source], scores.sar[source]], np.repeat(alone, 2), atol=1e-6)
    assert (scores.sir > 100).all()


def test_only_the_singular_item_of_a_batch_falls_back() -> None:
    references, estimates = scene(3, 2, 600)
    references[1, 1] = references[1, 0]
    scores = bss_eval_sources(references=references, estimates=estimates, n_taps=16)
    assert scores.least_squares.tolist() == [False, True, False]
    np.testing.assert_allclose(scores.sdr[2], ours(references[2], estimates[2], n_taps=16)[0], atol=1e-9)


def test_pure_tones_agree_with_mir_eval() -> None:
    time_s = np.arange(4000) / 8000
    references = np.stack([np.sin(2 * np.pi * hz * time_s) for hz in (440, 1000)])
    estimates = references + 0.2 * references[::-1] + 0.1 * seeds.generator(0, "tones").standard_normal((2, 4000))
    scores = bss_eval_sources(references=references, estimates=estimates)
    assert scores.least_squares
    np.testing.assert_allclose(np.stack(scores[:3]), theirs(references, estimates)[0], atol=1e-3)


def test_noise_ratio_counts_only_what_comes_from_the_noise() -> None:
    generator = seeds.generator(0, "noise ratio")
    *sources, noise, artifacts = generator.standard_normal((4, 50_000))
    references = torch.as_tensor(np.stack(sources))
    estimate = torch.as_tensor(sources[0] + 0.5 * sources[1] + 0.1 * noise + 0.2 * artifacts)
    ratio = bss_eval_noise(references=references, noise=torch.as_tensor(noise), estimates=estimate[None])
    # 1.25 against 0.01, and 512 of 50 000 dimensions of the artifacts fall to the noise.
    np.testing.assert_allclose(ratio, 10 * np.log10(1.25 / (0.01 + 0.04 * 512 / 50_000)), atol=0.15)
    broken = torch.stack([estimate, estimate * 0, estimate * torch.nan])
    ratios = bss_eval_noise(references=references, noise=torch.as_tensor(noise), estimates=broken)
    assert ratios.isnan().tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("references", "estimates", "message"),
    [
        ((2, 4000), (2, 3999), r"shape \(2, 4000\), estimates \(2, 3999\).*is one transposed or cut"),
        ((2, 4000), (4000, 2), r"shape \(2, 4000\), estimates \(4000, 2\).*is one transposed or cut"),
        ((4000, 2), (4000, 2), r"more sources than samples; transpose them"),
        ((4000,), (4000,), r"shape \(4000,\).*expected \(…, n_sources, time\)"),
        ((0, 4000), (0, 4000), r"at least one source and sample"),
        ((2, 1023), (2, 1023), r"1023 samples are too few for 2 filters of 512 taps: at least 1024"),
        ((1, 0), (1, 0), r"at least one source and sample"),
        ((1, 1), (1, 1), r"1 samples are too few"),
    ],
)
def test_shapes_are_checked(references: tuple[int, ...], estimates: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        bss_eval_sources(references=np.ones(references), estimates=np.ones(estimates))


def test_impossible_settings_are_named() -> None:
    references, estimates = scene(2, 100)
    with pytest.raises(ConfigError, match="n_taps is 0: a filter has at least one tap"):
        bss_eval_sources(references=references, estimates=estimates, n_taps=0)
    with pytest.raises(ConfigError, match="unknown permutation 'free': choose 'fixed' or 'best'"):
        bss_eval_sources(references=references, estimates=estimates, permutation="free")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="signals are complex"):
        bss_eval_sources(references=references * 1j, estimates=estimates)
