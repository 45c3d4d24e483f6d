"""What a class of sources is like on average: powers of its bands over the training material."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sepvae.mixing.mixture import Wave, render
from sepvae.systems.contract import Material
from sepvae.training.batches import source_names

Bands = NDArray[np.float64]


def learn_profiles(material: Material, band_powers: Callable[[Wave], Bands]) -> dict[str, Bands]:
    """Return the mean power of each band for each source, relative to the power of the mixture.

    Args:
        material: the clean sources of its training mixtures are measured.
        band_powers: powers (bands,) of a wave (time,).
    """
    sums: dict[str, Bands] = {}
    for mixture in material.train:
        rendered = render(mixture, material.root)
        level = float(np.mean(np.square(rendered.mixture, dtype=np.float64))) or 1.0
        for name in source_names(material.train):
            if name in rendered.sources:
                sums[name] = sums.get(name, np.zeros(1)) + band_powers(rendered.sources[name]) / level
    return {name: total / len(material.train) for name, total in sums.items()}
