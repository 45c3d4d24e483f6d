"""Manifests: rebuilt bit for bit, and strict about what they are."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sepvae import audio
from sepvae.config import parse_config
from sepvae.corpora.records import Utterance
from sepvae.errors import InputError, OutputError
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.manifest import Manifest, read_manifest, write_manifest
from sepvae.mixing.mixture import render, write_mixtures
from sepvae.mixing.protocol import make_mixtures
from sepvae.unfinished import Unfinished

RATE = 8000


@pytest.fixture
def made(corpus: tuple[Path, list[Utterance]]) -> tuple[Path, Manifest]:
    root, utterances = corpus
    settings = {"sample_rate": RATE, "n_train": 4, "n_valid": 1, "n_test": 2, "length": "max", "snr_db": [-3, 3]}
    return root, make_mixtures(utterances, parse_config(MixingConfig, settings, where="x"), root=root, seed=3)


def test_a_manifest_survives_the_disk_bit_for_bit(made: tuple[Path, Manifest], tmp_path: Path) -> None:
    root, manifest = made
    write_manifest(tmp_path / "m.jsonl", manifest)
    again = read_manifest(tmp_path / "m.jsonl")
    assert again == manifest
    for one, two in zip(manifest.mixtures, again.mixtures, strict=True):
        first, second = render(one, root), render(two, root)
        assert first.mixture.tobytes() == second.mixture.tobytes()
        assert all(first.sources[name].tobytes() == second.sources[name].tobytes() for name in first.sources)


def test_the_mixture_is_the_sum_of_its_sources(made: tuple[Path, Manifest]) -> None:
    root, manifest = made
    for mixture in manifest.mixtures:
        rendered = render(mixture, root)
        total = np.zeros_like(rendered.mixture)
        for wave in rendered.sources.values():
            assert wave.dtype == np.float32
            total += wave
        assert total.tobytes() == rendered.mixture.tobytes()


def test_a_source_that_changed_is_named(corpus: tuple[Path, list[Utterance]], tmp_path: Path) -> None:
    root, utterances = corpus
    for utterance in utterances:
        (tmp_path / utterance.path).write_bytes((root / utterance.path).read_bytes())
    settings = parse_config(MixingConfig, {"sample_rate": RATE, "n_train": 1, "n_valid": 0, "n_test": 1}, where="x")
    mixture = make_mixtures(utterances, settings, root=tmp_path, seed=0).mixtures[0]
    path = tmp_path / mixture.sources[0].path
    wave = audio.read(path).wave
    wave[0, 0] += 0.25
    audio.write(path, wave, sample_rate=RATE, subtype="pcm16")
    with pytest.raises(InputError, match="has changed since the manifest was made"):
        render(mixture, tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        render(mixture, tmp_path)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("sources", 0, "path"), "/etc/passwd", "must be a path inside the corpus"),
        (("sources", 0, "path"), "../x.wav", "must be a path inside the corpus"),
        (("sources", 0, "path"), "C:/x.wav", "must be a path inside the corpus"),
        (("sources", 0, "path"), "sox x.wav -t wav - |", "runs no commands from a manifest"),
        (("sources", 0, "gain"), "loud", "sources.0.gain = 'loud'"),
        (("sources", 0, "start"), -1, "sources.0.start = -1"),
        (("sources", 0, "gian"), 1, "unknown key 'sources.0.gian'"),
        (("sources",), [], "sources"),
        (("id",), "../../x", "id = '../../x'"),
        (("n_samples",), 0, "n_samples = 0"),
    ],
)
def test_a_bad_line_is_named(
    made: tuple[Path, Manifest], tmp_path: Path, where: tuple[Any, ...], value: object, message: str
) -> None:
    path = tmp_path / "m.jsonl"
    write_manifest(path, made[1])
    records = lines(path)
    target: Any = records[2]
    for key in where[:-1]:
        target = target[key]
    target[where[-1]] = value
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.raises(InputError) as error:
        read_manifest(path)
    assert message in str(error.value)
    assert f"{path}, line 3" in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the manifest is empty"),
        ("{}\n", "its first line is no header"),
        ("[1]\n", "its first line is no header"),
        ('{"type": "header", "version": 9}\n', "version = 9"),
        ('{"type": "header"}\n{"id": \n', "line 2: not valid JSON"),
        ("\x00\x01", "not valid JSON"),
    ],
)
def test_what_is_no_manifest(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_manifest(path)


def test_a_mixture_that_is_there_twice(made: tuple[Path, Manifest], tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write_manifest(path, Manifest(made[1].header, (made[1].mixtures[0],) * 2))
    with pytest.raises(InputError, match="line 3: the mixture 'train-00000' is there twice"):
        read_manifest(path)


def test_files_are_those_of_the_manifest_whatever_was_there(made: tuple[Path, Manifest], tmp_path: Path) -> None:
    root, manifest = made
    write_mixtures(manifest, root, tmp_path)
    mixture = manifest.mixtures[0]
    path = tmp_path / "train" / "mixture" / f"{mixture.id}.wav"
    assert audio.read(path).wave[0].tobytes() == render(mixture, root).mixture.tobytes()
    audio.write(path, np.zeros(9, np.float32), sample_rate=RATE)
    write_mixtures(manifest, root, tmp_path)
    assert audio.read(path).wave[0].tobytes() == render(mixture, root).mixture.tobytes()


def test_mixtures_are_kept_while_record_and_files_are_the_same(
    made: tuple[Path, Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, manifest = made
    with Unfinished(tmp_path, "a command") as batch:
        write_mixtures(manifest, root, tmp_path, batch=batch, overwrite=False)
    first, *others = manifest.mixtures
    softer = first.model_copy(update={"sources": tuple(source.amplified(0.5) for source in first.sources)})
    written, write = list[Path](), audio.write
    monkeypatch.setattr(audio, "write", lambda path, *rest, **how: (written.append(path), write(path, *rest, **how)))
    with Unfinished(tmp_path, "a command") as batch:
        write_mixtures(Manifest(manifest.header, (softer, *others)), root, tmp_path, batch=batch, overwrite=False)
    assert {path.stem for path in written} == {first.id}
    found = audio.read(tmp_path / first.split / "mixture" / f"{first.id}.wav").wave[0]
    assert found.tobytes() == render(softer, root).mixture.tobytes()
    with Unfinished(tmp_path, "another"), pytest.raises(OutputError, match="exists: pass --overwrite"):
        write_mixtures(manifest, root, tmp_path, overwrite=False)


def test_a_full_disk_is_told_before_the_first_mixture(
    made: tuple[Path, Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are there make room for their successors."""
    root, manifest = made
    write_mixtures(manifest, root, tmp_path / "there")
    total = sum(path.stat().st_size for path in (tmp_path / "there").rglob("*.wav"))
    disk = SimpleNamespace(total=10**9, free=total // 2)
    monkeypatch.setattr("sepvae.audio.space.shutil.disk_usage", lambda _: disk)
    with pytest.raises(OutputError, match=r"cannot write into .*new: the disk is full: .* are needed, .* are free"):
        write_mixtures(manifest, root, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    write_mixtures(manifest, root, tmp_path / "there")
