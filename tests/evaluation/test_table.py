"""The text table shows intervals, and says where values are missing."""

from __future__ import annotations

from sepvae.evaluation.contract import Description
from sepvae.evaluation.statistics import Summary
from sepvae.evaluation.table import format_table


def summary(mean: float | None, interval: list[float | None], n_valid: int) -> Summary:
    return {"mean": mean, "median": mean, "ci95": interval, "n_valid": n_valid, "n_failed": 0, "n_total": 10}


def test_table() -> None:
    table = {
        "mixture": {"si_sdr": summary(0.1234, [-0.5, 0.75], 10), "lsd": summary(None, [None, None], 0)},
        "vae": {"si_sdr": summary(12.5, [None, None], 1)},
    }
    assert format_table(table).splitlines() == [
        "system   si_sdr              lsd",
        "-------  ------------------  ---------",
        "mixture  0.12 [-0.50, 0.75]  -  (0/10)",
        "vae      12.50  (1/10)       -",
    ]
    assert format_table(table, ["lsd"]).splitlines()[-1] == "vae      -"
    assert format_table({}) == "system\n------"


def test_scores_have_the_decimals_of_their_measure() -> None:
    """Of the table of measures, of those that are described beside it, and of those that nobody knows."""
    row = {name: summary(0.12345, [None, None], 10) for name in ("si_sdr", "stoi", "stoi_improvement", "lsd", "own")}
    table = format_table({"vae": row}, described={"lsd": Description("LSD", "dB", 1, "lower")})
    assert table.splitlines()[-1].split() == ["vae", "0.12", "0.123", "0.123", "0.1", "0.123"]
