"""Scores of one item: values, improvements and reasons; no measure turns a defect into a number."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence
from itertools import product

import mir_eval.separation
import numpy as np
import pytest
from numpy.typing import NDArray

from sepvae import plugins, seeds
from sepvae.errors import ConfigError, InputError
from sepvae.evaluation import MEASURES, measure_names
from sepvae.evaluation.contract import ItemSignals, measure, pairwise
from sepvae.evaluation.measures import describe, score, score_systems
from sepvae.evaluation.rows import ScoreRow

Signal = NDArray[np.float64]
BSSEVAL = ("sdr_bsseval_v3_512", "sir_bsseval_v3_512", "sar_bsseval_v3_512")
RATIOS = (*BSSEVAL, "snr", "si_sdr")
RATE = 16000


def sources(n_samples: int = 4000, n_sources: int = 2) -> dict[str, Signal]:
    waves = seeds.generator(0, "test", "measures").standard_normal((n_sources, n_samples))
    waves[:, 1:] += 0.9 * waves[:, :-1]
    return dict(zip(("female", "male", "child"), waves, strict=False))


def mixed(references: dict[str, Signal]) -> dict[str, Signal]:
    return dict.fromkeys(references, sum(references.values(), np.float64(0)))


def run(
    references: dict[str, Signal],
    estimates: dict[str, Signal] | None = None,
    measures: Sequence[str] | None = RATIOS,
    mixture: Signal | None = None,
    noise: Signal | None = None,
) -> list[ScoreRow]:
    if estimates is None:
        hiss = seeds.generator(0, "hiss").standard_normal(len(next(iter(references.values()))))
        total = sum(references.values())
        estimates = {name: 0.9 * wave + 0.1 * total + 0.1 * hiss for name, wave in references.items()}
    return score(
        references=references,
        estimates=estimates,
        mixture=sum(references.values()) if mixture is None else mixture,
        sample_rate=RATE,
        system="vae",
        item="m1",
        measures=measures,
        noise=noise,
    )


def test_every_name_of_the_table_stands_for_a_function_that_gives_it() -> None:
    assert {*measure_names()} == {name + suffix for name, suffix in product(MEASURES, ("", "_improvement"))}
    assert all(callable(MEASURES.resolve(name)) for name in MEASURES)


def test_all_measures_by_default_with_a_reason_for_each_nan() -> None:
    references = sources(12000)
    rows = run(references, measures=None)
    assert [(row.system, row.item, row.source) for row in rows] == [("vae", "m1", "female"), ("vae", "m1", "male")]
    for row in rows:
        assert list(row.values) == [name for name in measure_names() if not name.startswith("snr_bsseval")]
        assert {name for name, value in row.values.items() if math.isnan(value)} == set(row.reasons)
        assert row.reasons == {"sar_bsseval_v3_512_improvement": "mixture_has_no_artifacts"}
    with_noise = run(references, measures=None, noise=0.1 * sources(12000, 3)["child"])
    assert list(with_noise[0].values) == list(measure_names())


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_bsseval_is_mir_evals() -> None:
    references = sources(6000, 3)
    rows = run(references, measures=BSSEVAL)
    hiss = seeds.generator(0, "hiss").standard_normal(6000)
    estimates = [0.9 * wave + 0.1 * sum(references.values()) + 0.1 * hiss for wave in references.values()]
    expected = mir_eval.separation.bss_eval_sources(np.stack([*references.values()]), np.stack(estimates), False)
    values = np.array([[row.values[name] for row in rows] for name in BSSEVAL])
    np.testing.assert_allclose(values, np.stack(expected[:3]), atol=1e-6, rtol=0)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_improvement_is_the_difference_to_the_mixture_as_estimate() -> None:
    references = sources()
    mixture = sum(references.values()) + 0.3 * seeds.generator(0, "noise").standard_normal(4000)
    names = [name + suffix for name in RATIOS for suffix in ("", "_improvement")]
    rows = run(references, measures=names, mixture=mixture)
    floor = run(references, dict.fromkeys(references, mixture), measures=RATIOS, mixture=mixture)
    copies = np.stack([mixture, mixture])
    expected = mir_eval.separation.bss_eval_sources(np.stack([*references.values()]), copies, False)
    np.testing.assert_allclose([row.values[BSSEVAL[0]] for row in floor], expected[0], atol=1e-6)
    for row, base in zip(rows, floor, strict=True):
        assert not row.reasons
        for name in RATIOS:
            difference = row.values[name] - base.values[name]
            assert row.values[name + "_improvement"] == pytest.approx(difference, abs=1e-9)


def test_an_improvement_can_be_asked_for_alone() -> None:
    assert list(run(sources(), measures=["si_sdr_improvement"])[0].values) == ["si_sdr_improvement"]


def test_systems_of_one_item_share_their_work_and_not_their_scores() -> None:
    references = sources()
    mixture = sum(references.values())
    systems = {
        "mixture": dict.fromkeys(references, mixture),
        "half": {name: 0.5 * mixture + 0.5 * wave for name, wave in references.items()},
        "noisy": {name: wave + 0.1 * references["female"][::-1] for name, wave in references.items()},
    }
    together = score_systems(
        references=references, estimates=systems, mixture=mixture, sample_rate=RATE, item="1", measures=RATIOS
    )
    assert [row.system for row in together] == ["mixture", "mixture", "half", "half", "noisy", "noisy"]
    for row in together:
        alone = score(
            references=references,
            estimates=systems[row.system],
            mixture=mixture,
            sample_rate=RATE,
            system=row.system,
            item="1",
            measures=RATIOS,
        )
        (same,) = (other for other in alone if other.source == row.source)
        assert row.reasons == same.reasons
        np.testing.assert_allclose([*row.values.values()], [*same.values.values()], atol=1e-9)


@pytest.mark.parametrize("bits", [16, 24, None])
def test_a_sum_of_the_sources_has_no_artifacts(bits: int | None) -> None:
    references = {name: 0.05 * wave for name, wave in sources(8000).items()}
    mixture = sum(references.values())
    if bits is not None:
        mixture = np.round(mixture * 2 ** (bits - 1)) / 2 ** (bits - 1)
    rows = run(references, dict.fromkeys(references, mixture), ["sar_bsseval_v3_512", "sdr_bsseval_v3_512"], mixture)
    assert all(row.reasons == {"sar_bsseval_v3_512": "mixture_has_no_artifacts"} for row in rows)


def test_a_noisy_mixture_has_artifacts() -> None:
    references = sources(8000)
    noise = 0.1 * seeds.generator(0, "noise").standard_normal(8000)
    mixture = sum(references.values()) + noise
    (row, _) = run(references, dict.fromkeys(references, mixture), ["sar_bsseval_v3_512"], mixture)
    assert 15 < row.values["sar_bsseval_v3_512"] < 30


def test_snr_of_the_survey_needs_the_noise() -> None:
    references = sources(8000)
    noise = 0.1 * seeds.generator(0, "noise").standard_normal(8000)
    estimates = {name: wave + 0.5 * noise for name, wave in references.items()}
    (row, _) = run(references, estimates, ["snr_bsseval_v3_512"], noise=noise)
    power = np.mean(references["female"] ** 2) / np.mean((0.5 * noise) ** 2)
    assert row.values["snr_bsseval_v3_512"] == pytest.approx(10 * np.log10(power), abs=0.7)
    for bad, reason in ((None, "no_noise"), (0 * noise, "no_noise"), (np.nan * noise, "noise_not_finite")):
        reasons = run(references, estimates, ["snr_bsseval_v3_512"], noise=bad)[0].reasons
        assert reasons == {"snr_bsseval_v3_512": reason}


def test_a_silent_reference_leaves_the_others_their_scores() -> None:
    references = sources(6000, 3)
    estimates = {name: wave + 0.1 * references["male"] for name, wave in references.items()}
    heard = {name: references[name] for name in ("female", "child")}
    expected = run(heard, {name: estimates[name] for name in heard})
    references["male"] = np.zeros(6000)
    rows = run(references, estimates)
    assert rows[1].reasons == dict.fromkeys(RATIOS, "silent_reference")
    for row, same in zip((rows[0], rows[2]), expected, strict=True):
        assert not row.reasons
        assert row.values == pytest.approx(same.values, abs=1e-9)


def test_one_source_has_no_sir_and_sar() -> None:
    refused = dict.fromkeys(BSSEVAL[1:], "one_source")
    hiss = 0.1 * seeds.generator(0, "hiss").standard_normal(4000)
    (row,) = run(sources(n_sources=1), {"female": sources()["female"] + hiss})
    assert row.reasons == refused
    references = sources()
    references["male"] = np.zeros(4000)
    assert run(references)[0].reasons == refused


def test_a_silent_estimate_is_refused_by_every_measure() -> None:
    references = sources(12000)
    names = [name for name in measure_names() if not name.startswith("snr_bsseval")]
    rows = run(references, {"female": 0 * references["female"], "male": references["male"] + 0.1}, names)
    assert rows[0].reasons == dict.fromkeys(names, "silent_estimate")
    assert "silent_estimate" not in rows[1].reasons.values()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_broken_estimate_is_refused_alone(bad: float) -> None:
    references = sources()
    estimates = {name: wave + 0.1 * references["male"] for name, wave in references.items()}
    estimates["female"][1234] = bad
    rows = run(references, estimates)
    assert rows[0].reasons == dict.fromkeys(RATIOS, "not_finite")
    assert not rows[1].reasons or set(rows[1].reasons.values()) == {"infinite"}


def test_a_broken_reference_spoils_the_projections_of_its_neighbours() -> None:
    references = sources()
    mixture = sum(references.values())
    estimates = {name: wave + 0.1 * mixture for name, wave in references.items()}
    references["male"][0] = np.nan
    rows = run(references, estimates, mixture=mixture)
    assert rows[0].reasons == dict.fromkeys(BSSEVAL, "reference_not_finite")
    assert rows[1].reasons == dict.fromkeys(RATIOS, "not_finite")


@pytest.mark.parametrize(("bad", "reason"), [(0.0, "mixture_silent_estimate"), (np.nan, "mixture_not_finite")])
def test_a_defect_of_the_mixture_is_a_reason_for_the_improvement(bad: float, reason: str) -> None:
    references = sources()
    row = run(references, measures=("si_sdr", "si_sdr_improvement"), mixture=np.full(4000, bad))[0]
    assert row.reasons == {"si_sdr_improvement": reason}


def test_a_perfect_estimate_has_no_finite_ratio() -> None:
    references = sources()
    assert run(references, references)[0].reasons == dict.fromkeys(RATIOS, "infinite")
    quarter = {"female": np.tile([1.0, 0.0], 500)}
    row = run(quarter, {"female": np.tile([0.0, 1.0], 500)}, ["si_sdr"])[0]
    assert row.reasons == {"si_sdr": "minus_infinite"}


@pytest.mark.parametrize(("n_samples", "n_sources", "short"), [(1, 1, True), (1023, 2, True), (1024, 2, False)])
def test_fewer_samples_than_filter_coefficients_are_too_few(n_samples: int, n_sources: int, short: bool) -> None:
    reasons = run(sources(n_samples, n_sources), measures=["sdr_bsseval_v3_512"])[0].reasons
    assert reasons == ({"sdr_bsseval_v3_512": "too_short"} if short else {})


def test_nothing_to_score() -> None:
    nothing = {"female": np.zeros(0), "male": np.zeros(0)}
    rows = run(nothing, nothing, measure_names(), noise=np.zeros(0))
    assert all(row.reasons == dict.fromkeys(measure_names(), "too_short") for row in rows)


def test_integers_and_lists_are_signals_too() -> None:
    waves = {name: np.round(1000 * wave).astype(np.int16) for name, wave in sources().items()}
    doubled = {name: (2.0 * wave + 1).tolist() for name, wave in waves.items()}
    row = score(
        references=waves,
        estimates=doubled,
        mixture=sum(waves.values()),
        sample_rate=RATE,
        system="s",
        item="1",
        measures=["si_sdr"],
    )[0]
    assert row.values["si_sdr"] > 30


@pytest.mark.parametrize(
    ("estimates", "message"),
    [
        ({"female": 4000}, r"item 'm1', system 'vae', estimates are named 'female', the references 'female', 'male'"),
        ({}, r"estimates are named nothing, the references 'female', 'male': give one for each"),
        ({"female": 4000, "male": 4000, "dog": 4000}, r"'female', 'male', 'dog', the references 'female', 'male'"),
        ({"female": 4000, "male": 3999}, r"estimate 'male' has shape \(3999,\), the mixture \(4000,\): cut or pad"),
        ({"female": 4000, "male": (4000, 1)}, r"estimate 'male' has shape \(4000, 1\).*\(time,\): transposed, or sev"),
        (
            {"female": (2, 2, 2), "male": 4000},
            r"estimate 'female' has shape \(2, 2, 2\), expected one channel \(time,\)$",
        ),
    ],
)
def test_estimates_are_checked(estimates: dict[str, int | tuple[int, ...]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(sources(), {name: np.ones(shape) for name, shape in estimates.items()})


def test_other_inputs_are_checked() -> None:
    references = sources()
    with pytest.raises(InputError, match=r"reference 'female' has shape \(4000,\), the mixture \(3,\)"):
        run(references, references, mixture=np.ones(3))
    with pytest.raises(InputError, match=r"noise has shape \(3,\), the mixture \(4000,\)"):
        run(references, references, noise=np.ones(3))
    with pytest.raises(InputError, match="reference 'female' holds complex128 values, expected real numbers"):
        run({"female": references["female"] * 1j}, {"female": references["female"]}, mixture=references["female"])
    with pytest.raises(InputError, match="item 'm1': there are no references"):
        run({}, {}, mixture=np.ones(4000))
    with pytest.raises(ConfigError, match="unknown measure 'si_snr': did you mean 'si_sdr'"):
        run(references, references, ["si_snr_improvement"])


def test_a_measure_of_somebody_elses_is_scored_and_described(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_entries", "_registered"):
        monkeypatch.setattr(MEASURES, name, dict(getattr(MEASURES, name)))

    @measure("Peak error", "%", 1, better="lower")
    @pairwise
    def peak_error(reference: Signal, estimate: Signal, sample_rate: int) -> float:
        """The largest error, in percent of the largest sample."""
        return float(100 * np.abs(reference - estimate).max() / np.abs(reference).max())

    plugins.register("measure", "peak_error", peak_error)
    references = sources()
    halves = {name: 0.5 * wave for name, wave in references.items()}
    rows = run(references, halves, ["peak_error", "peak_error_improvement", "si_sdr"])
    assert [row.values["peak_error"] for row in rows] == [50.0, 50.0]
    # Lower is better, and what is gained over the mixture is positive all the same.
    floor = [row.values["peak_error"] for row in run(references, mixed(references), ["peak_error"])]
    assert [row.values["peak_error_improvement"] for row in rows] == [one - 50 for one in floor]
    assert min(floor) > 50
    assert describe("peak_error_improvement") == ("Peak error gain", "%", 1, "higher", ())
    assert describe("peak_error").heading == "Peak error (%, lower is better)"
    assert measure_names()[-2:] == ["peak_error", "peak_error_improvement"]


def test_scores_that_share_their_work_compute_it_once() -> None:
    item, calls = ItemSignals(np.ones((1, 8)), np.ones((2, 1, 8)), None, RATE), []

    def work(given: ItemSignals) -> int:
        calls.append(given)
        return 7

    assert [item.once(work), item.once(work)] == [7, 7]
    assert calls == [item]


def test_describing_measures_loads_no_library() -> None:
    code = (
        "import sys; from sepvae.evaluation import MEASURES; from sepvae.evaluation.measures import describe; "
        "[describe(name) for name in MEASURES]; "
        "sys.exit(not {'torch', 'scipy', 'pesq', 'pystoi', 'soxr'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_reading_scores_does_not_load_torch() -> None:
    code = "import sys; from sepvae.evaluation import rows, statistics, table; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
