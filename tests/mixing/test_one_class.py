"""Mixtures of one class out of those of several: two voices, one label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.files import hash_file
from sepvae.mixing.manifest import Mixture, Source
from sepvae.mixing.mixture import render
from sepvae.mixing.one_class import mixtures_of_one_class

RATE = 8000


def source(root: Path, name: str, speaker: str, *, offset: int = 0, sentence: int = 0, gain: float = 1.0) -> Source:
    path = root / f"{speaker}_{sentence}.wav"
    if not path.exists():
        wave = np.random.default_rng([ord(c) for c in path.name]).uniform(-0.3, 0.3, 1000).astype(np.float32)
        audio.write(path, wave, sample_rate=RATE)
    return Source(
        name=name, utterance=path.stem, path=path.name, speaker=speaker, sex="female" if name == "female" else "male",
        sha256=hash_file(path), start=100, n_samples=800, offset=offset, gain=gain,
    )  # fmt: skip


def mixture(number: int, *sources: Source, group: str | None = None) -> Mixture:
    length = max(one.offset + one.n_samples for one in sources)
    return Mixture(
        id=f"train-{number}", split="train", sample_rate=RATE, n_samples=length, sources=sources, group=group
    )


@pytest.fixture
def mixtures(tmp_path: Path) -> list[Mixture]:
    return [
        mixture(0, source(tmp_path, "female", "ann", gain=0.5), source(tmp_path, "male", "bob", offset=200)),
        mixture(1, source(tmp_path, "female", "ann", sentence=1), source(tmp_path, "male", "dan")),
        mixture(2, source(tmp_path, "female", "eve", offset=50), source(tmp_path, "male", "bob", sentence=1)),
    ]


def test_every_source_is_heard_over_somebody_else_of_its_class(mixtures: list[Mixture]) -> None:
    found = {
        one.id: [one.sources[0].speaker, one.sources[0].layers[0].speaker] for one in mixtures_of_one_class(mixtures)
    }
    # The next mixture in which somebody else is heard.
    assert found == {
        "train-0-female": ["ann", "eve"], "train-0-male": ["bob", "dan"],
        "train-1-female": ["ann", "eve"], "train-1-male": ["dan", "bob"],
        "train-2-female": ["eve", "ann"], "train-2-male": ["bob", "dan"],
    }  # fmt: skip


def test_the_wave_is_the_sum_of_both_and_there_is_no_other_source(mixtures: list[Mixture], tmp_path: Path) -> None:
    made = {one.id: one for one in mixtures_of_one_class(mixtures)}["train-0-female"]
    rendered = render(made, tmp_path)
    assert list(rendered.sources) == ["female"]
    one, other = (render(mixtures[place], tmp_path).sources["female"] for place in (0, 2))
    expected = np.zeros(850, np.float32)
    expected[:800] += one[:800]
    expected[: len(other)] += other[:850]
    np.testing.assert_array_equal(rendered.mixture, expected)
    np.testing.assert_array_equal(rendered.mixture, rendered.sources["female"])


def test_of_one_speaker_other_speech_is_taken_and_of_one_mixture_there_is_none(tmp_path: Path) -> None:
    pair = [mixture(n, source(tmp_path, "ann", "ann", sentence=n), source(tmp_path, "bob", "bob")) for n in (0, 1)]
    # Bob says the same in both.
    assert [one.id for one in mixtures_of_one_class(pair)] == ["train-0-ann", "train-1-ann"]
    assert mixtures_of_one_class(pair[:1]) == []
    apart = [one.model_copy(update={"group": f"fold-{n}"}) for n, one in enumerate(pair)]
    assert mixtures_of_one_class(apart) == []
