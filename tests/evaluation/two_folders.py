"""Folders of references and estimates in either layout, with scores that are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sepvae import audio
from sepvae.audio import Wave

RATE = 8000


def item_waves(number: int, sources: Sequence[str], n_samples: int) -> tuple[dict[str, Wave], dict[str, Wave]]:
    """Return noise as sources, and estimates with a tenth of its neighbour's amplitude in each: 20 dB."""
    random = np.random.default_rng(number)
    truth = {name: random.standard_normal(n_samples).astype(np.float32) * 0.1 for name in sources}
    others = [*list(truth.values())[1:], random.standard_normal(n_samples).astype(np.float32) * 0.1]
    found = {name: wave + np.float32(0.1) * other for (name, wave), other in zip(truth.items(), others, strict=False)}
    return truth, found


def write(folder: Path, layout: str, items: Mapping[str, Mapping[str, Wave]], rate: int = RATE) -> Path:
    """Write the signals of items in a layout."""
    for item, signals in items.items():
        for name, wave in signals.items():
            first, second = (item, name) if layout == "item/source" else (name, item)
            audio.write(folder / first / f"{second}.wav", wave, sample_rate=rate)
    return folder
