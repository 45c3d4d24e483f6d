"""Audio in and out: exact round trips, saturation, lengths, and blocks that equal the whole."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sepvae import audio
from sepvae.errors import ConfigError, InputError, OutputError
from sepvae.seeds import generator

SCALE = {"pcm16": 1 << 15, "pcm24": 1 << 23}


def noise(n_samples: int, n_channels: int = 1) -> audio.Wave:
    return (0.1 * generator(0, "noise", n_samples).standard_normal((n_channels, n_samples))).astype(np.float32)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the many examples of one property."""
    return tmp_path_factory.mktemp("audio")


@pytest.mark.parametrize(
    ("ending", "subtype"), [(".wav", "pcm16"), (".wav", "pcm24"), (".flac", "pcm16"), (".flac", "pcm24")]
)
@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_integers_survive_exactly(tmp_path: Path, ending: str, subtype: str, n_channels: int) -> None:
    scale = SCALE[subtype]
    whole = generator(0, "integers").integers(-scale, scale, (n_channels, 999))
    whole[:, :3] = [-scale, 0, scale - 1]
    wave = (whole / scale).astype(np.float32)
    assert audio.write(tmp_path / f"a{ending}", wave, sample_rate=8000, subtype=subtype) == 0
    found, rate = audio.read(tmp_path / f"a{ending}")
    assert rate == 8000 and np.array_equal(found, wave)
    info = audio.inspect(tmp_path / f"a{ending}")
    assert (info.n_channels, info.n_samples, info.duration_s) == (n_channels, 999, 999 / 8000)


def test_floats_survive_exactly_beyond_full_scale_too(tmp_path: Path) -> None:
    wave = noise(500, 2) * 100
    audio.write(tmp_path / "a.wav", wave, sample_rate=44100)
    assert np.array_equal(audio.read(tmp_path / "a.wav").wave, wave)


def test_the_same_samples_make_the_same_bytes(tmp_path: Path) -> None:
    """libsndfile notes the time of writing in float WAV unless it is told not to."""
    audio.write(tmp_path / "a.wav", noise(10), sample_rate=16000)
    assert b"PEAK" not in (tmp_path / "a.wav").read_bytes()[:100]


@pytest.mark.parametrize("subtype", ["pcm16", "pcm24"])
@given(data=st.data())
@settings(max_examples=40)
def test_what_lies_beyond_saturates_and_is_counted(shared: Path, subtype: str, data: st.DataObject) -> None:
    wave = data.draw(hnp.arrays(np.float32, st.integers(1, 20), elements=st.floats(-3, 3, width=32)))
    path, scale = shared / f"{subtype}.wav", SCALE[subtype]
    clipped = audio.write(path, wave, sample_rate=16000, subtype=subtype)
    found = audio.read(path).wave[0]
    assert clipped == (np.abs(wave) > 1).sum()
    assert np.abs(found - np.clip(wave, -1, 1 - 1 / scale)).max() <= 0.5 / scale + 1e-9
    assert audio.write(path, found, sample_rate=16000, subtype=subtype) == 0
    assert np.array_equal(audio.read(path).wave[0], found)


def test_full_scale_never_wraps(tmp_path: Path) -> None:
    for subtype, scale in SCALE.items():
        wave = np.array([1, -1, 1.5, -1.5, 1e30, -1e30], np.float32)
        assert audio.write(tmp_path / "a.wav", wave, sample_rate=16000, subtype=subtype) == 4
        expected = np.array([1 - 1 / scale, -1] * 3, np.float32)
        assert np.array_equal(audio.read(tmp_path / "a.wav").wave[0], expected)


TOLERANCES = {
    "PCM_U8": 1 / 128,
    "PCM_16": 1 / 32768,
    "PCM_24": 1e-6,
    "PCM_32": 1e-7,
    "FLOAT": 0,
    "DOUBLE": 0,
    "ULAW": 0.02,
}
CONTAINERS = ("WAV", "AIFF", "NIST", "RF64", "WAVEX", "CAF", "W64", "AU")
OTHERS = [(name, subtype) for name in CONTAINERS for subtype in TOLERANCES if soundfile.check_format(name, subtype)]


@pytest.mark.parametrize(("container", "subtype"), OTHERS)
def test_other_programs_files_are_read(tmp_path: Path, container: str, subtype: str) -> None:
    wave = noise(333, 2)  # odd sizes in bytes with 8 and 24 bits
    soundfile.write(tmp_path / "a.wav", wave.T, 16000, subtype=subtype, format=container)
    found, rate = audio.read(tmp_path / "a.wav")
    assert rate == 16000 and found.shape == (2, 333) and found.dtype == np.float32
    assert np.abs(found - wave).max() <= TOLERANCES[subtype]


@pytest.mark.parametrize(("ending", "n_samples"), [(".wav", 0), (".wav", 1), (".flac", 1), (".ogg", 1)])
def test_hardly_any_samples(tmp_path: Path, ending: str, n_samples: int) -> None:
    path = tmp_path / f"a{ending}"
    audio.write(path, np.zeros((1, n_samples), np.float32), sample_rate=16000)
    assert audio.read(path).wave.shape == (1, n_samples)
    assert sum(block.shape[1] for block in audio.read_blocks(path)) == n_samples


def test_flac_holds_no_recording_without_samples(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a.flac: this format holds no recording without samples: choose .wav"):
        audio.write(tmp_path / "a.flac", np.zeros((1, 0), np.float32), sample_rate=16000)
    assert list(tmp_path.iterdir()) == []


def test_ogg_keeps_length_and_sound(tmp_path: Path) -> None:
    wave = np.sin(np.arange(16000) / 20)[None].astype(np.float32) * 0.5
    audio.write(tmp_path / "a.ogg", wave, sample_rate=16000)
    found = audio.read(tmp_path / "a.ogg").wave
    assert found.shape == wave.shape and np.abs(found - wave).std() < 0.02


@pytest.mark.parametrize("ending", [".wav", ".flac"])
@pytest.mark.parametrize("block_samples", [1, 7, 100, 1000])
def test_blocks_and_ranges_equal_the_whole(tmp_path: Path, ending: str, block_samples: int) -> None:
    path = tmp_path / f"a{ending}"
    audio.write(path, noise(250, 2), sample_rate=16000, subtype="pcm16")
    whole = audio.read(path).wave
    blocks = list(audio.read_blocks(path, block_samples=block_samples))
    assert np.array_equal(np.concatenate(blocks, axis=1), whole)
    assert max(block.shape[1] for block in blocks) <= block_samples
    for start, count in ((0, 250), (0, 0), (250, 0), (249, 1), (17, 100)):
        assert np.array_equal(audio.read(path, start=start, n_samples=count).wave, whole[:, start : start + count])


@pytest.mark.parametrize(("start", "n_samples"), [(-1, 5), (0, 11), (11, 0), (5, -1), (10**12, 1)])
def test_ranges_outside_the_file_are_refused(tmp_path: Path, start: int, n_samples: int) -> None:
    audio.write(tmp_path / "a.wav", noise(10), sample_rate=16000)
    with pytest.raises(InputError, match=rf"a.wav: samples {start} to {start + n_samples} asked for, the file has 10"):
        audio.read(tmp_path / "a.wav", start=start, n_samples=n_samples)


def test_mono_at_a_rate_is_checked(tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", noise(10), sample_rate=16000)
    audio.write(tmp_path / "b.wav", noise(10, 2), sample_rate=16000)
    assert np.array_equal(audio.read_mono(tmp_path / "a.wav", 16000), noise(10)[0])
    with pytest.raises(InputError, match=r"a.wav: is sampled at 16000 Hz, expected 8000 Hz: resample it first"):
        audio.read_mono(tmp_path / "a.wav", 8000)
    with pytest.raises(InputError, match=r"b.wav: has 2 channels, expected one: mix it down first"):
        audio.read_mono(tmp_path / "b.wav", 16000)


RATES = st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000])


@given(n_samples=st.integers(0, 3000), from_rate=RATES, to_rate=RATES, n_channels=st.integers(1, 2))
@settings(max_examples=30)
def test_resampling_keeps_the_promised_length_in_memory_and_in_files(
    shared: Path, n_samples: int, from_rate: int, to_rate: int, n_channels: int
) -> None:
    wave = noise(n_samples, n_channels)
    changed = audio.resample(wave, from_rate=from_rate, to_rate=to_rate)
    assert changed.shape == (n_channels, round(n_samples * to_rate / from_rate)) and changed.dtype == np.float32
    audio.write(shared / "in.wav", wave, sample_rate=from_rate)
    audio.resample_file(shared / "in.wav", shared / "out.wav", to_rate=to_rate)
    found, rate = audio.read(shared / "out.wav")
    assert rate == to_rate and found.shape == changed.shape
    assert np.abs(found - changed).max(initial=0) < 1e-6


def test_resampling_keeps_a_tone_and_removes_what_would_alias() -> None:
    time = np.arange(48000) / 48000
    low, high = (np.sin(2 * np.pi * f * time).astype(np.float32) for f in (1000, 11000))
    expected = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    inner = slice(1000, -1000)
    assert np.abs(audio.resample(low, from_rate=48000, to_rate=16000) - expected)[inner].max() < 1e-4
    assert np.abs(audio.resample(high, from_rate=48000, to_rate=16000))[inner].max() < 1e-4


def test_long_files_are_resampled_block_by_block_to_any_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wave = noise(10_000, 2)
    audio.write(tmp_path / "in.wav", wave, sample_rate=16000)
    monkeypatch.setattr(audio.readers, "_BLOCK_SAMPLES", 999)
    monkeypatch.setattr(audio.read_blocks, "__kwdefaults__", {"block_samples": 999})
    audio.resample_file(tmp_path / "in.wav", tmp_path / "out.wav", to_rate=8000)
    expected = audio.resample(wave, from_rate=16000, to_rate=8000)
    assert np.abs(audio.read(tmp_path / "out.wav").wave - expected).max() < 1e-6
    for n_samples in (0, 4999, 5001, 7000):
        audio.resample_file(tmp_path / "in.wav", tmp_path / "cut.wav", to_rate=8000, n_samples=n_samples)
        found = audio.read(tmp_path / "cut.wav").wave
        assert found.shape == (2, n_samples)
        assert np.abs(found[:, :5000] - expected[:, : min(n_samples, 5000)]).max(initial=0) < 1e-6
        assert not found[:, 5000:].any()


@pytest.mark.parametrize(("to_rate", "n_samples"), [(0, None), (-8000, None), (8000, -1)])
def test_impossible_rates_and_lengths_are_refused(tmp_path: Path, to_rate: int, n_samples: int | None) -> None:
    audio.write(tmp_path / "in.wav", noise(10), sample_rate=16000)
    with pytest.raises(ConfigError, match=rf"out.wav: cannot resample to {to_rate} Hz and {n_samples} samples"):
        audio.resample_file(tmp_path / "in.wav", tmp_path / "out.wav", to_rate=to_rate, n_samples=n_samples)
    with pytest.raises(ConfigError, match=r"sample rates must be positive, received 0 and 8000 Hz"):
        audio.resample(noise(10), from_rate=0, to_rate=8000)


@pytest.mark.parametrize(("name", "subtype"), [("a.mp3", "float"), ("a", "pcm16"), ("a.wav", "PCM_16"), ("a.wav", "")])
def test_unknown_endings_and_subtypes_are_refused(tmp_path: Path, name: str, subtype: str) -> None:
    words = r"endings are \.wav, \.flac, \.ogg, subtypes float, pcm16, pcm24"
    with pytest.raises(ConfigError, match=rf"{name}: cannot write '{subtype}' into .*: {words}"):
        audio.write(tmp_path / name, noise(10), sample_rate=16000, subtype=subtype)


@pytest.mark.parametrize(
    ("name", "n_channels", "sample_rate"),
    [
        ("a.flac", 9, 16000),
        ("a.wav", 0, 16000),
        ("a.ogg", 1, 200_001),
        ("a.ogg", 256, 16000),
    ],
)
def test_what_a_container_cannot_hold_is_refused(tmp_path: Path, name: str, n_channels: int, sample_rate: int) -> None:
    with pytest.raises(ConfigError, match=rf"cannot hold {n_channels} channels at {sample_rate} Hz: choose another"):
        audio.write(tmp_path / name, np.zeros((n_channels, 10), np.float32), sample_rate=sample_rate)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
@pytest.mark.parametrize("sample_rate", [-1, 0, 1, 500, 999, 384_001, 400_000, 1 << 30, 1 << 40])
def test_no_rate_is_written_that_is_not_read(tmp_path: Path, name: str, sample_rate: int) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: .* at {sample_rate} Hz, and 1000 to 384000 Hz are read: choose"):
        audio.write(tmp_path / name, noise(100), sample_rate=sample_rate)
    with pytest.raises(ConfigError, match="are read: choose another rate"):
        audio.check_format(tmp_path / name, sample_rate=sample_rate, n_channels=1, n_samples=100)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
@pytest.mark.parametrize("sample_rate", [1000, 384_000])
def test_every_rate_that_is_read_is_written(tmp_path: Path, name: str, sample_rate: int) -> None:
    audio.write(tmp_path / name, noise(100), sample_rate=sample_rate)
    assert audio.inspect(tmp_path / name).sample_rate == sample_rate


def test_a_minute_of_ogg_is_written_at_once(tmp_path: Path) -> None:
    """libsndfile crashes on so many samples in one call."""
    audio.write(tmp_path / "a.ogg", noise(60 * 48_000, 2), sample_rate=48_000)
    assert audio.inspect(tmp_path / "a.ogg").n_samples == 60 * 48_000


def test_integers_and_swapped_axes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*a.wav: received samples of type int16, expected floats in"):
        audio.write(tmp_path / "a.wav", np.ones(10, np.int16), sample_rate=16000)
    with pytest.raises(ConfigError, match=r"16000 channels at 16000 Hz: .*\(samples are \(channels, time\)\)"):
        audio.write(tmp_path / "a.wav", noise(16000, 2).T, sample_rate=16000)
    assert list(tmp_path.iterdir()) == []


def test_bad_samples_are_not_written(tmp_path: Path) -> None:
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(OutputError, match=r"a.wav: refusing to write NaN or infinite samples"):
            audio.write(tmp_path / "a.wav", np.array([0, bad]), sample_rate=16000, subtype="pcm16")
    with pytest.raises(InputError, match=r"a.wav: received samples of shape \(2, 3, 4\), expected \(2, time\)"):
        audio.write(tmp_path / "a.wav", np.zeros((2, 3, 4)), sample_rate=16000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("subtype", ["float", "pcm16", "pcm24"])
def test_wav_files_beyond_4_gib_are_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subtype: str) -> None:
    """4000 bytes stand for 4 GiB."""
    monkeypatch.setattr(audio.writers, "_MAX_WAV_BYTES", 4000)
    width = {"float": 4, "pcm16": 2, "pcm24": 3}[subtype]
    for n_samples, container in ((4000 // width, "WAV"), (4000 // width + 1, "RF64")):
        audio.write(tmp_path / "a.wav", noise(n_samples), sample_rate=16000, subtype=subtype)
        assert audio.inspect(tmp_path / "a.wav").container == container
        found = audio.read(tmp_path / "a.wav").wave
        assert found.shape == (1, n_samples) and np.abs(found - noise(n_samples)).max() < 1e-4
        data = audio.encode(noise(n_samples), sample_rate=16000, container="WAV", subtype=subtype)
        assert data == (tmp_path / "a.wav").read_bytes()


def test_a_length_that_is_not_known_becomes_what_it_needs(tmp_path: Path) -> None:
    """libsndfile makes WAV of RF64 that stayed small when it closes the file."""
    with audio.writing(tmp_path / "a.wav", sample_rate=16000, n_channels=1) as file:
        for _ in range(3):
            file.write(noise(1000))
    info = audio.inspect(tmp_path / "a.wav")
    assert (info.container, info.n_samples, info.note) == ("WAVEX", 3000, "")
    assert (tmp_path / "a.wav").read_bytes()[:4] == b"RIFF"
    assert np.array_equal(audio.read(tmp_path / "a.wav").wave, np.tile(noise(1000), 3))


def test_more_samples_than_promised_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"a.wav: received 1001 samples, 1000 were promised"),
        audio.writing(tmp_path / "a.wav", sample_rate=16000, n_channels=1, n_samples=1000) as file,
    ):
        file.write(noise(1000))
        file.write(noise(1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.mp3", {}, r"a.mp3: cannot write 'float' into '.mp3'"),
        ("a.wav", {"subtype": "pcm8"}, r"a.wav: cannot write 'pcm8'"),
        ("a.wav", {"n_channels": 1025}, r"a.wav: WAV cannot hold 1025 channels at 16000 Hz"),
        ("a.ogg", {"sample_rate": 200_001}, r"a.ogg: OGG cannot hold 1 channels at 200001 Hz"),
        ("a.flac", {"n_samples": 1 << 36}, r"a.flac: this format holds no 68719476736 samples: choose .wav"),
        ("a.flac", {"n_samples": 0}, r"a.flac: this format holds no recording without samples: choose .wav"),
    ],
)
def test_what_cannot_be_written_is_known_before_there_are_samples(
    tmp_path: Path, name: str, options: dict[str, Any], words: str
) -> None:
    wanted = {"sample_rate": 16000, "n_channels": 1, "n_samples": 1000, **options}
    with pytest.raises((ConfigError, OutputError), match=words):
        audio.check_format(tmp_path / name, **wanted)
    with pytest.raises((ConfigError, OutputError), match=words), audio.writing(tmp_path / name, **wanted):
        pytest.fail("the file was opened")
    assert audio.check_format("a.wav", sample_rate=16000, n_channels=2, n_samples=10, subtype="pcm24") == 60


def test_flac_in_memory_is_what_a_page_plays() -> None:
    wave = noise(100)[0]
    found, rate = soundfile.read(io.BytesIO(audio.encode(wave, sample_rate=16000)), dtype="float32")
    assert rate == 16000 and np.abs(found - wave).max() <= 0.5 / 32768


@pytest.mark.parametrize(
    ("container", "subtype"), [("WAV", "pcm16"), ("WAV", "float"), ("FLAC", "pcm16"), ("FLAC", "pcm24")]
)
def test_a_file_in_memory_is_the_file_on_disk(tmp_path: Path, container: str, subtype: str) -> None:
    wave = np.random.default_rng(0).uniform(-1.2, 1.2, (2, 5000)).astype(np.float32)
    audio.write(tmp_path / f"disk.{container.lower()}", wave, sample_rate=16000, subtype=subtype)
    memory = tmp_path / f"memory.{container.lower()}"
    memory.write_bytes(audio.encode(wave, sample_rate=16000, container=container, subtype=subtype))
    expected = audio.read(tmp_path / f"disk.{container.lower()}").wave
    assert np.array_equal(audio.read(memory).wave, expected)
    assert audio.encode(wave, sample_rate=16000, container=container, subtype=subtype) == memory.read_bytes()


def test_a_container_that_cannot_hold_the_audio_is_named() -> None:
    with pytest.raises(ConfigError, match="FLAC cannot hold 9 channels at 16000 Hz as pcm16: choose another format"):
        audio.encode(np.zeros((9, 100), np.float32), sample_rate=16000)


@pytest.mark.parametrize("rate", [1, 7, 999, 384_001, 2_000_000_000])
def test_rates_that_no_recording_has(tmp_path: Path, rate: int) -> None:
    """From 1 Hz a recording of some samples would become one of hours when it is resampled."""
    path = tmp_path / "odd.wav"
    soundfile.write(path, np.zeros(100), rate)
    with pytest.raises(InputError, match=rf"odd\.wav: is sampled at {rate} Hz, and 1000 to 384000 Hz are read"):
        audio.inspect(path)
