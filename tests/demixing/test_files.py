"""Recordings of several microphones from files: one of several channels, or one for each microphone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sepvae import audio
from sepvae.demixing.algorithm import AlgorithmChoice
from sepvae.demixing.demixer import Demixer
from sepvae.demixing.files import demix_files, read_microphones
from sepvae.errors import ConfigError, InputError, OutputError

RATE = 8000
SETTINGS = {"iterations": 3, "start_iterations": 6}


@pytest.fixture(scope="module")
def heard(voices_of: Callable[..., Any], hear: Callable[..., Any]) -> Any:
    return hear(voices_of("hum", "hiss"), {"hum": (1.3,), "hiss": (-1.1,)})


@pytest.fixture(scope="module")
def demixer(voice_model: Path) -> Demixer:
    return Demixer.load(voice_model, AlgorithmChoice.of("fastmvae2_refined", SETTINGS))


def write(folder: Path, name: str, wave: Any, rate: int = RATE) -> Path:
    audio.write(folder / name, wave, sample_rate=rate)
    return folder / name


def test_one_file_or_one_for_each_microphone(heard: Any, demixer: Demixer, tmp_path: Path) -> None:
    whole = write(tmp_path, "both.wav", heard)
    parts = [write(tmp_path, f"{n}.wav", heard[n]) for n in range(2)]
    one = demix_files(demixer, [whole], tmp_path / "one")
    other = demix_files(demixer, parts, tmp_path / "other")
    assert list(one.outputs) == ["talker_1", "talker_2"]
    assert (one.n_channels, one.n_samples, one.sample_rate, one.resampled_to) == (2, heard.shape[1], RATE, None)
    assert (one.iterations, one.clipped_samples) == (3, 0)
    assert other.paths == tuple(map(str, parts))
    for name, path in one.outputs.items():
        assert Path(path) == tmp_path / "one" / f"{name}.wav"
        np.testing.assert_array_equal(audio.read(path).wave, audio.read(other.outputs[name]).wave)
    total = sum(audio.read(path).wave for path in one.outputs.values())
    np.testing.assert_allclose(total[0], heard[0], atol=1e-6)


@pytest.mark.parametrize(("rate", "n_samples"), [(44100, 60001), (4000, 8001)])
def test_another_rate_is_resampled_there_and_back(
    heard: Any, demixer: Demixer, tmp_path: Path, rate: int, n_samples: int
) -> None:
    wave = audio.resample(heard, from_rate=RATE, to_rate=rate)
    wave = np.pad(wave, ((0, 0), (0, max(0, n_samples - wave.shape[1]))))[:, :n_samples]
    made = demix_files(demixer, [write(tmp_path, "a.wav", wave, rate)], tmp_path / "out")
    assert (made.sample_rate, made.resampled_to, made.n_samples) == (rate, RATE, n_samples)
    parts = [audio.read(path) for path in made.outputs.values()]
    assert {(part.sample_rate, part.wave.shape) for part in parts} == {(rate, (1, n_samples))}
    # What a model at 8 kHz can hear of it adds up.
    back = audio.resample(audio.resample(wave, from_rate=rate, to_rate=RATE), from_rate=RATE, to_rate=rate)
    total = sum(part.wave[0] for part in parts)
    length = min(len(total), back.shape[1])
    np.testing.assert_allclose(total[:length], back[0, :length], atol=2e-3)


def test_channels_can_be_chosen(heard: Any, demixer: Demixer, tmp_path: Path) -> None:
    path = write(tmp_path, "four.wav", np.stack([0 * heard[0], heard[1], heard[0], heard[0]]))
    wave, rate = read_microphones([path], [2, 1])
    assert rate == RATE
    np.testing.assert_array_equal(wave, heard)
    made = demix_files(demixer, [path], tmp_path / "out", channels=[2, 1])
    assert made.n_channels == 2
    for missing in (4, -1):
        with pytest.raises(InputError, match=rf"four.wav: has no channel {missing}: there are 4, counted from 0"):
            read_microphones([path], [missing])
    with pytest.raises(InputError, match=r"four.wav: channel 0 of the recording is silent.*--channels"):
        demix_files(demixer, [path], tmp_path / "none")
    with pytest.raises(InputError, match="channels 2 and 3 of the recording are identical"):
        demix_files(demixer, [path], tmp_path / "none", channels=[1, 2, 3])
    assert not (tmp_path / "none").exists()


def test_speakers_name_the_outputs(heard: Any, demixer: Demixer, tmp_path: Path) -> None:
    path = write(tmp_path, "a.wav", heard)
    made = demix_files(demixer, [path], tmp_path / "out", speakers=["hiss", "hum"], subtype="pcm16")
    assert list(made.outputs) == list(made.likely) == ["hiss", "hum"]
    assert audio.inspect(made.outputs["hum"]).subtype == "PCM_16"
    with pytest.raises(ConfigError, match="the model was not trained on zoe"):
        demix_files(demixer, [path], tmp_path / "none", speakers=["zoe", "hum"])
    with pytest.raises(ConfigError, match=r"'\.\./hum' cannot name a file"):
        demix_files(demixer, [path], tmp_path / "none", speakers=["../hum", "hiss"])


def test_what_saturates_is_counted(heard: Any, demixer: Demixer, tmp_path: Path) -> None:
    made = demix_files(demixer, [write(tmp_path, "a.wav", 30 * heard)], tmp_path / "out", subtype="pcm24")
    assert made.clipped_samples > 0
    assert max(np.abs(audio.read(path).wave).max() for path in made.outputs.values()) <= 1


def test_outputs_are_not_overwritten_unasked(heard: Any, demixer: Demixer, tmp_path: Path) -> None:
    path, old = write(tmp_path, "a.wav", heard), tmp_path / "out/talker_2.wav"
    old.parent.mkdir()
    old.write_text("mine")
    # Before any work is done.
    with pytest.raises(OutputError, match=r"talker_2.wav exists: pass --overwrite to replace it"):
        demix_files(demixer, [path], tmp_path / "out")
    assert old.read_text() == "mine"
    assert not (tmp_path / "out/talker_1.wav").exists()
    demix_files(demixer, [path], tmp_path / "out", overwrite=True)
    assert audio.inspect(old).n_samples == heard.shape[1]


def test_microphones_share_rate_and_length(heard: Any, tmp_path: Path) -> None:
    first = write(tmp_path, "first.wav", heard[0])
    with pytest.raises(InputError, match=r"fast.wav: is sampled at 16000 Hz, .*first.wav at 8000 Hz: microphones of"):
        read_microphones([first, write(tmp_path, "fast.wav", heard[1], 16000)])
    with pytest.raises(InputError, match=r"short.wav: has 11990 samples, .*first.wav has 12000"):
        read_microphones([first, write(tmp_path, "short.wav", heard[1, 10:])])
    with pytest.raises(InputError, match=r"gone.wav: no such file"):
        read_microphones([first, tmp_path / "gone.wav"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nan", "NaN or infinite"),
        ("mono", "has one channel.*--microphones"),
        ("short", "too few"),
        ("empty", "silent|few"),
    ],
)
def test_bad_recordings_are_named(heard: Any, demixer: Demixer, tmp_path: Path, name: str, message: str) -> None:
    import soundfile

    wave = {"nan": heard.copy(), "mono": heard[:1], "short": heard[:, :300], "empty": heard[:, :0]}[name]
    if name == "nan":
        wave[1, 5] = np.nan
    path = tmp_path / f"{name}.wav"
    soundfile.write(path, wave.T, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=rf"{name}.wav: .*({message})"):
        demix_files(demixer, [path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_told_before_the_work(
    heard: Any, demixer: Demixer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "a.wav", heard)
    monkeypatch.setattr("sepvae.audio.space.shutil.disk_usage", lambda _: SimpleNamespace(total=10**9, free=1000))
    monkeypatch.setattr(Demixer, "separate", lambda *_, **__: pytest.fail("the recording was demixed"))
    with pytest.raises(OutputError, match=r"cannot write into .*out: the disk is full: .* are needed, 1.0 kB are free"):
        demix_files(demixer, [path], tmp_path / "out")
    assert not (tmp_path / "out").exists()
