"""Tar files of FLAC or features for training that reads in sequence: WebDataset, and Lhotse's Shar."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sepvae import audio
from sepvae.augmented.config import OutputConfig
from sepvae.augmented.manifests.lhotse import PackedLines, packed_lines, shar_key, shar_lines
from sepvae.augmented.records import Record, safe_name
from sepvae.augmented.writers.contract import Block, RecordWriter, npy
from sepvae.files import atomic_file, to_json


def _put(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a member whose header holds nothing of the clock, the user or the machine."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _packed(config: OutputConfig, data: NDArray[np.float32], sample_rate: int) -> tuple[str, bytes]:
    """Return the ending of a member and its bytes: FLAC of samples, NumPy's format of features."""
    if config.holds != "samples":
        return ".npy", npy(data)
    return ".flac", audio.encode(data, sample_rate=sample_rate, container="FLAC", subtype=config.subtype)


@dataclass
class _OpenTar:
    config: OutputConfig
    sample_rate: int
    path: str
    tar: tarfile.TarFile

    def add(self, record: Record, data: NDArray[np.float32]) -> Record:
        ending, packed = _packed(self.config, data, self.sample_rate)
        record = replace(record, path=self.path, sha256=hashlib.sha256(packed).hexdigest())
        key = tar_key(record)
        _put(self.tar, f"{key}{ending}", packed)
        _put(self.tar, f"{key}.json", (to_json(record.to_json()) + "\n").encode("utf-8", "backslashreplace"))
        if record.text is not None:
            _put(self.tar, f"{key}.txt", record.text.encode("utf-8", "backslashreplace"))
        return record


def tar_key(record: Record) -> str:
    """Return the name of a record in a tar file; WebDataset ends a key at its first dot, so that it has none."""
    return safe_name(record.id).replace(".", "%2E")


class WebDataset(RecordWriter):
    """Writes `archives/<block>.tar`: `<record>.flac` or `.npy`, `.json` (the record), `.txt` (the transcript)."""

    samples: ClassVar[bool] = True
    features: ClassVar[bool] = True
    archives: ClassVar[bool] = True

    @contextmanager
    def block(self, number: int) -> Iterator[Block]:
        """Open a block."""
        path = f"archives/{number:06}.tar"
        with atomic_file(self.out / path, durable=False) as part, tarfile.open(part, "w") as tar:
            yield Block(_OpenTar(self.config, self.sample_rate, path, tar), self.out, [path])


@dataclass
class _OpenShar:
    config: OutputConfig
    sample_rate: int
    path: str
    tar: tarfile.TarFile
    cuts: PackedLines

    def add(self, record: Record, data: NDArray[np.float32]) -> Record:
        ending, packed = _packed(self.config, data, self.sample_rate)
        record = replace(record, path=self.path, sha256=hashlib.sha256(packed).hexdigest())
        own, cut = shar_lines(record, n_features=None if self.config.holds == "samples" else data.shape[1])
        key = shar_key(record)
        _put(self.tar, f"{key}{ending}", packed)
        _put(self.tar, f"{key}.json", f"{own}\n".encode("utf-8", "backslashreplace"))
        self.cuts.write(cut)
        return record


class Shar(RecordWriter):
    """Writes `shar/cuts.<block>.jsonl.gz`, and `shar/recording.<block>.tar` or `shar/features.<block>.tar`."""

    samples: ClassVar[bool] = True
    features: ClassVar[bool] = True
    archives: ClassVar[bool] = True

    @contextmanager
    def block(self, number: int) -> Iterator[Block]:
        """Open a block."""
        field = "recording" if self.config.holds == "samples" else "features"
        path, listed = f"shar/{field}.{number:06}.tar", f"shar/cuts.{number:06}.jsonl.gz"
        with ExitStack() as stack:
            cuts = stack.enter_context(packed_lines(self.out / listed, durable=False))
            part = stack.enter_context(atomic_file(self.out / path, durable=False))
            tar = stack.enter_context(tarfile.open(part, "w"))
            yield Block(_OpenShar(self.config, self.sample_rate, path, tar, cuts), self.out, [path, listed])
