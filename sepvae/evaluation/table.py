"""Summaries as a table of plain text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sepvae.evaluation.contract import Description
from sepvae.evaluation.measures import describe
from sepvae.evaluation.statistics import Summary

_NOTHING = "-"


def format_table(
    summary: Mapping[str, Mapping[str, Summary]],
    measures: Sequence[str] | None = None,
    *,
    intervals: Collection[str] | None = None,
    headings: Mapping[str, str] | None = None,
    described: Mapping[str, Description] | None = None,
) -> str:
    """Return a line per system with mean and 95 % interval of each measure, and counts of what failed or has no value.

    Args:
        summary: as `summarise` returns it.
        measures: the columns, by default every measure of every system.
        intervals: measures to show with their interval, by default all.
        headings: what to write above a column instead of the measure's name.
        described: measures that are not in the table of measures, for their decimals.

    Example:
        >>> print(format_table({"vae": {"stoi": {"mean": 0.5, "median": 0.5, "ci95": [0.4, 0.625],
        ...                                      "n_valid": 8, "n_failed": 1, "n_total": 10}}}))
        system  stoi
        ------  --------------------------------------
        vae     0.500 [0.400, 0.625]  (9/10, 1 failed)
    """
    columns = measures if measures is not None else dict.fromkeys(name for row in summary.values() for name in row)
    lines = [["system", *((headings or {}).get(name, name) for name in columns)]]
    decimals = {name: describe(name, described).decimals for name in columns}
    for system, row in summary.items():
        cells = (_cell(row.get(name), decimals[name], intervals is None or name in intervals) for name in columns)
        lines.append([system, *cells])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(summary: Summary | None, decimals: int, interval: bool) -> str:
    if summary is None:
        return _NOTHING
    n_counted = summary["n_valid"] + summary["n_failed"]
    notes = [f"{n_counted}/{summary['n_total']}"] if n_counted < summary["n_total"] else []
    notes += [f"{summary['n_failed']} failed"] if summary["n_failed"] else []
    counts = f"({', '.join(notes)})" if notes else ""
    if summary["mean"] is None:
        return f"{_NOTHING}  {counts}".rstrip()
    low, high = summary["ci95"]
    spread = f" [{low:.{decimals}f}, {high:.{decimals}f}]" if interval and low is not None and high is not None else ""
    return f"{summary['mean']:.{decimals}f}{spread}  {counts}".rstrip()
