"""Claims about systems, tested on paired scores: that one's are higher, lower, or differ by no more than a margin."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sepvae.evaluation.rows import ScoreRow
from sepvae.evaluation.statistics import Clusters, holm, paired_differences

Direction = Literal["greater", "less", "equal"]
Verdict = Literal["supported", "contradicted", "undecided"]
# Fewer items that differ than this, and no test could come out at 5 %.
_FEWEST_PAIRS = 6
_LEVEL = 0.05


@dataclass(frozen=True)
class Claim:
    """`system` against each of `others` by `measure`, whichever values are better; `equal` means within ± `margin`."""

    text: str
    system: str
    others: tuple[str, ...]
    measure: str
    direction: Direction
    margin: float = 0.5


@dataclass(frozen=True)
class ClaimTest:
    """The outcome of a claim: of all others, the one that is hardest to tell the system from, or that contradicts it.

    `p_for` is the probability of such scores if the claim is false, `p_against` if its opposite is false, both
    corrected by Holm's method over all claims tested together; None where there are too few clusters. `mean_difference`
    is system minus other, over the `n_pairs` items. `seeds` is the smallest number of seeds that those of the claim
    were averaged over, None where nothing was drawn.
    """

    claim: Claim
    other: str
    n_pairs: int
    n_clusters: int
    seeds: int | None
    mean_difference: float | None
    p_for: float | None
    p_against: float | None
    verdict: Verdict


def check_claims(
    rows: Iterable[ScoreRow],
    claims: Sequence[Claim],
    *,
    clusters: Clusters | None = None,
    seeds: Mapping[str, int] | None = None,
) -> list[ClaimTest]:
    """Test claims on the scores of one experiment.

    One-sided Wilcoxon signed-rank tests over the clusters of the items, or the items where there are none. A claim
    against several systems must hold against each, so its p-value is the largest of them, and it is contradicted when
    one system is significantly on the other side (intersection–union tests, Berger 1982). Equality is supported when
    the difference is significantly above −margin and below +margin (two one-sided tests, Schuirmann 1987), contradicted
    when it is significantly beyond one of them.

    Args:
        rows: scores of all systems.
        claims: one family.
        clusters: of the items.
        seeds: how many seeds the scores of each system are averaged over; without those of systems that draw nothing,
            which are the same from every seed.
    """
    rows = list(rows)
    each = [[_against(rows, claim, other, clusters) for other in claim.others] for claim in claims]
    tests = [replace(_hardest(own), seeds=_fewest_seeds(own[0].claim, seeds or {})) for own in each]
    p_for, p_against = (_corrected([getattr(test, side) for test in tests]) for side in ("p_for", "p_against"))
    tests = [
        replace(test, p_for=own, p_against=other) for test, own, other in zip(tests, p_for, p_against, strict=True)
    ]
    tests = [replace(test, verdict=_verdict(test)) for test in tests]
    return [
        _shown_by(test, _furthest(own)) if test.verdict == "contradicted" else test
        for test, own in zip(tests, each, strict=True)
    ]


def _fewest_seeds(claim: Claim, seeds: Mapping[str, int]) -> int | None:
    return min((seeds[name] for name in (claim.system, *claim.others) if name in seeds), default=None)


def _corrected(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected by Holm's method, those that are missing left out of the family."""
    corrected = iter(holm([value for value in p_values if value is not None]))
    return [None if value is None else next(corrected) for value in p_values]


def _verdict(test: ClaimTest) -> Verdict:
    if test.p_for is not None and test.p_for < _LEVEL:
        return "supported"
    if test.p_against is not None and test.p_against < _LEVEL:
        return "contradicted"
    return "undecided"


def _against(rows: Sequence[ScoreRow], claim: Claim, other: str, clusters: Clusters | None) -> ClaimTest:
    of_items, differences = paired_differences(rows, claim.system, other, claim.measure, clusters)
    found = ClaimTest(claim, other, of_items.size, differences.size, None, None, None, None, "undecided")
    if not differences.size:
        return found
    found = replace(found, mean_difference=float(of_items.mean()))
    if claim.direction == "equal":
        within = [_p_greater(differences + claim.margin), _p_greater(claim.margin - differences)]
        beyond = [_p_greater(differences - claim.margin), _p_greater(-differences - claim.margin)]
        p_beyond = [p for p in beyond if p is not None]
        p_within = None if None in within else max(p for p in within if p is not None)
        return replace(found, p_for=p_within, p_against=min(1.0, 2 * min(p_beyond)) if p_beyond else None)
    sign = 1.0 if claim.direction == "greater" else -1.0
    return replace(found, p_for=_p_greater(sign * differences), p_against=_p_greater(-sign * differences))


def _hardest(tests: Sequence[ClaimTest]) -> ClaimTest:
    """Return the test of a claim against several systems: it must hold against each, and may fail against any."""
    hardest = max(tests, key=lambda test: math.inf if test.p_for is None else test.p_for)
    against = [test.p_against for test in tests if test.p_against is not None]
    return replace(hardest, p_against=min(1.0, len(tests) * min(against)) if against else None)


def _furthest(tests: Sequence[ClaimTest]) -> ClaimTest:
    """Return the test of the system that contradicts a claim most."""
    return min(tests, key=lambda test: math.inf if test.p_against is None else test.p_against)


def _shown_by(test: ClaimTest, other: ClaimTest) -> ClaimTest:
    """Return a test with the system and the figures of another of the same claim."""
    return replace(
        test,
        other=other.other,
        n_pairs=other.n_pairs,
        n_clusters=other.n_clusters,
        mean_difference=other.mean_difference,
    )


def _p_greater(differences: NDArray[np.float64]) -> float | None:
    """Return the p-value of the one-sided signed-rank test that differences lie above 0."""
    from scipy.stats import wilcoxon

    nonzero = differences[differences != 0]
    if nonzero.size < _FEWEST_PAIRS:
        return None
    return float(wilcoxon(nonzero, alternative="greater").pvalue)
