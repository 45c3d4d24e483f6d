"""The results of a run as text for a terminal: a table for each part, claims, and checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sepvae.evaluation.measures import describe
from sepvae.evaluation.table import format_table
from sepvae.recipe.common import Recipe

# The table has to fit a terminal; results.json has every name in full.
_BSSEVAL = "_bsseval_v3_512"


def results_text(recipe: Recipe, results: Mapping[str, Any]) -> str:
    """Return what `sepvae recipe run` prints of the results of a recipe."""
    columns, described, lines = recipe.table_measures, recipe.described, []
    headings = {name: name.removesuffix(_BSSEVAL) for name in columns}
    for part in results["order"]:
        found = results["splits"][part]
        systems = {_called(name, found["systems"][name]): found["systems"][name] for name in recipe.compared}
        table = format_table(systems, columns, intervals=columns[:1], headings=headings, described=described)
        lines += ["", part, table]
        for test in found["hypotheses"]:
            difference, measure = test["mean_difference"], describe(test["claim"]["measure"], described)
            how = "no pairs" if difference is None else f"{difference:+.{measure.decimals}f} against {test['other']}"
            lines.append(f"{test['verdict']}: {test['claim']['text']} ({how}, {_extent(test, measure.unit)})")
    for check in results.get("checks", []):
        lines.append(f"{'passed' if check['passed'] else 'FAILED'}: {check['text']}")
    return "\n".join([*lines, "", recipe.legend, ""])


def _called(name: str, summary: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the name of a system with the number of its seeds where there are several."""
    n_seeds = max((found.get("seeds", 1) for found in summary.values()), default=1)
    return name if n_seeds == 1 else f"{name} ({n_seeds} seeds)"


def _extent(test: Mapping[str, Any], unit: str) -> str:
    """Return what a verdict rests on: items, clusters of them, seeds, and the margin of no difference."""
    clusters = f" in {test['n_clusters']} clusters" if test["n_clusters"] < test["n_pairs"] else ""
    margin = f", within ±{test['claim']['margin']:g} {unit}".rstrip() if test["claim"]["direction"] == "equal" else ""
    seeds = f", {test['seeds']} seed{'' if test['seeds'] == 1 else 's'}" if test["seeds"] is not None else ""
    return f"n = {test['n_pairs']}{clusters}{seeds}{margin}"
