"""The text table shows intervals, and says where values are missing."""

from __future__ import annotations

from sepvae.evaluation.statistics import Summary
from sepvae.evaluation.table import format_table


def summary(mean: float | None, interval: list[float | None], n_valid: int) -> Summary:
    return {"mean": mean, "median": mean, "ci95": interval, "n_valid": n_valid, "n_total": 10}


def test_table() -> None:
    table = {
        "mixture": {"sdr": summary(0.1234, [-0.5, 0.75], 10), "sar": summary(None, [None, None], 0)},
        "vae": {"sdr": summary(12.5, [None, None], 1)},
    }
    assert format_table(table).splitlines() == [
        "system   sdr                 sar",
        "-------  ------------------  ---------",
        "mixture  0.12 [-0.50, 0.75]  -  (0/10)",
        "vae      12.50  (1/10)       -",
    ]
    assert format_table(table, ["sar"]).splitlines()[-1] == "vae      -"
    assert format_table({}) == "system\n------"
