"""What a class of sources is like on average: powers of its bands over the training mixtures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sepvae.audio import Wave
from sepvae.files import read_json, write_json
from sepvae.mixing.mixture import render
from sepvae.systems.contract import TrainingMixtures, trained
from sepvae.training.batches import source_names

Bands = NDArray[np.float64]


def learn_profiles(mixtures: TrainingMixtures, band_powers: Callable[[Wave], Bands]) -> dict[str, Bands]:
    """Return the mean power of each band for each source, relative to the power of the mixture.

    Args:
        mixtures: the clean sources of those for training are measured.
        band_powers: powers (bands,) of a wave (time,).
    """
    sums: dict[str, Bands] = {}
    for mixture in mixtures.train:
        rendered = render(mixture, mixtures.root)
        level = float(np.mean(np.square(rendered.mixture, dtype=np.float64))) or 1.0
        for name in source_names(mixtures.train):
            if name in rendered.sources:
                sums[name] = sums.get(name, np.zeros(1)) + band_powers(rendered.sources[name]) / level
    return {name: total / len(mixtures.train) for name, total in sums.items()}


def write_profiles(path: Path, profiles: Mapping[str, Bands]) -> None:
    """Write profiles in the order of the sources, which JSON objects would lose: the first is the one to keep."""
    write_json(path, [[name, bands.tolist()] for name, bands in profiles.items()])


def read_profiles(path: Path) -> dict[str, Bands]:
    """Read profiles in the order in which they were written.

    Raises:
        CheckpointError: there are none.
    """
    return {name: np.array(bands) for name, bands in read_json(trained(path))}
