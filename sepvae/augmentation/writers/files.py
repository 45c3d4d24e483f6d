"""One file for each record: WAV, FLAC, or log-mel features as NumPy arrays."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sepvae import audio
from sepvae.augmentation.config import OutputConfig
from sepvae.augmentation.features import LogMel
from sepvae.augmentation.records import Record
from sepvae.augmentation.writers.contract import Block, safe_name
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

    def add(self, record: Record, wave: NDArray[np.float32]) -> Record:
        """Write samples (channels, time)."""
        kind = self._config.format
        data = audio.encode(wave, sample_rate=self._sample_rate, container=kind.upper(), subtype=self._config.subtype)
        return _publish(record, self._out, "audio", f".{kind}", data)


class FeatureFiles:
    """Writes `features/<speaker>/<record>.npy`: (frames, mels) float32, of the first channel."""

    def __init__(self, config: OutputConfig, out: Path, sample_rate: int) -> None:
        self._out, self._features = out, LogMel(config, sample_rate)

    @contextmanager
    def block(self, number: int) -> Iterator[Block]:  # noqa: ARG002
        """Open a block."""
        yield Block(self, self._out)

    def add(self, record: Record, wave: NDArray[np.float32]) -> Record:
        """Write the features of samples (channels, time)."""
        features, buffer = self._features(wave), io.BytesIO()
        np.save(buffer, features, allow_pickle=False)
        record = replace(record, n_frames=len(features))
        return _publish(record, self._out, "features", ".npy", buffer.getvalue())
