"""Mixtures in rooms: what several microphones hear, rebuilt from the manifest, and comparable from room to room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sepvae import audio
from sepvae.config import parse_config
from sepvae.corpora.records import Utterance
from sepvae.errors import ConfigError, InputError
from sepvae.mixing import rooms
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.manifest import Manifest, Mixture, read_manifest, write_manifest
from sepvae.mixing.mixture import render, source_wave, write_mixtures
from sepvae.mixing.protocol import make_mixtures
from sepvae.mixing.rooms import images_of, impulse_responses
from sepvae.mixing.single_source import source_mixtures

pytest.importorskip("pyroomacoustics")
RATE = 8000
Corpus = tuple[Path, list[Utterance]]


def make(corpus: Corpus, *, seed: int = 0, **changes: Any) -> Manifest:
    small = {"sample_rate": RATE, "n_train": 2, "n_valid": 1, "n_test": 2, "room": {}}
    config = parse_config(MixingConfig, {**small, **changes}, where="test")
    return make_mixtures(corpus[1], config, root=corpus[0], seed=seed)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven measured places, three microphones; each hears a click, later and weaker to one side, and a tail."""
    folder = tmp_path_factory.mktemp("office")
    random = np.random.default_rng(0)
    for azimuth in range(-90, 91, 30):
        wave = np.exp(-np.arange(800) / 100) * random.normal(0, 0.02, (3, 800))
        for microphone in range(3):
            wave[microphone, 20 + round(abs(azimuth) / 30) + microphone] += 1 - 0.2 * microphone
        audio.write(folder / f"office_az{azimuth:+03}.wav", wave.astype(np.float32), sample_rate=RATE)
    return folder


def dry_of(mixture: Mixture, root: Path) -> list[np.ndarray]:
    facts = {"root": root, "n_samples": mixture.n_samples, "sample_rate": mixture.sample_rate}
    return [source_wave(source, **facts) for source in mixture.sources]


def level(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(wave.astype(np.float64) ** 2)))


def said(manifest: Manifest) -> list[Any]:
    """Return what is said in each mixture: sources without their levels."""
    return [
        (m.id, m.n_samples, [(s.name, s.path, s.start, s.n_samples, s.offset) for s in m.sources])
        for m in manifest.mixtures
    ]


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    sources=st.sampled_from([("female", "male"), ("any",), ("speech", "background"), ("any", "any", "any")]),
    n_microphones=st.integers(1, 4),
    length=st.sampled_from(["min", "max"]),
)
def test_images_add_up_and_sources_are_those_of_the_reference(
    corpus: Corpus, seed: int, sources: tuple[str, ...], n_microphones: int, length: str
) -> None:
    room = {"n_microphones": n_microphones, "size_m": [[3, 5], [3, 5], 2.5]}
    made = make(corpus, seed=seed, sources=sources, room=room, length=length, n_train=1, n_test=1, snr_db=[-3, 3])
    for mixture in made.mixtures:
        heard = render(mixture, corpus[0])
        assert heard.channels is not None and heard.images is not None and heard.noise is None
        assert heard.channels.shape == (n_microphones, mixture.n_samples) and heard.channels.dtype == np.float32
        assert list(heard.images) == list(heard.sources) == [source.name for source in mixture.sources]
        total = np.zeros_like(heard.channels)
        for image in heard.images.values():
            assert image.dtype == np.float32
            total += image
        assert total.tobytes() == heard.channels.tobytes()
        assert heard.mixture.tobytes() == heard.channels[0].tobytes()
        for name, wave in heard.sources.items():
            assert wave.tobytes() == heard.images[name][0].tobytes()


def test_images_are_the_dry_sources_in_the_room(corpus: Corpus) -> None:
    mixture = make(corpus).mixtures[0]
    heard, scene = render(mixture, corpus[0]), mixture.scene
    assert scene is not None and heard.images is not None
    responses = impulse_responses(scene, sample_rate=RATE)
    for image, dry, response, gain in zip(
        heard.images.values(), dry_of(mixture, corpus[0]), responses, scene.gains, strict=True
    ):
        for channel, taps in zip(image, response, strict=True):
            expected = gain * np.convolve(dry.astype(np.float64), taps.astype(np.float64))[: len(dry)]
            np.testing.assert_allclose(channel, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("reference", [0, 1])
def test_another_reference_is_another_microphone_of_the_same_images(corpus: Corpus, reference: int) -> None:
    mixture = make(corpus).mixtures[0]
    assert mixture.scene is not None
    other = mixture.model_copy(update={"scene": mixture.scene.model_copy(update={"reference": reference})})
    first, second = render(mixture, corpus[0]), render(other, corpus[0])
    assert first.channels is not None and second.channels is not None and second.images is not None
    assert first.channels.tobytes() == second.channels.tobytes()
    assert second.mixture.tobytes() == second.channels[reference].tobytes()
    assert all(second.sources[name].tobytes() == second.images[name][reference].tobytes() for name in second.sources)


@pytest.mark.parametrize("length", ["min", "max"])
def test_levels_are_those_at_the_reference(corpus: Corpus, length: str) -> None:
    for mixture in make(corpus, level_rms=0.02, snr_db=[6, 6], length=length, duration_s=[2, 5]).mixtures:
        heard = render(mixture, corpus[0])
        levels = [
            level(heard.sources[source.name][source.offset : source.offset + source.n_samples])
            for source in mixture.sources
        ]
        # In the stretch in which they speak, as without a room.
        assert levels == pytest.approx([0.02, 0.02 * 10**-0.3], rel=1e-5)


def test_nothing_clips_at_any_microphone(corpus: Corpus) -> None:
    for mixture in make(corpus, level_rms=0.5, room={"n_microphones": 4}).mixtures:
        heard = render(mixture, corpus[0])
        assert heard.channels is not None and heard.images is not None
        peaks = [float(np.abs(wave).max()) for wave in (heard.channels, *heard.images.values())]
        assert max(peaks) == pytest.approx(0.99, abs=1e-5)
        first, second = heard.sources.values()
        assert level(first) == pytest.approx(level(second), rel=1e-5)


def test_the_same_is_said_in_every_room_and_in_none(corpus: Corpus, office: Path) -> None:
    kinds = [
        None,
        {},
        {"rt60_s": 0.3},
        {"n_microphones": 3, "array": "circular"},
        {"kind": "measured", "folder": str(office)},
    ]
    manifests = [make(corpus, room=room) for room in kinds]
    assert all(said(manifest) == said(manifests[0]) for manifest in manifests)
    # The dry sources are the same to the bit, so that models of clean speech are too.
    dry = [m.sources for m in manifests[0].mixtures]
    assert all([m.sources for m in manifest.mixtures] == dry for manifest in manifests)
    for one, two in zip(manifests[1].mixtures, manifests[2].mixtures, strict=True):
        assert one.scene is not None and two.scene is not None
        assert (one.scene.microphones_m, one.scene.sources_m) == (two.scene.microphones_m, two.scene.sources_m)
    assert all(mixture.scene is None for mixture in manifests[0].mixtures)
    assert len({mixture.scene for mixture in manifests[1].mixtures}) == len(manifests[1].mixtures)


def test_more_mixtures_leave_the_rooms_of_the_others_alone(corpus: Corpus) -> None:
    assert make(corpus, n_train=4).of_split("train")[:2] == make(corpus).of_split("train")


@pytest.mark.parametrize("measured", [False, True])
def test_a_manifest_in_rooms_survives_the_disk_bit_for_bit(
    corpus: Corpus, office: Path, tmp_path: Path, measured: bool
) -> None:
    made = make(corpus, room={"kind": "measured", "folder": str(office)} if measured else {"rt60_s": 0.2})
    before = [render(mixture, corpus[0]) for mixture in made.mixtures]
    write_manifest(tmp_path / "m.jsonl", made)
    again = read_manifest(tmp_path / "m.jsonl")
    assert again == made
    assert any("simulated by pyroomacoustics" in note for note in again.header.notes) != measured
    rooms._simulated.cache_clear()
    rooms._load.cache_clear()
    for one, mixture in zip(before, again.mixtures, strict=True):
        two = render(mixture, corpus[0])
        assert one.channels is not None and two.channels is not None
        assert one.channels.tobytes() == two.channels.tobytes()


def test_measured_places_are_heard_by_their_microphones(corpus: Corpus, office: Path) -> None:
    mixture = make(corpus, room={"kind": "measured", "folder": str(office)}).mixtures[0]
    heard, scene = render(mixture, corpus[0]), mixture.scene
    assert scene is not None and heard.channels is not None and heard.images is not None
    assert heard.channels.shape[0] == 3
    responses = [audio.read(office / name).wave for name in scene.files]
    for image, dry, response, gain in zip(
        heard.images.values(), dry_of(mixture, corpus[0]), responses, scene.gains, strict=True
    ):
        np.testing.assert_array_equal(image, images_of(dry, response, gain))


def test_a_changed_response_is_named(corpus: Corpus, office: Path, tmp_path: Path) -> None:
    for path in office.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    mixture = make(corpus, room={"kind": "measured", "folder": str(tmp_path)}).mixtures[0]
    assert mixture.scene is not None
    (tmp_path / mixture.scene.files[1]).unlink()
    with pytest.raises(InputError, match="no such impulse response"):
        render(mixture, corpus[0])


def test_what_arrives_after_the_end_is_an_error(corpus: Corpus, tmp_path: Path) -> None:
    for name in ("az0.wav", "az90.wav"):
        late = np.zeros((2, 9 * RATE), np.float32)
        late[:, -1] = 1
        audio.write(tmp_path / name, late, sample_rate=RATE)
    with pytest.raises(InputError, match=r"\.wav: is not heard in its room before it ends"):
        make(corpus, room={"kind": "measured", "folder": str(tmp_path)})


def test_clean_speech_stays_dry(corpus: Corpus) -> None:
    in_rooms, dry = make(corpus, n_train=4), make(corpus, n_train=4, room=None)
    alone = source_mixtures(in_rooms.of_split("train"), "male")
    assert alone == source_mixtures(dry.of_split("train"), "male")
    for one in alone:
        assert one.scene is None and render(one, corpus[0]).channels is None


def test_files_have_a_channel_for_each_microphone(corpus: Corpus, tmp_path: Path) -> None:
    made = make(corpus, room={"n_microphones": 3})
    write_mixtures(made, corpus[0], tmp_path)
    mixture = made.of_split("test")[0]
    heard = render(mixture, corpus[0])
    assert heard.channels is not None and heard.images is not None
    for kind, wave in {"mixture": heard.channels, **heard.images}.items():
        assert audio.read(tmp_path / "test" / kind / f"{mixture.id}.wav").wave.tobytes() == wave.tobytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mixture_path": "ready.wav"}, "a mixture in a room has neither noise nor a ready mixture"),
        ({"sources": 1}, "scene: has places for 2 sources, there are 1"),
    ],
)
def test_a_mixture_that_does_not_fit_its_room(corpus: Corpus, changes: dict[str, Any], message: str) -> None:
    record = make(corpus).mixtures[0].to_json()
    if "sources" in changes:
        changes = {"sources": record["sources"][:1]}
    with pytest.raises(ConfigError, match=message):
        parse_config(Mixture, {**record, **changes}, where="line 2")


def test_the_office_at_hand_mixes(corpus: Corpus, corpora: Path) -> None:
    folder = corpora / "rir" / "surrey-room-a"
    if not folder.is_dir():
        pytest.skip(f"no measured impulse responses at {folder}")
    made = make(corpus, room={"kind": "measured", "folder": str(folder), "min_angle_deg": 60})
    for mixture in made.mixtures:
        assert mixture.scene is not None
        one, two = mixture.scene.azimuths_deg
        assert one is not None and two is not None and abs(one - two) >= 60
        heard = render(mixture, corpus[0])
        assert heard.channels is not None and heard.channels.shape == (2, mixture.n_samples)
        assert level(heard.sources["female"]) == pytest.approx(0.05, rel=1e-5)
