"""Backgrounds and noises: no sample of a recording in two splits, stated levels, rebuilt from the manifest."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from sepvae import audio
from sepvae.config import parse_config
from sepvae.corpora.records import Utterance
from sepvae.errors import ConfigError, InputError
from sepvae.formats import AUDIO_ENDINGS
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.manifest import Manifest, Source, read_manifest, write_manifest
from sepvae.mixing.mixture import render
from sepvae.mixing.noise import Recording, RecordingLists, list_noises, split_recordings
from sepvae.mixing.protocol import make_mixtures

RATE = 8000
Corpus = tuple[Path, list[Utterance]]


def config(**settings: object) -> MixingConfig:
    small = {"sample_rate": RATE, "n_train": 12, "n_valid": 3, "n_test": 4, "sources": ["speech", "background"]}
    return parse_config(MixingConfig, {**small, **settings}, where="test")


def level_db(wave: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(wave.astype(float) ** 2)))


def layers(source: Source) -> list[Source]:
    return [source.model_copy(update={"layers": ()}), *source.layers]


def heard(source: Source) -> set[tuple[str, int]]:
    """Return the samples of recordings that a source is made of, in steps of 10 samples."""
    found = set()
    for layer in layers(source):
        first, last = layer.loop or (0, layer.n_samples)
        places = first + (np.arange(layer.start, layer.start + layer.n_samples) - first) % (last - first)
        found |= {(layer.path, int(place)) for place in places // 10}
    return found


def check_disjoint(made: Manifest, which: str) -> None:
    used = {}
    for split in ("train", "valid", "test"):
        sources = [m.noise if which == "noise" else m.sources[1] for m in made.of_split(split)]
        assert sources
        used[split] = set().union(*(heard(source) for source in sources if source is not None))
    assert not used["train"] & used["test"]
    assert not used["valid"] & (used["train"] | used["test"])


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Five of water, two of traffic (one far shorter than a mixture), and one of wind that is long."""
    random = np.random.default_rng(0)
    lengths = {"water": [3.0] * 5, "traffic": [30.0, 1.0], "wind": [40.0]}
    for kind, own in lengths.items():
        for number, seconds in enumerate(own):
            wave = random.standard_normal(int(seconds * RATE)).astype(np.float32) * 0.1
            audio.write(tmp_path / kind / f"{number}.wav", wave, sample_rate=RATE)
    return tmp_path


@given(n_files=st.integers(1, 30), seed=st.integers(0, 100))
def test_splits_share_no_part_of_a_recording(n_files: int, seed: int) -> None:
    files = [Recording("k", f"k/{number}.wav", Path("x")) for number in range(n_files)]
    split = split_recordings(files, seed)
    assert all(split.values())
    taken = sorted((r.path, r.start, r.stop) for own in split.values() for r in own)
    for (path, start, stop), (after, after_start, _) in pairwise(taken):
        assert start < stop and (path != after or stop <= after_start)
    # Nothing is lost either.
    assert sum(stop - start for _, start, stop in taken) == pytest.approx(n_files)
    assert split == split_recordings(files[::-1], seed)


@pytest.mark.parametrize("kinds", [["water", "traffic", "wind"], ["traffic"], ["wind"], ["gaussian", "wind"]])
@pytest.mark.parametrize("together", [False, True])
def test_backgrounds_from_a_folder(corpus: Corpus, recordings: Path, kinds: list[str], together: bool) -> None:
    root, utterances = corpus
    background = {"folder": str(recordings), "kinds": kinds, "together": together}
    made = make_mixtures(utterances, config(background=background, snr_db=(3, 3)), root=root, seed=0)
    check_disjoint(made, "source")
    kinds_heard = set()
    for mixture in made.mixtures:
        speech, background_ = mixture.sources
        rendered = render(mixture, root)
        assert list(rendered.sources) == ["speech", "background"]
        assert level_db(rendered.sources["speech"]) - level_db(rendered.sources["background"]) == pytest.approx(
            3, abs=1e-3
        )
        own = [layer.path.split("/")[0] for layer in layers(background_)]
        assert sorted(own) == sorted(kinds) if together else len(own) == 1
        kinds_heard |= set(own)
        total = np.float32(0) + rendered.sources["speech"] + rendered.sources["background"]
        assert total.tobytes() == rendered.mixture.tobytes()
        assert speech.speaker and not background_.speaker
    assert kinds_heard == set(kinds)


def test_kinds_together_have_the_same_level(corpus: Corpus, recordings: Path) -> None:
    root, utterances = corpus
    background = {"folder": str(recordings), "kinds": ["water", "wind"], "together": True}
    mixture = make_mixtures(utterances, config(background=background), root=root, seed=0).mixtures[0]
    alone = [
        render(mixture.model_copy(update={"sources": (layer,)}), root).mixture for layer in layers(mixture.sources[1])
    ]
    assert level_db(alone[0]) == pytest.approx(level_db(alone[1]), abs=1e-3)
    assert not np.array_equal(alone[0], alone[1])


def test_synthetic_backgrounds_are_rebuilt_from_the_manifest(corpus: Corpus, tmp_path: Path) -> None:
    root, utterances = corpus
    settings = config(background={"kinds": ["trumpet", "gaussian"], "together": True}, n_train=4)
    made = make_mixtures(utterances, settings, root=root, seed=0)
    check_disjoint(made, "source")
    write_manifest(tmp_path / "m.jsonl", made)
    again = read_manifest(tmp_path / "m.jsonl")
    assert again == made
    for one, two in zip(made.mixtures, again.mixtures, strict=True):
        assert all(layer.synthetic and layer.folder is None for layer in layers(one.sources[1]))
        assert render(one, root).mixture.tobytes() == render(two, root).mixture.tobytes()


@pytest.mark.parametrize("path", ["water", "water/x", "lava/0"])
def test_a_synthetic_background_that_is_none(corpus: Corpus, path: str) -> None:
    root, utterances = corpus
    mixture = make_mixtures(utterances, config(n_train=1), root=root, seed=0).mixtures[0]
    wrong = mixture.sources[1].model_copy(update={"path": path})
    with pytest.raises((InputError, ConfigError), match="synthetic background"):
        render(mixture.model_copy(update={"sources": (wrong,)}), root)


def test_noise_under_the_mixtures_is_split_too(corpus: Corpus, recordings: Path) -> None:
    root, utterances = corpus
    settings = config(sources=["female", "male"], noise_folder=str(recordings), n_train=20, n_valid=6, n_test=6)
    check_disjoint(make_mixtures(utterances, settings, root=root, seed=0), "noise")


def test_noise_that_is_shared_is_in_every_split(corpus: Corpus, recordings: Path) -> None:
    root, utterances = corpus
    settings = config(
        sources=["female", "male"], noise_folder=str(recordings), noise_shared=True, n_train=60, n_valid=30, n_test=0
    )
    made = make_mixtures(utterances, settings, root=root, seed=0)
    found = [{m.noise.path for m in made.of_split(split) if m.noise} for split in ("train", "valid")]
    assert len(found[1]) > 2
    assert found[1] <= found[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noise_shared": True, "noise_kinds": ["gaussian"]}, "noise of the training is no test: set n_test = 0"),
        ({"noise_shared": True, "n_test": 0}, "noise_shared: there is no noise: give noise_folder or noise_kinds"),
        ({"noise_kinds": ["rain"]}, "noise_kinds: 'rain' cannot be synthesised, but trumpet"),
        ({"noise_kinds": ["gaussian"], "room": {}}, "noise_kinds: is noise at one microphone"),
    ],
)
def test_noise_that_cannot_be_had(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(sources=["female", "male"], **settings)


def test_synthetic_noise_beside_recordings(corpus: Corpus, recordings: Path) -> None:
    """As many of each kind, though there are more synthetic ones; and without a folder they are all there is."""
    root, utterances = corpus
    settings = {"sources": ["female", "male"], "noise_kinds": ["gaussian"], "n_train": 60, "n_valid": 0, "n_test": 0}
    beside = make_mixtures(utterances, config(noise_folder=str(recordings), **settings), root=root, seed=0)
    kinds = {m.noise.path.split("/")[0]: m.noise.synthetic for m in beside.mixtures if m.noise}
    assert kinds["gaussian"]
    assert not all(kinds.values())
    alone = make_mixtures(utterances, config(**settings), root=root, seed=0)
    assert {m.noise.path.split("/")[0] for m in alone.mixtures if m.noise} == {"gaussian"}
    mixture = alone.mixtures[0]
    rendered = render(mixture, root)
    assert rendered.noise is not None
    assert rendered.noise.any()


def test_a_mixture_of_a_speaker_and_noise_is_another_with_another_stretch(corpus: Corpus) -> None:
    root, utterances = corpus
    made = make_mixtures(utterances, config(n_train=100, n_test=12), root=root, seed=0)
    for split, count in (("train", 100), ("test", 12)):
        mixtures = made.of_split(split)
        assert len({(m.sources[0].utterance, m.sources[1].path, m.sources[1].start) for m in mixtures}) == count


def test_three_sources_of_which_one_is_a_background(corpus: Corpus) -> None:
    root, utterances = corpus
    made = make_mixtures(utterances, config(sources=["female", "background", "male"]), root=root, seed=0)
    for mixture in made.mixtures:
        assert [source.name for source in mixture.sources] == ["female", "background", "male"]
        assert [source.sex for source in mixture.sources] == ["female", "unknown", "male"]


@pytest.mark.parametrize("sources", [["background"], ["speech", "background", "background"]])
def test_a_background_alone_is_no_mixture(sources: list[str]) -> None:
    with pytest.raises(ConfigError, match="sources: needs someone who speaks, and at most one background"):
        config(sources=sources)


@pytest.mark.parametrize(
    ("background", "message"),
    [
        ({"kinds": ["rain"]}, "no recordings of the kind 'rain': what can be synthesised is trumpet"),
        ({"kinds": ["rain"], "folder": "HERE"}, "kind 'rain': its folders are traffic, water, wind"),
        (
            {"kinds": ["gaussian", "rain"], "folder": "/nowhere"},
            "^/nowhere: no such folder: give with background.folder",
        ),
        ({"kinds": ["rain"], "folder": __file__}, "test_noise.py: is a file, expected a folder"),
    ],
)
def test_a_kind_that_is_not_there(
    corpus: Corpus, recordings: Path, background: dict[str, object], message: str
) -> None:
    root, utterances = corpus
    if background.get("folder") == "HERE":
        background = {**background, "folder": str(recordings)}
    with pytest.raises(InputError, match=message):
        make_mixtures(utterances, config(background=background), root=root, seed=0)


def test_the_recordings_at_hand(corpus: Corpus, corpora: Path) -> None:
    root, utterances = corpus
    kinds = ["trumpet", "traffic", "water"]
    settings = config(background={"folder": str(corpora / "noise"), "kinds": kinds}, n_train=20, n_test=8)
    made = make_mixtures(utterances, settings, root=root, seed=0)
    check_disjoint(made, "source")
    assert {m.sources[1].path.split("/")[0] for m in made.mixtures} == set(kinds)


def test_every_sound_file_that_is_read_may_be_noise(tmp_path: Path) -> None:
    wave = np.full((1, 100), 0.1, np.float32)
    audio.write(tmp_path / "a.wav", wave, sample_rate=RATE)
    soundfile.write(tmp_path / "a.au", wave[0], RATE, format="AU")
    # The ending says that it may be one, the contents what it is.
    for ending in AUDIO_ENDINGS[1:]:
        source = "a.au" if ending in (".au", ".snd") else "a.wav"
        (tmp_path / f"a{ending}").write_bytes((tmp_path / source).read_bytes())
    (tmp_path / "a.txt").write_text("notes")
    assert sorted(one.path for one in list_noises(tmp_path)[""]) == sorted(f"a{ending}" for ending in AUDIO_ENDINGS)


LISTS = {
    "train": ["water/0.wav", "water/1.wav", "traffic/0.wav"],
    "valid": ["water/2.wav", "traffic/1.wav"],
    "test": ["water/3.wav", "traffic/2.wav"],
}


@pytest.fixture
def listed(recordings: Path) -> Path:
    """The recordings of `LISTS`, a fifth one of water and one of wind that they do not name."""
    wave = np.random.default_rng(1).standard_normal(3 * RATE).astype(np.float32) * 0.1
    audio.write(recordings / "traffic" / "2.wav", wave, sample_rate=RATE)
    return recordings


def heard_files(made: Manifest) -> dict[str, set[str]]:
    """Return the files that the backgrounds of each split are made of."""
    splits: dict[str, set[str]] = {"train": set(), "valid": set(), "test": set()}
    for mixture in made.mixtures:
        splits[mixture.split] |= {layer.path for layer in layers(mixture.sources[1])}
    return splits


@pytest.mark.parametrize("seed", [0, 1])
def test_listed_recordings_keep_to_their_split_whatever_the_seed(corpus: Corpus, listed: Path, seed: int) -> None:
    root, utterances = corpus
    background = {"folder": str(listed), "kinds": ["water", "traffic", "wind", "gaussian"], "recordings": LISTS}
    settings = config(background={**background, "together": True}, n_train=30, n_valid=8, n_test=8)
    made = make_mixtures(utterances, settings, root=root, seed=seed)
    check_disjoint(made, "source")
    for split, files in heard_files(made).items():
        assert {path for path in files if path.split("/")[0] in ("water", "traffic")} == set(LISTS[split])
        # What no list names is drawn.
        assert "wind/0.wav" in files and any(path.startswith("gaussian/") for path in files)


def test_a_listed_recording_that_is_missing_is_named(corpus: Corpus, listed: Path) -> None:
    root, utterances = corpus
    (listed / "water" / "2.wav").unlink()
    settings = config(background={"folder": str(listed), "kinds": ["water"], "recordings": LISTS})
    with pytest.raises(InputError, match=r"background.recordings: water/2.wav not in .*: give a folder that has them"):
        make_mixtures(utterances, settings, root=root, seed=0)


def test_synthetic_backgrounds_need_no_lists(corpus: Corpus) -> None:
    root, utterances = corpus
    drawn = make_mixtures(utterances, config(), root=root, seed=0)
    with_lists = make_mixtures(utterances, config(background={"recordings": LISTS}), root=root, seed=0)
    assert drawn.mixtures == with_lists.mixtures


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": ["water/0.wav", "traffic/2.wav"]}, "water/0.wav stands in them twice: a recording is in one list"),
        ({"test": ["water/3.wav"]}, "test: lists no recording of the kind 'traffic': each list needs one"),
        ({"valid": []}, "valid"),
    ],
)
def test_lists_that_leak_or_leave_a_split_out_are_refused(changes: dict[str, list[str]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(RecordingLists, {**LISTS, **changes}, where="recordings")
