"""Builders of tiny corpora: a few tenths of a second of noise per file, another noise for each file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sepvae import audio, seeds, sphere

RATE = 16000
Speech = Callable[..., NDArray[np.float32]]


@pytest.fixture
def speech() -> Speech:
    """Return (name, n_samples) -> noise (time,) float32 that depends on the name alone and never clips."""

    def make(name: object, n_samples: int = 3200) -> NDArray[np.float32]:
        noise = seeds.generator(0, str(name)).normal(0.0, 0.05, n_samples)
        return np.clip(noise, -0.9, 0.9).astype(np.float32)

    return make


@pytest.fixture
def write_wav(speech: Speech) -> Callable[..., Path]:
    """Return (path, n_samples) -> path after writing 16-bit audio that depends on the path alone."""

    def write(path: Path, n_samples: int = 3200, *, sample_rate: int = RATE) -> Path:
        audio.write(path, speech(path.as_posix()[-60:], n_samples), sample_rate=sample_rate, subtype="pcm16")
        return path

    return write


@pytest.fixture
def make_timit(speech: Speech) -> Callable[..., Path]:
    """Return (root, speakers, ...) -> root after writing a copy of LDC TIMIT in its exact layout."""

    def make(
        root: Path,
        speakers: tuple[str, ...] = ("TRAIN/DR1/FCJF0", "TRAIN/DR2/MARC0", "TEST/DR1/FELC0"),
        *,
        sentences: tuple[str, ...] = ("SA1", "SX9"),
        rename: Callable[[str], str] = str,
        riff: bool = False,
        table: bool = True,
    ) -> Path:
        rows = [";ID  Sex DR Use  RecDate   BirthDate  Ht    Race Edu  Comments"]
        for place in speakers:
            usage, dialect, speaker = place.split("/")
            use = "TRN" if usage == "TRAIN" else "TST"
            rows.append(f"{speaker[1:]}  {speaker[0]}  {dialect[2]}  {use}  01/30/86  02/18/62  5'6\"   WHT  BS ")
            for sentence in sentences:
                stem = root / rename(f"{place}/{sentence}")
                stem.parent.mkdir(parents=True, exist_ok=True)
                samples = speech(f"{speaker}_{sentence}")
                ending = rename(".WAV")
                if riff:
                    audio.write(Path(f"{stem}{ending}"), samples, sample_rate=RATE, subtype="pcm16")
                else:
                    whole = np.rint(samples * 32768).astype(np.int16)
                    name = f"{speaker}_{sentence}".lower()
                    sphere.write_pcm16(Path(f"{stem}{ending}"), whole, RATE, database="TIMIT", utterance=name)
                Path(f"{stem}{rename('.TXT')}").write_text(f"0 3200 {speaker} says {sentence}.\n")
                Path(f"{stem}{rename('.WRD')}").write_text("400 1600 says\n1600 2800 it\n")
                Path(f"{stem}{rename('.PHN')}").write_text("0 400 h#\n400 1600 s\n1600 2800 ih\n2800 3200 h#\n")
        if table:
            path = root / rename("DOC/SPKRINFO.TXT")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(rows) + "\n")
        return root

    return make
