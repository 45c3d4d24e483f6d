"""What every measure keeps: its sign, its laws, and a reason for what has no score; each is tested by its table alone.

The checks are plain functions of the entry's name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sepvae.evaluation import IMPROVEMENT, MEASURES
from sepvae.evaluation.contract import Measure
from sepvae.evaluation.measures import describe, score, score_systems
from sepvae.evaluation.rows import ScoreRow
from sepvae.seeds import generator

Waves = dict[str, NDArray[np.float64]]
RATE = 16000
NAMES = ("ann", "bob")


def syllables(*names: object, n_samples: int) -> NDArray[np.float64]:
    """Return coloured noise in syllables of 0.25 s, as speech is to a measure, (time,)."""
    noise = generator(0, "measure", *map(str, names)).standard_normal(n_samples + 1)
    loudness = 0.02 + np.abs(np.sin(2 * np.pi * 2 * np.arange(n_samples) / RATE + len(str(names))))
    return 0.1 * loudness * (noise[1:] + 0.9 * noise[:-1])


def make_item(n_samples: int = 20000) -> tuple[Waves, NDArray[np.float64]]:
    """Return two sources, and a noise that is mixed with them."""
    sources = {name: syllables(name, n_samples=n_samples) for name in NAMES}
    return sources, 0.3 * syllables("noise", n_samples=n_samples)


def disturbed(references: Waves, noise: NDArray[np.float64], share: float) -> Waves:
    """Return estimates with a share of all that can be wrong: the other source, the noise, and something new."""
    others = {name: sum(wave for other, wave in references.items() if other != name) for name in references}
    return {
        name: wave + share * (others[name] + noise + 0.5 * syllables("artifacts", name, n_samples=wave.size))
        for name, wave in references.items()
    }


def run(name: str, references: Mapping[str, Any], estimates: Mapping[str, Any], **changes: Any) -> list[ScoreRow]:
    """Return a row for each source; without the package that a measure needs the test is skipped."""
    known = {"noise": changes["noise"]} if changes.get("noise") is not None else {}
    mixture = sum((*references.values(), *known.values()))
    arguments = {"mixture": mixture, "sample_rate": RATE, "system": "s", "item": "1", "measures": [name], **changes}
    rows = score(references=references, estimates=estimates, **arguments)
    assert [row.source for row in rows] == list(references), "every source keeps its row"
    if any(reason.endswith("_not_installed") for row in rows for reason in row.reasons.values()):
        pytest.skip("needs an optional package")
    return rows


def values(rows: list[ScoreRow], name: str) -> list[float]:
    assert not any(row.reasons for row in rows), [row.reasons for row in rows]
    return [row.values[name] for row in rows]


def tolerance(name: str) -> float:
    """Return half of the last decimal that is shown, which no law is broken by."""
    return float(0.5 * 10.0 ** -describe(name).decimals)


def sign(name: str) -> int:
    return 1 if describe(name).better == "higher" else -1


def check_it_says_what_it_is(name: str) -> None:
    measure = MEASURES.resolve(name)
    assert isinstance(measure, Measure) and measure.__doc__
    label, unit, decimals, better = measure.description
    assert label and label.isprintable() and (unit.isprintable() or not unit)
    assert 0 <= decimals <= 6 and better in ("higher", "lower")
    assert describe(name) == measure.description
    assert describe(name + IMPROVEMENT).label == f"{label} gain"


def check_better_estimates_have_better_scores(name: str) -> None:
    references, noise = make_item()
    found = [
        values(run(name, references, disturbed(references, noise, share), noise=noise), name)
        for share in (0.05, 0.2, 0.8)
    ]
    steps = -sign(name) * np.diff(found, axis=0)
    assert (steps > 0).all(), f"{describe(name).better} is better, and the worse the estimates: {found}"


def check_identical_signals_are_the_best(name: str) -> None:
    references, noise = make_item()
    near = values(run(name, references, disturbed(references, noise, 0.05), noise=noise), name)
    for row, other in zip(run(name, references, references, noise=noise), near, strict=True):
        best = "infinite" if sign(name) > 0 else "minus_infinite"
        assert row.reasons == {name: best} or sign(name) * (row.values[name] - other) > 0


def check_the_level_of_the_estimates(name: str) -> None:
    references, noise = make_item()
    estimates = disturbed(references, noise, 0.2)
    first = values(run(name, references, estimates, noise=noise), name)
    quieter = values(run(name, references, {key: 0.4 * wave for key, wave in estimates.items()}, noise=noise), name)
    same = quieter == pytest.approx(first, abs=tolerance(name))
    assert same is MEASURES.resolve(name).ignores_scale, f"at another level {first} becomes {quieter}"


def check_the_level_of_everything_says_nothing(name: str) -> None:
    references, noise = make_item()
    estimates = disturbed(references, noise, 0.2)
    quiet, also = ({key: 0.5 * wave for key, wave in waves.items()} for waves in (references, estimates))
    first = values(run(name, references, estimates, noise=noise), name)
    assert values(run(name, quiet, also, noise=0.5 * noise), name) == pytest.approx(first, abs=tolerance(name))


def check_the_order_of_the_sources_says_nothing(name: str) -> None:
    references, noise = make_item()
    estimates = disturbed(references, noise, 0.2)
    turned = dict(reversed(references.items()))
    first = values(run(name, references, estimates, noise=noise), name)
    assert values(run(name, turned, estimates, noise=noise), name)[::-1] == pytest.approx(first, abs=1e-6)


def check_systems_are_scored_as_if_alone(name: str) -> None:
    references, noise = make_item()
    systems = {str(share): disturbed(references, noise, share) for share in (0.1, 0.3)}
    mixture = sum((*references.values(), noise))
    together = score_systems(
        references=references,
        estimates=systems,
        mixture=mixture,
        noise=noise,
        sample_rate=RATE,
        item="1",
        measures=[name],
    )
    alone = [row for share in systems for row in run(name, references, systems[share], noise=noise)]
    assert values(together, name) == pytest.approx(values(alone, name), abs=1e-6)


def check_scores_repeat_and_leave_all_else_alone(name: str) -> None:
    references, noise = make_item()
    estimates = disturbed(references, noise, 0.2)
    before, state = {key: wave.copy() for key, wave in estimates.items()}, np.random.get_state()[1].tolist()  # noqa: NPY002
    rows = run(name, references, estimates, noise=noise)
    assert run(name, references, estimates, noise=noise) == rows
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    assert all(np.array_equal(before[key], estimates[key]) for key in before)


def check_the_type_of_the_samples_says_nothing(name: str) -> None:
    references, noise = make_item()
    single = {key: wave.astype(np.float32) for key, wave in references.items()}, noise.astype(np.float32)
    estimates = {key: wave.astype(np.float32) for key, wave in disturbed(references, noise, 0.2).items()}
    double = [{key: wave.astype(np.float64) for key, wave in waves.items()} for waves in (single[0], estimates)]
    mixture = sum((*single[0].values(), single[1]))
    first = run(name, single[0], estimates, noise=single[1], mixture=mixture)
    assert run(name, *double, noise=single[1].astype(np.float64), mixture=mixture) == first


def check_defects_have_reasons(name: str) -> None:
    references, noise = make_item()
    estimates, silence = disturbed(references, noise, 0.2), np.zeros_like(noise)
    for bad in (np.nan, np.inf):
        broken = np.where(np.arange(noise.size) == 77, bad, estimates["ann"])
        rows = run(name, references, {**estimates, "ann": broken}, noise=noise)
        assert rows[0].reasons == {name: "not_finite"} and not rows[1].reasons
    rows = run(name, references, {**estimates, "ann": silence}, noise=noise)
    assert rows[0].reasons == {name: "silent_estimate"} and not rows[1].reasons
    rows = run(name, {**references, "ann": silence}, estimates, noise=noise)
    assert rows[0].reasons == {name: "silent_reference"}
    rows = run(name, {**references, "ann": references["ann"] * np.nan}, estimates, noise=noise, mixture=noise)
    assert rows[0].reasons.keys() == {name}
    run(name, references, estimates, noise=noise * np.nan, mixture=noise)


def check_short_and_odd_items_keep_their_rows(name: str) -> None:
    for n_samples in (0, 1, 10, 1000):
        references, noise = make_item(n_samples)
        rows = run(name, references, disturbed(references, noise, 0.2), noise=noise)
        assert n_samples or all(row.reasons == {name: "too_short"} for row in rows)
    references, noise = make_item()
    for rate in (7999, 8000, 44100):
        run(name, references, disturbed(references, noise, 0.2), noise=noise, sample_rate=rate)
    run(name, {"ann": references["ann"]}, {"ann": disturbed(references, noise, 0.2)["ann"]}, noise=noise)


def check_the_noise_is_needed_or_says_nothing(name: str) -> None:
    references, noise = make_item()
    estimates, mixture = disturbed(references, noise, 0.2), sum((*references.values(), noise))
    without = run(name, references, estimates, mixture=mixture)
    if MEASURES.resolve(name).needs_noise:
        assert all(row.reasons.keys() == {name} for row in without)
    else:
        assert without == run(name, references, estimates, mixture=mixture, noise=noise)


def check_the_improvement_is_that_over_the_mixture(name: str) -> None:
    references, noise = make_item()
    names, mixture = [name, name + IMPROVEMENT], sum((*references.values(), noise))
    rows = run(name, references, disturbed(references, noise, 0.2), noise=noise, measures=names)
    floors = run(name, references, dict.fromkeys(references, mixture), noise=noise)
    for row, floor in zip(rows, floors, strict=True):
        assert row.values[name + IMPROVEMENT] == pytest.approx(row.values[name] - floor.values[name], abs=1e-6)
        assert not math.isnan(row.values[name + IMPROVEMENT])


CHECKS = (
    check_it_says_what_it_is,
    check_better_estimates_have_better_scores,
    check_identical_signals_are_the_best,
    check_the_level_of_the_estimates,
    check_the_level_of_everything_says_nothing,
    check_the_order_of_the_sources_says_nothing,
    check_systems_are_scored_as_if_alone,
    check_scores_repeat_and_leave_all_else_alone,
    check_the_type_of_the_samples_says_nothing,
    check_defects_have_reasons,
    check_short_and_odd_items_keep_their_rows,
    check_the_noise_is_needed_or_says_nothing,
    check_the_improvement_is_that_over_the_mixture,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("name", MEASURES)
def test_every_measure(name: str, check: Callable[[str], None]) -> None:
    check(name)
