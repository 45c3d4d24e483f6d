"""Sound files as programs leave them that cannot seek, are stopped, or count wrongly: made by changing a right one."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from sepvae import audio
from sepvae.seeds import generator

GUID = bytes.fromhex("f3acd3118cd100c04f8edb8a")


def noise(n_samples: int, n_channels: int = 1) -> audio.Wave:
    return (0.1 * generator(0, "lengths", n_samples).standard_normal((n_channels, n_samples))).astype(np.float32)


@dataclass(frozen=True)
class Kind:
    """A container: where the size of its samples stands, and what that counts beside them."""

    name: str
    marker: bytes
    width: int
    order: Literal["little", "big"]
    beside: int = 0
    endian: str = "FILE"

    def place(self, data: bytes) -> int:
        """Return the byte at which the size of the samples stands."""
        if self.name == "AU":
            return 8
        if self.name == "RF64":
            return data.index(b"ds64") + 16
        return data.index(self.marker) + len(self.marker)

    def start(self, data: bytes) -> int:
        """Return the first byte of the samples."""
        if self.name == "AU":
            return int.from_bytes(data[4:8], self.order)
        return data.index(self.marker) + len(self.marker) + (4 if self.name == "RF64" else self.width) + self.inside

    @property
    def inside(self) -> int:
        """Bytes of the chunk before its samples."""
        return {"AIFF": 8, "CAF": 4}.get(self.name, 0)

    def resized(self, data: bytes, value: int) -> bytes:
        """Return the file with another number of bytes counted; `value` is what the field holds."""
        at = self.place(data)
        return data[:at] + value.to_bytes(self.width, self.order) + data[at + self.width :]


KINDS = {
    "WAV": Kind("WAV", b"data", 4, "little"),
    "WAVEX": Kind("WAVEX", b"data", 4, "little"),
    "RIFX": Kind("WAV", b"data", 4, "big", endian="BIG"),
    "RF64": Kind("RF64", b"data", 8, "little"),
    "AIFF": Kind("AIFF", b"SSND", 4, "big", 8),
    "AIFC sowt": Kind("AIFF", b"SSND", 4, "big", 8, "LITTLE"),
    "CAF": Kind("CAF", b"data", 8, "big", 4),
    "CAF little": Kind("CAF", b"data", 8, "big", 4, "LITTLE"),
    "W64": Kind("W64", b"data" + GUID, 8, "little", 24),
    "AU": Kind("AU", b"", 4, "big", endian="BIG"),
    "AU little": Kind("AU", b"", 4, "little", endian="LITTLE"),
}
PACKED = ("IMA_ADPCM", "MS_ADPCM", "GSM610")
CODECS = ("PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", *PACKED)
CASES = {
    name: tuple(subtype for subtype in CODECS if soundfile.check_format(kind.name, subtype, kind.endian))
    for name, kind in KINDS.items()
}


@cache
def _encoded(name: str, subtype: str, n_samples: int, n_channels: int, folder: Path) -> bytes:
    kind, path = KINDS[name], folder / "source"
    wave = noise(n_samples, n_channels).T
    soundfile.write(path, wave, 8000, subtype=subtype, format=kind.name, endian=kind.endian)
    return path.read_bytes()


def encoded(name: str, subtype: str, n_samples: int, n_channels: int, folder: Path) -> bytes:
    """Return a right file, as libsndfile writes it."""
    return _encoded(name, subtype, n_samples, n_channels if subtype != "GSM610" else 1, folder)


def chunk(kind: Kind, data: bytes, *, position: int = 0) -> bytes:
    """Return a chunk of another program that may follow the samples at a byte, with the padding before it."""
    if kind.name == "W64":
        body = b"LIST"[:4] + GUID + (24 + len(data)).to_bytes(8, "little") + data
        return bytes(-position % 8) + body + bytes(-len(body) % 8)
    if kind.name == "CAF":
        return b"info" + len(data).to_bytes(8, "big") + data
    name = b"ANNO" if kind.name == "AIFF" else b"LIST"
    body = name + len(data).to_bytes(4, kind.order) + data
    return bytes(position % 2) + body + bytes(len(body) % 2)


def reference(path: Path, data: bytes, n_samples: int) -> audio.Wave:
    """Return what libsndfile reads of a right file, without sepvae, up to the last block of GSM 6.10 that is there."""
    path.write_bytes(data)
    with soundfile.SoundFile(path) as file:
        wave = np.asarray(file.read(file.frames, dtype="float32", always_2d=True).T)
        block = {"GSM610": 160 if file.format == "AIFF" else 320}.get(file.subtype, 0)
    return wave[:, : -(-n_samples // block) * block] if block else wave


def mp3(n_samples: int, folder: Path, *, rate: int = 16000, n_channels: int = 1, mode: str = "VARIABLE") -> bytes:
    """Return an MP3 file with a Xing header, as LAME makes it."""
    wave = noise(n_samples, n_channels).T
    with soundfile.SoundFile(folder / "a.mp3", "w", rate, n_channels, format="MP3", bitrate_mode=mode) as file:
        file.write(wave)
    return (folder / "a.mp3").read_bytes()


def frames_of(data: bytes) -> list[tuple[int, int]]:
    """Return where the frames of an MP3 file of layer III begin, and their lengths."""
    found, at = [], 0
    kbits = {
        3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
        2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    }
    while at + 4 <= len(data):
        (head,) = struct.unpack(">I", data[at : at + 4])
        version = head >> 19 & 3
        rate = (44_100, 48_000, 32_000)[head >> 10 & 3] >> {3: 0, 2: 1}[version]
        per = 144 if version == 3 else 72
        length = per * 1000 * kbits[version][head >> 12 & 15] // rate + (head >> 9 & 1)
        found.append((at, length))
        at += length
    assert at == len(data)
    return found
