"""What every measure keeps: its sign, its laws, and a reason for what has no score."""

from __future__ import annotations

import unittest
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from sepvae.evaluation import IMPROVEMENT, MEASURES
from sepvae.evaluation.contract import Measure, Place
from sepvae.evaluation.measures import describe, score, score_systems
from sepvae.evaluation.rows import ScoreRow
from sepvae.seeds import generator
from sepvae.testing.contract import expect

Waves = dict[str, NDArray[Any]]
RATE = 16000
NAMES = ("ann", "bob")


def syllables(*names: str, n_samples: int) -> NDArray[np.float64]:
    """Return coloured noise in syllables of 0.25 s, as speech is to a measure, (time,)."""
    noise = generator(0, "measure", *names).standard_normal(n_samples + 1)
    loudness = 0.02 + np.abs(np.sin(2 * np.pi * 2 * np.arange(n_samples) / RATE + len(str(names))))
    return np.asarray(0.1 * loudness * (noise[1:] + 0.9 * noise[:-1]), np.float64)


def make_item(n_samples: int = 20000) -> tuple[Waves, NDArray[Any]]:
    """Return two sources, and a noise that is mixed with them."""
    sources: Waves = {name: syllables(name, n_samples=n_samples) for name in NAMES}
    return sources, 0.3 * syllables("noise", n_samples=n_samples)


def disturbed(references: Waves, noise: NDArray[Any], share: float) -> Waves:
    """Return estimates with a share of all that can be wrong: the other source, the noise, and something new."""
    others = {name: sum(wave for other, wave in references.items() if other != name) for name in references}
    return {
        name: wave + share * (others[name] + noise + 0.5 * syllables("artifacts", name, n_samples=wave.size))
        for name, wave in references.items()
    }


def scored(name: str, references: Mapping[str, Any], estimates: Mapping[str, Any], **changes: Any) -> list[ScoreRow]:
    """Return a row for each source; SkipTest without the package that a measure needs."""
    known = {"noise": changes["noise"]} if changes.get("noise") is not None else {}
    mixture = sum((*references.values(), *known.values()))
    arguments = {"mixture": mixture, "sample_rate": RATE, "system": "s", "item": "1", "measures": [name], **changes}
    rows = score(references=references, estimates=estimates, **arguments)
    expect([row.source for row in rows] == list(references), f"rows of {[row.source for row in rows]}, of all expected")
    lacking = [reason for row in rows for reason in row.reasons.values() if reason.endswith("_not_installed")]
    if lacking:
        raise unittest.SkipTest(f"measure {name} needs an optional package: {lacking[0]}")
    return rows


def values(rows: list[ScoreRow], name: str) -> list[float]:
    """Return the score of each row; AssertionError when one has none."""
    for row in rows:
        expect(not row.reasons, f"{row.source} has no score: {row.reasons}")
    return [row.values[name] for row in rows]


def same(found: list[float], expected: list[float], what: str, *, tolerance: float = 1e-6) -> None:
    """Raise AssertionError when scores differ by more than a tolerance."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance, err_msg=what)


def shown(name: str) -> float:
    """Return half of the last decimal that is shown, which no law is broken by."""
    return float(0.5 * 10.0 ** -describe(name).decimals)


def sign(name: str) -> int:
    """Return 1 when higher is better."""
    return 1 if describe(name).better == "higher" else -1


def check_it_says_what_it_is(name: str) -> None:
    """A measure has a docstring, and a description that can be shown: label, unit, decimals, what is better."""
    measure = MEASURES.resolve(name)
    expect(isinstance(measure, Measure), f"{measure!r}: make it by the decorator `measure`")
    expect(bool(measure.__doc__), "no docstring")
    label, unit, decimals, better, places = measure.description
    expect(bool(label) and label.isprintable() and unit.isprintable(), f"label {label!r}, unit {unit!r}")
    expect(0 <= decimals <= 6 and better in ("higher", "lower"), f"{decimals} decimals, {better} is better")
    expect(set(places) <= set(get_args(Place)), f"shown = {places}: choose among {get_args(Place)}")
    expect(describe(name) == measure.description, f"tables show it as {describe(name)}")
    gain = describe(name + IMPROVEMENT)
    expect(gain.label == f"{label} gain" and gain.better == "higher", f"its improvement is shown as {gain}")


def check_better_estimates_have_better_scores(name: str) -> None:
    """The more there is of what is wrong (the other source, noise, artifacts), the worse the score."""
    references, noise = make_item()
    found = [
        values(scored(name, references, disturbed(references, noise, share), noise=noise), name)
        for share in (0.05, 0.2, 0.8)
    ]
    steps = -sign(name) * np.diff(found, axis=0)
    expect(bool((steps > 0).all()), f"{describe(name).better} is better, and the worse the estimates: {found}")


def check_identical_signals_are_the_best(name: str) -> None:
    """An exact copy scores better than what is nearly one, or is refused as infinitely good."""
    references, noise = make_item()
    near = values(scored(name, references, disturbed(references, noise, 0.05), noise=noise), name)
    for row, other in zip(scored(name, references, references, noise=noise), near, strict=True):
        best = "infinite" if sign(name) > 0 else "minus_infinite"
        better = row.reasons == {name: best} or sign(name) * (row.values[name] - other) > 0
        expect(better, f"{row.values[name]} {row.reasons} for a copy, {other} for what is nearly one")


def check_the_level_of_the_estimates(name: str) -> None:
    """Estimates at another level have the same score exactly when the measure `ignores_scale`."""
    references, noise = make_item()
    estimates = disturbed(references, noise, 0.2)
    first = values(scored(name, references, estimates, noise=noise), name)
    quieter = values(scored(name, references, {key: 0.4 * wave for key, wave in estimates.items()}, noise=noise), name)
    equal = bool(np.allclose(quieter, first, rtol=0, atol=shown(name)))
    ignores = MEASURES.resolve(name).ignores_scale
    expect(equal is ignores, f"ignores_scale is {ignores}, and at another level {first} becomes {quieter}")


def check_the_level_of_everything_says_nothing(name: str) -> None:
    """References, estimates and noise at half their level have the same scores."""
    references, noise = make_item()
    estimates = disturbed(references, noise, 0.2)
    quiet, also = ({key: 0.5 * wave for key, wave in waves.items()} for waves in (references, estimates))
    first = values(scored(name, references, estimates, noise=noise), name)
    found = values(scored(name, quiet, also, noise=0.5 * noise), name)
    same(found, first, "everything at half its level", tolerance=shown(name))


def check_the_order_of_the_sources_says_nothing(name: str) -> None:
    """A source keeps its score wherever it stands."""
    references, noise = make_item()
    estimates = disturbed(references, noise, 0.2)
    turned = dict(reversed(references.items()))
    first = values(scored(name, references, estimates, noise=noise), name)
    found = values(scored(name, turned, estimates, noise=noise), name)
    same(found[::-1], first, "the sources in another order")


def check_systems_are_scored_as_if_alone(name: str) -> None:
    """Several sets of estimates of an item have the scores that each has by itself."""
    references, noise = make_item()
    systems = {str(share): disturbed(references, noise, share) for share in (0.1, 0.3)}
    together = score_systems(
        references=references,
        estimates=systems,
        mixture=sum((*references.values(), noise)),
        noise=noise,
        sample_rate=RATE,
        item="1",
        measures=[name],
    )
    alone = [row for share in systems for row in scored(name, references, systems[share], noise=noise)]
    same(values(together, name), values(alone, name), "two systems at once")


def check_scores_repeat_and_leave_all_else_alone(name: str) -> None:
    """The same signals have the same scores to the bit, and stay what they are, as does NumPy's generator."""
    references, noise = make_item()
    estimates = disturbed(references, noise, 0.2)
    before, state = {key: wave.copy() for key, wave in estimates.items()}, np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    rows = scored(name, references, estimates, noise=noise)
    again = scored(name, references, estimates, noise=noise)
    expect(again == rows, f"{[row.values for row in rows]}, and then {[row.values for row in again]}")
    expect(np.random.get_state()[1].tolist() == state, "it draws from NumPy's global generator")  # type: ignore[index]  # noqa: NPY002
    expect(all(np.array_equal(before[key], estimates[key]) for key in before), "it changes the estimates")


def check_the_type_of_the_samples_says_nothing(name: str) -> None:
    """Samples of float32 have the scores that the same ones have in float64."""
    references, noise = make_item()
    single = {key: wave.astype(np.float32) for key, wave in references.items()}, noise.astype(np.float32)
    estimates = {key: wave.astype(np.float32) for key, wave in disturbed(references, noise, 0.2).items()}
    double = [{key: wave.astype(np.float64) for key, wave in waves.items()} for waves in (single[0], estimates)]
    mixture = sum((*single[0].values(), single[1]))
    first = scored(name, single[0], estimates, noise=single[1], mixture=mixture)
    other = scored(name, *double, noise=single[1].astype(np.float64), mixture=mixture)
    expect(other == first, f"{[row.values for row in first]} in float32, {[row.values for row in other]} in float64")


def _refused(rows: list[ScoreRow], name: str, reason: str, *, alone: bool = True) -> None:
    """Raise AssertionError when the first row has not this reason, or the second has one."""
    expect(rows[0].reasons == {name: reason}, f"{rows[0].values} {rows[0].reasons}, expected the reason {reason}")
    expect(not (alone and rows[1].reasons), f"the other source has no score any more: {rows[1].reasons}")


def check_defects_have_reasons(name: str) -> None:
    """NaN, infinity and silence have a reason in place of a score, and those of one source spoil no other."""
    references, noise = make_item()
    estimates, silence = disturbed(references, noise, 0.2), np.zeros_like(noise)
    for bad in (np.nan, np.inf):
        broken = np.where(np.arange(noise.size) == 77, bad, estimates["ann"])
        _refused(scored(name, references, {**estimates, "ann": broken}, noise=noise), name, "not_finite")
    _refused(scored(name, references, {**estimates, "ann": silence}, noise=noise), name, "silent_estimate")
    rows = scored(name, {**references, "ann": silence}, estimates, noise=noise)
    _refused(rows, name, "silent_reference", alone=False)
    rows = scored(name, {**references, "ann": references["ann"] * np.nan}, estimates, noise=noise, mixture=noise)
    expect(rows[0].reasons.keys() == {name}, f"a reference of NaN scores {rows[0].values}")
    scored(name, references, estimates, noise=noise * np.nan, mixture=noise)


def check_short_and_odd_items_keep_their_rows(name: str) -> None:
    """Items of any length and rate have a row for each source; those of no samples are `too_short`."""
    for n_samples in (0, 1, 10, 1000):
        references, noise = make_item(n_samples)
        rows = scored(name, references, disturbed(references, noise, 0.2), noise=noise)
        for row in rows if n_samples == 0 else ():
            expect(row.reasons == {name: "too_short"}, f"no samples score {row.values} {row.reasons}")
    references, noise = make_item()
    for rate in (7999, 8000, 44100):
        scored(name, references, disturbed(references, noise, 0.2), noise=noise, sample_rate=rate)
    scored(name, {"ann": references["ann"]}, {"ann": disturbed(references, noise, 0.2)["ann"]}, noise=noise)


def check_the_noise_is_needed_or_says_nothing(name: str) -> None:
    """Without the noise of the mixture there is no score when the measure `needs_noise`, else the same one."""
    references, noise = make_item()
    estimates, mixture = disturbed(references, noise, 0.2), sum((*references.values(), noise))
    without = scored(name, references, estimates, mixture=mixture)
    if MEASURES.resolve(name).needs_noise:
        scores = [row.values for row in without if row.reasons.keys() != {name}]
        expect(not scores, f"needs_noise is True, and without it the scores are {scores}")
    else:
        rows = scored(name, references, estimates, mixture=mixture, noise=noise)
        expect(without == rows, f"{[row.values for row in rows]}, without the noise {[row.values for row in without]}")


def check_the_improvement_is_that_over_the_mixture(name: str) -> None:
    """The improvement is by how much the score is better than that of the mixture as an estimate of each source."""
    references, noise = make_item()
    names, mixture = [name, name + IMPROVEMENT], sum((*references.values(), noise))
    rows = scored(name, references, disturbed(references, noise, 0.2), noise=noise, measures=names)
    floors = scored(name, references, dict.fromkeys(references, mixture), noise=noise)
    gains = [row.values[name + IMPROVEMENT] for row in rows]
    better = [sign(name) * (row.values[name] - floor.values[name]) for row, floor in zip(rows, floors, strict=True)]
    same(gains, better, "improvement")
    expect(not np.isnan(gains).any(), f"improvements {gains}")
