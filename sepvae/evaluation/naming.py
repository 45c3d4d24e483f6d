"""Names for estimates that have none, as those of blind separation: which of them is which source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sepvae.evaluation.bsseval import bss_eval_sources, criterion, score_pairs

# Of BSSEval v3.
N_TAPS = 512


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


def best_names(references: Mapping[str, NDArray[Any]], estimates: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """Return the name of an estimate for each reference: the permutation with the highest mean SIR, as `best_order`.

    With more estimates some are left over, with fewer some references have none and are not in the result.

    Args:
        references: true sources, each (time,), of at least `N_TAPS` samples for each source.
        estimates: each (time,), any number.
    """
    import torch
    from scipy.optimize import linear_sum_assignment

    if not references or not estimates:
        return {}
    truth, found = (
        torch.as_tensor(np.stack(list(waves.values())), dtype=torch.float64) for waves in (references, estimates)
    )
    pairs = torch.arange(len(found)).expand(len(truth), len(found))
    scores = score_pairs(references=truth[None], estimates=found[None], pairs=pairs, n_taps=N_TAPS)
    places = linear_sum_assignment(criterion(scores)[0].numpy(), maximize=True)
    of_references, of_estimates = list(references), list(estimates)
    return {of_references[k]: of_estimates[j] for k, j in zip(*(own.tolist() for own in places), strict=True)}
