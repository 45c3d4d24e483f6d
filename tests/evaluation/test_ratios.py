"""SNR and SI-SDR in closed form, and against fast_bss_eval."""

from __future__ import annotations

import math

import fast_bss_eval.numpy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae import seeds
from sepvae.errors import InputError
from sepvae.evaluation.ratios import si_sdr, snr


def test_orthogonal_noise_of_known_energy() -> None:
    reference, noise = np.array([3.0, 0, 0, 0]), np.array([0, 1.0, 0, 0])
    assert si_sdr(reference=reference, estimate=reference + noise) == pytest.approx(10 * math.log10(9))
    assert snr(reference=reference, estimate=reference + noise) == pytest.approx(10 * math.log10(9))


def test_a_copy_is_infinite_and_an_orthogonal_signal_minus_infinite() -> None:
    reference = [1.0, 2.0, 0.0]
    assert si_sdr(reference=reference, estimate=reference) == snr(reference=reference, estimate=reference) == math.inf
    assert si_sdr(reference=reference, estimate=[0.0, 0.0, 1.0]) == -math.inf
    assert math.isnan(si_sdr(reference=[0.0, 0.0], estimate=[1.0, 0.0]))


@given(st.floats(1e-6, 1e6))
def test_si_sdr_ignores_scale_and_snr_does_not(gain: float) -> None:
    reference, estimate = seeds.generator(0, "ratios").standard_normal((2, 100)) + np.array([[0.0], [0.5]])
    expected = si_sdr(reference=reference, estimate=estimate)
    assert si_sdr(reference=reference, estimate=gain * estimate) == pytest.approx(expected, abs=1e-9)
    assert si_sdr(reference=gain * reference, estimate=estimate) == pytest.approx(expected, abs=1e-9)
    doubled = snr(reference=reference, estimate=reference * (1 + gain))
    assert doubled == pytest.approx(-20 * math.log10(gain), abs=1e-6)


def test_the_mean_counts() -> None:
    reference = seeds.generator(0, "mean").standard_normal(1000)
    expected, _ = fast_bss_eval.numpy.si_sdr(reference[None], reference[None] + 0.5, return_perm=True)
    assert si_sdr(reference=reference, estimate=reference + 0.5) == pytest.approx(float(expected[0]), abs=1e-6)
    assert expected[0] < 10


def test_shapes_are_checked() -> None:
    with pytest.raises(InputError, match=r"reference has shape \(3,\), estimate \(2,\): expected two \(time,\) alike"):
        si_sdr(reference=[1, 2, 3], estimate=[1, 2])
    with pytest.raises(InputError, match=r"reference has shape \(1, 3\)"):
        snr(reference=[[1, 2, 3]], estimate=[[1, 2, 3]])
