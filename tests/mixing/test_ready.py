"""WSJ0-2mix and Libri2Mix folders as ready mixtures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.errors import InputError
from sepvae.mixing.mixture import render
from sepvae.mixing.ready import read_ready_mixtures

RATE = 8000


def make_ready(root: Path, splits: list[str], *, mixture: str = "mix", noise: bool = False) -> None:
    """Write two mixtures a split, rounded to 16 bits as the corpora are."""
    random = np.random.default_rng(0)
    for split in splits:
        for number in range(2):
            waves = {name: random.uniform(-0.2, 0.2, 4000).astype(np.float32) for name in ("s1", "s2")}
            if noise:
                waves["noise"] = random.uniform(-0.1, 0.1, 4000).astype(np.float32)
            waves[mixture] = np.sum(list(waves.values()), axis=0)
            for name, wave in waves.items():
                path = root / split / name / f"0{number}a_1.5_0{number}b_-1.5.wav"
                audio.write(path, wave, sample_rate=RATE, subtype="pcm16")


def test_wsj0_2mix(tmp_path: Path) -> None:
    make_ready(tmp_path / "wav8k" / "min", ["tr", "cv", "tt"])
    manifest = read_ready_mixtures(tmp_path)
    assert [len(manifest.of_split(name)) for name in ("train", "valid", "test")] == [2, 2, 2]
    mixture = manifest.of_split("test")[0]
    rendered = render(mixture, tmp_path)
    assert list(rendered.sources) == ["s1", "s2"]
    path = tmp_path / str(mixture.mixture_path)
    assert np.array_equal(rendered.mixture, audio.read(path).wave[0])


def test_libri2mix_with_noise(tmp_path: Path) -> None:
    make_ready(tmp_path, ["train-100", "dev", "test"], mixture="mix_both", noise=True)
    manifest = read_ready_mixtures(tmp_path, mixture="mix_both")
    rendered = render(manifest.mixtures[0], tmp_path)
    assert rendered.noise is not None
    total = rendered.noise + rendered.sources["s1"] + rendered.sources["s2"]
    assert np.abs(total - rendered.mixture).max() < 4 / 32768


def test_several_versions_ask_for_one(tmp_path: Path) -> None:
    for kind in ("min", "max"):
        make_ready(tmp_path / kind, ["tr"])
    with pytest.raises(InputError, match=r"give one of them"):
        read_ready_mixtures(tmp_path)


def test_a_folder_without_mixtures_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected one folder with tr, cv, tt"):
        read_ready_mixtures(tmp_path)


def test_a_mixture_that_is_not_the_sum(tmp_path: Path) -> None:
    make_ready(tmp_path, ["tr"])
    path = next((tmp_path / "tr" / "mix").glob("*.wav"))
    audio.write(path, audio.read(path).wave * 0.5, sample_rate=RATE, subtype="pcm16")
    manifest = read_ready_mixtures(tmp_path)
    with pytest.raises(InputError, match="is not the sum of its sources"):
        for mixture in manifest.mixtures:
            render(mixture, tmp_path)


def test_a_missing_or_shorter_source_is_named(tmp_path: Path) -> None:
    make_ready(tmp_path, ["tr"])
    path = sorted((tmp_path / "tr" / "s2").glob("*.wav"))[0]
    audio.write(path, audio.read(path).wave[:, :-1], sample_rate=RATE, subtype="pcm16")
    with pytest.raises(InputError, match="3999 samples at 8000 Hz, its mixture has 4000"):
        read_ready_mixtures(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=r"s2.*no such file"):
        read_ready_mixtures(tmp_path)
