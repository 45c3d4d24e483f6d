"""One answer from all verbs: every codec and every odd length is read by all of them, as what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sepvae import audio
from sepvae.augmented.usable import read_utterance
from sepvae.corpora.records import open_corpus
from sepvae.corpora.validate import validate
from sepvae.demixing.files import read_microphones
from sepvae.errors import OutputError
from sepvae.mixing.mixture import load_source
from sepvae.separation.arrays import Reader
from sepvae.separation.files import separate_file

from .sounds import KINDS, encoded, frames_of, mp3, noise
from .test_compressed import flac, recounted
from .test_lengths import check_read

RATE = 8000
# Raw samples have no header, SD2 is two files, and libsndfile loses samples of SDS (MIDI Sample Dump) between blocks,
# which is an error of ours then.
ALL = [
    (container, subtype)
    for container in sorted(soundfile.available_formats())
    for subtype in sorted(soundfile.available_subtypes(container))
    if container not in ("RAW", "SD2", "SDS")
]


@pytest.mark.parametrize(("container", "subtype"), ALL)
def test_every_codec_is_read_alike_in_every_way(tmp_path: Path, container: str, subtype: str) -> None:
    """Also those in which libsndfile cannot go to a sample, or goes to another one."""
    wave = (0.5 * np.sin(np.arange(10_000) / 5)).astype(np.float32)
    try:
        soundfile.write(tmp_path / "a", wave, RATE, subtype=subtype, format=container)
        soundfile.info(tmp_path / "a")
    except (soundfile.LibsndfileError, ValueError):
        pytest.skip("libsndfile does not write this, or does not read what it writes")
    path = tmp_path / "a"
    found = audio.read(path).wave
    assert abs(found.shape[1] - 10_000) <= 800, "blocks are filled up"
    assert np.corrcoef(found[0, 1000:10_000], wave[1000 : found.shape[1]])[0, 1] > 0.98
    check_read(path, found)


class Halves:
    """Separates a recording into two halves of itself."""

    device = torch.device("cpu")
    sources = ("a", "b")

    def __init__(self, sample_rate: int = RATE) -> None:
        self.sample_rate = sample_rate

    def stream(self, read: Reader, *, n_samples: int, name: str = "") -> Iterator[dict[str, audio.Wave]]:
        """Yield blocks that are read out of order, as overlapping ones are."""
        for start in range(0, n_samples, 700):
            stop = min(start + 700, n_samples)
            half = read(max(0, start - 100), stop)[:, min(start, 100) :] / 2
            yield {"a": half, "b": half}


def gsm(folder: Path) -> bytes:
    return encoded("WAV", "GSM610", 5000, 1, folder)


def piped_mp3(folder: Path) -> bytes:
    data = mp3(5000, folder, rate=RATE * 2)
    return data[frames_of(data)[1][0] :]


def opus(folder: Path) -> bytes:
    soundfile.write(folder / "a.ogg", noise(5000)[0], RATE, subtype="OPUS", format="OGG")
    return (folder / "a.ogg").read_bytes()


ODD: dict[str, Callable[[Path], bytes]] = {
    "GSM 6.10": gsm,
    "MP3 without a count": piped_mp3,
    "Opus": opus,
    "FLAC from a pipe": lambda folder: recounted(flac(folder, 5000)[0], 0),
    "WAV from a pipe": lambda folder: KINDS["WAV"].resized(encoded("WAV", "PCM_16", 5000, 1, folder), 0x7FFFF000),
    "WAV that was stopped": lambda folder: KINDS["WAV"].resized(encoded("WAV", "PCM_16", 5000, 1, folder), 64),
    "AIFF from a pipe": lambda folder: KINDS["AIFF"].resized(encoded("AIFF", "PCM_16", 5000, 1, folder), 0),
    "CAF from a pipe": lambda folder: KINDS["CAF"].resized(encoded("CAF", "PCM_16", 5000, 1, folder), (1 << 64) - 1),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("rate", [RATE, 16_000])
def test_all_verbs_agree(tmp_path: Path, kind: str, rate: int) -> None:
    """What reads a header, a block, a stretch and a whole file sees the same samples."""
    path = tmp_path / "c" / "anna" / "u0.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(ODD[kind](tmp_path))
    info, wave = audio.inspect(path), audio.read(path).wave
    assert 5000 <= wave.shape[1] < 5800 + 1152

    corpus = open_corpus(tmp_path / "c", "folder")
    (utterance,) = corpus.utterances()
    report = validate(corpus)
    assert (utterance.n_samples, report.errors) == (wave.shape[1], ())
    assert {problem.code for problem in report.problems} >= ({"header_length"} if info.note else set())
    assert np.array_equal(read_utterance(utterance, tmp_path / "c"), wave)
    assert np.array_equal(load_source(path, info.sample_rate)[0], wave[0])
    assert np.array_equal(read_microphones([path])[0], wave)

    made = separate_file(Halves(rate), path, tmp_path / "out")
    assert made.n_samples == wave.shape[1]
    total = audio.read(made.outputs["a"]).wave + audio.read(made.outputs["b"]).wave
    assert total.shape == wave.shape and made.sample_rate == info.sample_rate
    if rate == info.sample_rate:
        assert np.array_equal(total, wave)
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["a.wav", "b.wav"]


@pytest.mark.parametrize("rate", [RATE, 16_000])
def test_a_full_disk_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: int) -> None:
    audio.write(tmp_path / "a.wav", noise(4000), sample_rate=RATE)
    free = 2 * 4000 * 4 if rate == RATE else 2 * 4000 * 4 + 3 * 8000 * 4

    class Usage:
        total = 10**9

        def __init__(self, free: int) -> None:
            self.free = free

    started = list[int]()

    class Watched(Halves):
        def stream(self, read: Reader, *, n_samples: int, name: str = "") -> Iterator[dict[str, audio.Wave]]:
            started.append(n_samples)
            return super().stream(read, n_samples=n_samples, name=name)

    monkeypatch.setattr(audio.space.shutil, "disk_usage", lambda _: Usage(free - 1))
    words = r"cannot write into .*out: the disk is full: .* are needed, .* are free: free some space or choose another"
    with pytest.raises(OutputError, match=words):
        separate_file(Watched(rate), tmp_path / "a.wav", tmp_path / "out")
    assert not started and not (tmp_path / "out").exists()
    monkeypatch.setattr(audio.space.shutil, "disk_usage", lambda _: Usage(free))
    separate_file(Watched(rate), tmp_path / "a.wav", tmp_path / "out")
    assert started


@pytest.mark.parametrize("subtype", ["float", "pcm16"])
@pytest.mark.parametrize("rate", [RATE, 16_000])
def test_outputs_beyond_4_gib_are_rf64(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subtype: str, rate: int
) -> None:
    """9000 bytes stand for 4 GiB."""
    monkeypatch.setattr(audio.writers, "_MAX_WAV_BYTES", 9000)
    soundfile.write(tmp_path / "a.wav", noise(6000)[0], RATE, subtype="FLOAT")
    made = separate_file(Halves(rate), tmp_path / "a.wav", tmp_path / "out", subtype=subtype)
    for output in made.outputs.values():
        assert audio.inspect(output).container == "RF64"
        assert audio.read(output).wave.shape == (1, 6000)
