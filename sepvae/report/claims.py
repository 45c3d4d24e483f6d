"""Claims that were tested, in words: what came out, and what that rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sepvae.report.labels import Measures, format_value, is_number, p_text, read_measures

# What a run leaves in `results.json`.
Results = Mapping[str, Any]
_NOTHING = "–"


class ClaimFacts(NamedTuple):
    """A claim that was tested, in words: what came out, and what that rests on."""

    claim: str
    verdict: str
    difference: str
    p: str
    n: str
    clusters: str
    seeds: str
    margin: str

    @classmethod
    def of(cls, result: Results, test: Mapping[str, Any], measures: Measures) -> ClaimFacts:
        """Return the facts of a test of a result."""
        claim, shown = test["claim"], measures[test["claim"]["measure"]]
        unit = f" {shown.unit}" if shown.unit else ""
        found = format_value(test["mean_difference"], shown.decimals)
        sign = "+" if is_number(test["mean_difference"]) and not found.startswith("−") else ""
        against = f"{sign}{found}{unit} {shown.label} against `{test['other']}`"
        # Of a claim that is contradicted, how surely it is.
        p_value = test["p_against"] if test["verdict"] == "contradicted" else test["p_for"]
        margin = f"±{claim['margin']:g}{unit}" if claim["direction"] == "equal" else _NOTHING
        extent = (str(test["n_pairs"]), str(test["n_clusters"]))
        return cls(claim["text"], test["verdict"], against, p_text(p_value), *extent, _seeds(result, test), margin)

    @classmethod
    def headings(cls) -> list[str]:
        """Return the headings of a table of claims."""
        return [{"difference": "mean difference"}.get(name, name) for name in cls._fields]


def claims_of(result: Results, part: str) -> list[ClaimFacts]:
    """Return the claims that were tested on a part of a result, in the order of the recipe."""
    measures = read_measures(result["measure_facts"])
    return [ClaimFacts.of(result, test, measures) for test in result["splits"][part]["hypotheses"]]


def _seeds(result: Results, test: Mapping[str, Any]) -> str:
    """Return how many seeds each system of a claim was run from, the fewest of them."""
    claim = test["claim"]
    trained = result["seeds"]["training"]
    counted = test.get("seeds", min(len(trained[name]) for name in (claim["system"], *claim["others"])))
    return _NOTHING if counted is None else str(counted)
