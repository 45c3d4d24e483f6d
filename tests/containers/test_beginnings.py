"""What is read when it is named is found in a folder too, under any ending: both look at one table of beginnings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from sepvae import audio
from sepvae.cli.files import list_inputs
from sepvae.containers import chunks
from sepvae.formats import _BEGINNINGS, container_of
from sepvae.sphere import write_pcm16

from .sounds import KINDS, encoded, mp3, noise


def sounds(folder: Path) -> dict[str, bytes]:
    """Return a file of every container that is read."""
    made = {name: encoded(name, "PCM_16", 400, 1, folder) for name in KINDS}
    made["BW64"] = b"BW64" + made["RF64"][4:]
    made["AIFC"] = made.pop("AIFC sowt")
    made["MP3 with a tag"] = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + mp3(8000, folder)
    for name, subtype in (("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")):
        soundfile.write(folder / "a", noise(4000).T, 8000, format=name, subtype=subtype)
        made[f"{name} {subtype}"] = (folder / "a").read_bytes()
    (folder / "a").unlink()
    samples = (noise(400)[0] * 2**15).astype(np.int16)
    write_pcm16(folder / "a.sph", samples, 8000, database="x", utterance="y")
    made["SPHERE"] = (folder / "a.sph").read_bytes()
    return made


def test_a_folder_gives_every_container_under_any_ending(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    made = sounds(tmp_path)
    for name, data in made.items():
        (tmp_path / "in" / f"{name}.bin").write_bytes(data)
    (tmp_path / "in" / "other.bin").write_bytes(b"RIFF\x00\x00\x00\x00AVI LIST")
    found = list_inputs([str(tmp_path / "in")])
    assert {path.stem for path in found.paths} == set(made)
    for path in found.paths:
        assert audio.read(path).wave.shape[1] >= 400
    # Nothing is in the table that no sound here begins with.
    assert {container_of(data) for data in made.values()} == set(_BEGINNINGS)
    assert set(chunks.LAYOUTS) < set(_BEGINNINGS)


def test_of_mpeg_audio_without_a_tag_the_ending_decides(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(mp3(8000, tmp_path))
    found = list_inputs([str(tmp_path)])
    assert [path.name for path in found.paths] == ["a.mp3"]
    assert found.passed_over.others == {".bin": 1}
    assert list_inputs([str(tmp_path / "a.bin")]).paths == [tmp_path / "a.bin"]
    assert audio.read(tmp_path / "a.bin").wave.shape[1] >= 8000
