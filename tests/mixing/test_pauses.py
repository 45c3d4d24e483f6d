"""Utterances with long pauses, silent and unreadable ones: another stretch is drawn, and what cannot be is left out."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sepvae import audio
from sepvae.config import parse_config
from sepvae.corpora.damaged_files import SILENCE_RMS, level
from sepvae.corpora.records import open_corpus, read_all
from sepvae.errors import InputError
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.manifest import Manifest
from sepvae.mixing.mixture import render
from sepvae.mixing.noise import heard_stretch
from sepvae.mixing.protocol import make_mixtures

RATE = 4000
SETTINGS = {
    "sources": ["anna", "ben"],
    "n_train": 4,
    "n_valid": 1,
    "n_test": 1,
    "sample_rate": RATE,
    "duration_s": [0.1, 0.2],
}
# What can be wrong with an utterance, and the note on it in the manifest; a long pause is nothing wrong.
BAD = {"silent": "are silent", "text": "cannot be read", "cut": "cannot be read", "stereo": "have several channels"}


def noise(number: int, n_samples: int = RATE) -> np.ndarray:
    return (0.1 * np.random.default_rng(number).standard_normal(n_samples)).astype(np.float32)


def spoil(path: Path, how: str) -> None:
    if how == "silent":
        audio.write(path, np.zeros(RATE, np.float32), sample_rate=RATE)
    elif how == "text":
        path.write_text("no audio")
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-900])
    elif how == "stereo":
        audio.write(path, np.stack([noise(0), noise(1)]), sample_rate=RATE)
    else:
        # A word, and 25 s of nothing: a stretch that is drawn is nearly always silent.
        wave = np.zeros(100 * RATE // 4, np.float32)
        wave[-RATE // 8 :] = noise(3, RATE // 8)
        audio.write(path, wave, sample_rate=RATE)


def make_corpus(root: Path, spoilt: dict[tuple[str, int], str]) -> tuple[Path, list[Any]]:
    """Write twelve utterances of two speakers; the records are of whole files."""
    for speaker in ("anna", "ben"):
        for number in range(12):
            audio.write(root / speaker / f"{number}.wav", noise(number), sample_rate=RATE)
    for (speaker, number), how in spoilt.items():
        if how in ("long pause", "stereo"):
            spoil(root / speaker / f"{number}.wav", how)
    utterances = read_all(open_corpus(root))
    for (speaker, number), how in spoilt.items():
        if how not in ("long pause", "stereo"):
            spoil(root / speaker / f"{number}.wav", how)
    return root, utterances


def mix(root: Path, utterances: list[Any], seed: int = 0, **changes: Any) -> Manifest:
    config = parse_config(MixingConfig, {**SETTINGS, **changes}, where="test")
    return make_mixtures(utterances, config, root=root, seed=seed)


@settings(max_examples=15, deadline=None)
@given(
    spoilt=st.dictionaries(
        st.tuples(st.sampled_from(["anna", "ben"]), st.integers(0, 11)),
        st.sampled_from([*BAD, "long pause"]),
        max_size=6,
    ),
    skip_damaged=st.booleans(),
    seed=st.integers(0, 3),
)
def test_bad_utterances_are_left_out_and_the_mixtures_made(
    spoilt: dict[tuple[str, int], str], skip_damaged: bool, seed: int
) -> None:
    with TemporaryDirectory() as made:
        root, utterances = make_corpus(Path(made), spoilt)
        manifest = mix(root, utterances, seed, skip_damaged=skip_damaged)
        assert [len(manifest.of_split(name)) for name in ("train", "valid", "test")] == [4, 1, 1]
        used = {source.path for mixture in manifest.mixtures for source in mixture.sources}
        bad = {f"{who}/{number}.wav": how for (who, number), how in spoilt.items() if how in BAD}
        assert not used & set(bad)
        for mixture in manifest.mixtures:
            for wave in render(mixture, root).sources.values():
                assert level(wave) > SILENCE_RMS
        notes = " ".join(manifest.header.notes)
        for path, how in bad.items():
            # Without a look at all files first, what was never drawn is not known to be bad.
            assert (
                BAD[how] in notes and Path(path).with_suffix("").as_posix().replace("/", "_") in notes
            ) or not skip_damaged
        again = mix(root, utterances, seed, skip_damaged=skip_damaged)
        assert again == manifest


@pytest.mark.parametrize("seed", range(3))
def test_nothing_but_long_pauses(seed: int, tmp_path: Path) -> None:
    spoilt = {(who, number): "long pause" for who in ("anna", "ben") for number in range(12)}
    root, utterances = make_corpus(tmp_path, spoilt)
    manifest = mix(root, utterances, seed)
    assert len(manifest.mixtures) == 6
    assert all(level(wave) > SILENCE_RMS for one in manifest.mixtures for wave in render(one, root).sources.values())


def test_a_corpus_of_which_nothing_is_left_is_told(tmp_path: Path) -> None:
    spoilt = {(who, number): "silent" for who in ("anna", "ben") for number in range(12)}
    root, utterances = make_corpus(tmp_path, spoilt)
    for skip_damaged in (True, False):
        with pytest.raises(InputError, match=r"none of 24 utterances can be mixed, the first: .*anna/0\.wav: "):
            mix(root, utterances, skip_damaged=skip_damaged)


def test_what_is_drawn_in_whole_speech_has_not_changed() -> None:
    """One draw where the first stretch is heard: manifests of such speech are what they were."""
    wave, first, second = noise(0), np.random.default_rng(5), np.random.default_rng(5)
    assert heard_stretch(wave, 1000, first) == int(second.integers(len(wave) - 1000 + 1))
    assert first.bit_generator.state == second.bit_generator.state


@settings(max_examples=50, deadline=None)
@given(n_samples=st.integers(1, 3000), count=st.integers(1, 3000), place=st.integers(0, 2999), seed=st.integers(0, 9))
def test_a_stretch_that_is_heard_is_found_where_there_is_one(n_samples: int, count: int, place: int, seed: int) -> None:
    count, place = min(count, n_samples), min(place, n_samples - 1)
    wave = np.zeros(n_samples, np.float32)
    wave[place] = 0.5
    start = heard_stretch(wave, count, np.random.default_rng(seed))
    assert 0 <= start <= n_samples - count and start <= place < start + count
    assert 0 <= heard_stretch(0 * wave, count, np.random.default_rng(seed)) <= n_samples - count


def test_noise_that_cannot_be_used_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root, utterances = make_corpus(tmp_path / "corpus", {})
    for number in range(5):
        audio.write(tmp_path / "noise" / f"{number}.wav", noise(40 + number, 2 * RATE), sample_rate=RATE)
    spoil(tmp_path / "noise" / "1.wav", "text")
    for number in (0, 3):
        audio.write(tmp_path / "noise" / f"silent{number}.wav", np.zeros(2 * RATE, np.float32), sample_rate=RATE)
    spoil(tmp_path / "noise" / "4.wav", "long pause")
    manifest = mix(root, utterances, noise_folder=str(tmp_path / "noise"))
    assert "noise/1.wav" in caplog.text
    paths = {mixture.noise.path for mixture in manifest.mixtures if mixture.noise is not None}
    assert paths and not paths & {"1.wav", "silent0.wav", "silent3.wav"}


def test_a_background_of_one_kind_has_others_in_its_place(tmp_path: Path) -> None:
    root, utterances = make_corpus(tmp_path / "corpus", {})
    for number in range(20):
        path = tmp_path / "noise" / "hum" / f"{number}.wav"
        audio.write(path, noise(number, RATE) * (number % 3 > 0), sample_rate=RATE)
    background = {"kinds": ["hum"], "folder": str(tmp_path / "noise")}
    for seed in range(4):
        manifest = mix(root, utterances, seed, sources=["anna", "background"], background=background)
        used = {s.path for m in manifest.mixtures for s in m.sources if s.name == "background"}
        assert used and all(int(Path(path).stem) % 3 for path in used)
    lists = {"train": ["hum/1.wav"], "valid": ["hum/2.wav"], "test": ["hum/3.wav"]}
    with pytest.raises(InputError, match=r"hum/3\.wav: the stretch to be mixed is silent"):
        mix(root, utterances, sources=["anna", "background"], background=background | {"recordings": lists})
    for number in range(20):
        audio.write(tmp_path / "noise" / "hum" / f"{number}.wav", np.zeros(RATE, np.float32), sample_rate=RATE)
    with pytest.raises(InputError, match=r"'hum': none of its recordings can be used, the first: .*hum/"):
        mix(root, utterances, sources=["anna", "background"], background=background)
