"""One file for each record: WAV, FLAC, or features as NumPy arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sepvae import audio
from sepvae.augmented.config import OutputConfig
from sepvae.augmented.records import Record
from sepvae.augmented.writers.contract import Block, npy, safe_name
from sepvae.files import write_bytes


def _publish(record: Record, out: Path, folder: str, ending: str, data: bytes) -> Record:
    path = f"{folder}/{safe_name(record.speaker)}/{safe_name(record.id)}{ending}"
    write_bytes(out / path, data, durable=False)
    return replace(record, path=path, sha256=hashlib.sha256(data).hexdigest())


class AudioFiles:
    """Writes `audio/<speaker>/<record>.wav` or `.flac`."""

    def __init__(self, config: OutputConfig, out: Path, sample_rate: int) -> None:
        self._config, self._out, self._sample_rate = config, out, sample_rate

    @contextmanager
    def block(self, number: int) -> Iterator[Block]:  # noqa: ARG002
        """Open a block."""
        yield Block(self, self._out)

    def add(self, record: Record, data: NDArray[np.float32]) -> Record:
        """Write samples (channels, time)."""
        kind = self._config.format
        subtype = self._config.subtype
        encoded = audio.encode(data, sample_rate=self._sample_rate, container=kind.upper(), subtype=subtype)
        return _publish(record, self._out, "audio", f".{kind}", encoded)


class FeatureFiles:
    """Writes `features/<speaker>/<record>.npy`: (frames, features) float32."""

    def __init__(self, config: OutputConfig, out: Path, sample_rate: int) -> None:  # noqa: ARG002
        self._out = out

    @contextmanager
    def block(self, number: int) -> Iterator[Block]:  # noqa: ARG002
        """Open a block."""
        yield Block(self, self._out)

    def add(self, record: Record, data: NDArray[np.float32]) -> Record:
        """Write features (frames, features)."""
        return _publish(record, self._out, "features", ".npy", npy(data))
