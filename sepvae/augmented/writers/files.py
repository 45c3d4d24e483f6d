"""One file for each record: WAV, FLAC, or features as NumPy arrays."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sepvae import audio
from sepvae.augmented.records import Record, safe_name
from sepvae.augmented.writers.contract import Block, RecordWriter, npy
from sepvae.files import write_bytes


def _publish(record: Record, out: Path, folder: str, ending: str, data: bytes) -> Record:
    path = f"{folder}/{safe_name(record.speaker)}/{safe_name(record.id)}{ending}"
    write_bytes(out / path, data, durable=False)
    return replace(record, path=path, sha256=hashlib.sha256(data).hexdigest())


class _Files(RecordWriter):
    """A writer whose blocks have no file of their own."""

    @contextmanager
    def block(self, number: int) -> Iterator[Block]:  # noqa: ARG002
        """Open a block."""
        yield Block(self, self.out)

    @abstractmethod
    def add(self, record: Record, data: NDArray[np.float32]) -> Record:
        """Write a record."""


class WavFiles(_Files):
    """Writes `audio/<speaker>/<record>.wav`."""

    samples: ClassVar[bool] = True
    floats: ClassVar[bool] = True
    container: ClassVar[str] = "WAV"

    def add(self, record: Record, data: NDArray[np.float32]) -> Record:
        """Write samples (channels, time)."""
        encoded = audio.encode(
            data, sample_rate=self.sample_rate, container=self.container, subtype=self.config.subtype
        )
        return _publish(record, self.out, "audio", f".{self.container.lower()}", encoded)


class FlacFiles(WavFiles):
    """Writes `audio/<speaker>/<record>.flac`."""

    floats: ClassVar[bool] = False
    container: ClassVar[str] = "FLAC"


class FeatureFiles(_Files):
    """Writes `features/<speaker>/<record>.npy`: (frames, features) float32."""

    features: ClassVar[bool] = True

    def add(self, record: Record, data: NDArray[np.float32]) -> Record:
        """Write features (frames, features)."""
        return _publish(record, self.out, "features", ".npy", npy(data))
