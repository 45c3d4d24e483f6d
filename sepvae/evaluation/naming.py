"""Names for estimates that have none, as those of blind separation: which of them is which source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sepvae.evaluation.bsseval import bss_eval_sources


def best_order(references: Mapping[str, NDArray[Any]], estimates: Mapping[str, NDArray[Any]]) -> list[int]:
    """Return which estimate, by its place, is which reference: the order with the highest mean SIR.

    It is what BSSEval does with blind separation (Vincent et al. 2006), and nothing but names are taken from it.

    Args:
        references: true sources, each (time,).
        estimates: as many, each (time,), in any order.
    """
    truth, found = (np.stack(list(waves.values())).astype(np.float64) for waves in (references, estimates))
    order: list[int] = bss_eval_sources(references=truth, estimates=found, permutation="best").permutation.tolist()
    return order
