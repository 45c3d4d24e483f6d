"""`sepvae demix` as a user meets it: several microphones, and what goes wrong with them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sepvae import audio
from sepvae.cli import main
from sepvae.demixing import ALGORITHMS

RATE = 8000
# For models; blind algorithms have a window of their own.
FEW = ("--set", "iterations=3", "--set", "start_iterations=6", "-d", "cpu")
SHORT = ("--set", "stft={window_ms: 32, hop_ms: 8}", "--set", "iterations=3", "-d", "cpu")


@pytest.fixture(scope="module")
def heard(voices_of: Callable[..., Any], hear: Callable[..., Any]) -> Any:
    return hear(voices_of("hum", "hiss"), {"hum": (1.3,), "hiss": (-1.1,)})


@pytest.fixture
def recording(heard: Any, tmp_path: Path) -> Path:
    audio.write(tmp_path / "two.wav", heard, sample_rate=RATE)
    return tmp_path / "two.wav"


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Run a verb in this process; returns its exit code and what it printed."""

    def run(*arguments: object, out: str = "out", verb: str = "demix") -> tuple[int, str, str]:
        try:
            code = main([verb, *map(str, arguments), "-o", str(tmp_path / out)])
        except SystemExit as error:
            code = int(error.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_talkers_become_files(program: Any, voice_model: Path, recording: Path, heard: Any, tmp_path: Path) -> None:
    done = program("demix", recording, "-m", voice_model, "--algorithm", "fastmvae2", *FEW, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert [p.relative_to(tmp_path) for p in paths] == [Path(f"out/two/talker_{n}.wav") for n in (1, 2)]
    np.testing.assert_allclose(sum(audio.read_mono(p, RATE) for p in paths), heard[0], atol=1e-6)
    assert "talker_1: sounds most like h" in done.stderr


def test_speakers_who_are_known(call: Call, voice_model: Path, recording: Path) -> None:
    command = (recording, "-m", voice_model, "--algorithm", "mvae", *FEW, "--speakers", "hiss,hum")
    code, out, err = call(*command)
    assert code == 0, err
    assert [Path(line).name for line in out.splitlines()] == ["hiss.wav", "hum.wav"]
    assert "hiss: sounds most like hiss (probability 0." in err
    # The wrong ones are named with those there are.
    for wrong, message in (
        (("--speakers", "hiss,zoe"), "the model was not trained on zoe, but on hiss, hum"),
        (("--speakers", "hum,hum"), "speakers: hum, hum: each of them talks once"),
        (("--talkers", "3"), "n_sources = 3: 2 speakers are named"),
    ):
        code, out, err = call(*command, *wrong, out="none")
        assert (code, out) == (2, "")
        assert message in err


def test_records_for_programs_at_another_rate(call: Call, voice_model: Path, heard: Any, tmp_path: Path) -> None:
    wave = audio.resample(heard, from_rate=RATE, to_rate=44100)[:, :66001]
    audio.write(tmp_path / "fast.wav", wave, sample_rate=44100)
    command = (tmp_path / "fast.wav", tmp_path / "gone.wav", "-m", voice_model, "--algorithm", "fastmvae", *FEW)
    code, out, err = call(*command, "--json", "--subtype", "pcm16")
    assert code == 1
    assert "fast.wav: resampled from 44100 to 8000 Hz and back" in err
    assert "1 of 2 recordings failed" in err
    made, failed = map(json.loads, out.splitlines())
    assert "gone.wav: no such file" in failed["error"]
    assert failed["paths"] == [str(tmp_path / "gone.wav")]
    assert (made["sample_rate"], made["resampled_to"], made["n_channels"], made["iterations"]) == (44100, RATE, 2, 3)
    assert set(made["likely"]) == set(made["outputs"]) == {"talker_1", "talker_2"}
    info = audio.inspect(made["outputs"]["talker_1"])
    assert (info.sample_rate, info.n_samples, info.n_channels, info.subtype) == (44100, 66001, 1, "PCM_16")


def test_a_file_for_each_microphone(call: Call, heard: Any, recording: Path, tmp_path: Path) -> None:
    for number, channel in enumerate(heard):
        audio.write(tmp_path / f"mic{number}.wav", channel, sample_rate=RATE)
    microphones = (tmp_path / "mic0.wav", tmp_path / "mic1.wav", "--algorithm", "auxiva", *SHORT)
    code, out, err = call(*microphones, "--microphones")
    assert code == 0, err
    assert call(recording, "--algorithm", "auxiva", *SHORT)[0] == 0
    for number in (1, 2):
        one, other = (audio.read_mono(tmp_path / f"out/{n}/talker_{number}.wav", RATE) for n in ("mic0", "two"))
        np.testing.assert_array_equal(one, other)
    # Without it they are recordings of one microphone each.
    code, out, err = call(*microphones, out="none")
    assert (code, out) == (1, "")
    assert "mic0.wav: the recording has one channel" in err
    assert "or name the files of all microphones and --microphones" in err
    audio.write(tmp_path / "mic1.wav", heard[1, 100:], sample_rate=RATE)
    code, _, err = call(*microphones, "--microphones", out="none")
    assert code == 1
    assert "mic1.wav: has 11900 samples" in err


def test_channels_that_are_dead_or_alike(call: Call, heard: Any, tmp_path: Path) -> None:
    path = tmp_path / "four.wav"
    audio.write(path, np.stack([heard[0], 0 * heard[0], heard[1], heard[0]]), sample_rate=RATE)
    command = (path, "--algorithm", "ilrma", *SHORT)
    code, _, err = call(*command)
    assert code == 1
    assert (
        "four.wav: channel 1 of the recording is silent or constant: a dead microphone? Leave it out with --channels"
        in err
    )
    assert call(*command, "--channels", "0,2")[0] == 0
    # They are called as in the file, not by their places among those taken.
    for channels, message in (
        ((0, 2, 3), "channels 0 and 3 of the recording are identical"),
        ((2, 3, 1), "channel 1 of the recording is silent"),
        ((0, 7), "no channel 7"),
    ):
        code, _, err = call(*command, "--channels", ",".join(map(str, channels)), out="none")
        assert code == 1
        assert message in err
    code, _, err = call(*command, "--channels", "0,2", "--talkers", "3", out="none")
    assert code == 1
    assert "2 channels and 3 talkers, a demixing matrix needs a channel for each: use the algorithm gmvae" in err


def test_more_talkers_than_microphones(call: Call, voice_model: Path, recording: Path) -> None:
    start = ("--set", "directions.start_iterations=5")
    code, out, err = call(
        recording, "-m", voice_model, "--algorithm", "gmvae", "--talkers", "3", *FEW, *start, "--json"
    )
    assert code == 0, err
    made = json.loads(out)
    assert len(made["outputs"]) == made["iterations"] == 3


def test_blind_algorithms_work_at_the_rate_of_each_file(
    call: Call, heard: Any, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at that of the first, which is no audio at all, in a list that is read from a pipe."""
    (tmp_path / "notes.wav").write_text("no audio")
    fast = audio.resample(heard, from_rate=RATE, to_rate=16000)
    audio.write(tmp_path / "fast.wav", fast, sample_rate=16000)
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{tmp_path}/{n}.wav\n" for n in ("notes", "two", "fast"))))
    code, out, err = call("-", "--algorithm", "auxiva", *SHORT)
    assert code == 1
    assert "notes.wav: not an audio file" in err
    assert "resampled" not in err
    assert len(out.splitlines()) == 4
    total = sum(audio.read_mono(tmp_path / f"out/fast/talker_{n}.wav", 16000) for n in (1, 2))
    np.testing.assert_allclose(total, fast[0], atol=1e-6)


def test_results_are_not_overwritten_unasked(call: Call, recording: Path) -> None:
    command = (recording, "--algorithm", "auxiva", *SHORT)
    assert call(*command)[0] == 0
    code, _, err = call(*command)
    assert code == 1
    assert "talker_1.wav exists: pass --overwrite to replace it" in err
    assert call(*command, "--overwrite")[0] == 0


def test_a_model_of_speech_without_an_algorithm(call: Call, voice_model: Path, recording: Path, tmp_path: Path) -> None:
    code, out, err = call(recording, "-m", voice_model, verb="separate")
    assert (code, out) == (1, "")
    assert "It separates recordings of several microphones: use it by 'sepvae demix" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--algorithm", "mvae"), "algorithm mvae: needs a model of speech: give one with -m"),
        (("--algorithm", "auxiva", "--mask", "ratio"), "unrecognized arguments: --mask ratio"),
        (("--algorithm", "auxiva", "--set", "iteration=3"), "unknown key 'iteration': did you mean 'iterations'?"),
        (("--algorithm", "auxiva", "--set", "steps=3"), "unknown key 'steps'"),
        (("--algorithm", "auxiva", "--speakers", "hum"), "speakers: algorithm auxiva knows no voices: leave them out"),
        (("--algorithm", "auxiva", "--talkers", "1"), "talkers = 1: microphones tell two talkers or more apart"),
        (("--algorithm", "auxiva", "--talkers", "0"), "argument --talkers: 0: give 1 or more"),
        (("--algorithm", "auxiv"), "unknown algorithm 'auxiv': did you mean 'auxiva'?"),
        ((), "the following arguments are required: --algorithm"),
    ],
)
def test_wrong_usage_is_said(call: Call, recording: Path, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = call(recording, *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_settings_from_a_file(call: Call, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "ilrma.yaml").write_text("iterations: 2\nstft: {window_ms: 32, hop_ms: 8}\nn_bases: 3\n")
    command = (recording, "--algorithm", "ilrma", "--config", tmp_path / "ilrma.yaml", "-d", "cpu", "--json")
    assert json.loads(call(*command)[1])["iterations"] == 2
    assert json.loads(call(*command, "--set", "iterations=3", "--overwrite")[1])["iterations"] == 3


def test_the_help_has_a_line_on_each_algorithm_and_its_usual_settings(call: Call) -> None:
    code, out, _ = call("--help")
    assert code == 0
    for name in ALGORITHMS:
        entry = ALGORITHMS.resolve(name)
        text = " ".join(out.partition(f"  {name} ({entry.label}")[2].partition("\n  ")[0].split())
        assert entry.__doc__.splitlines()[0].split()[0] in text
    assert "fastmvae2 (FastMVAE2, has a model): A VAE of many speakers says" in out
    assert "steps=3" in out
    assert "stft.window_ms=256.0" in out


def test_a_model_that_is_none_of_speech(call: Call, model: Path, recording: Path) -> None:
    code, _, err = call(recording, "-m", model, "--algorithm", "fastmvae2")
    assert code == 1
    assert "is a dense_vae, and multichannel algorithms need a conditional_vae" in err


def test_from_a_corpus_to_talkers(
    call: Call, voice_settings: dict[str, Any], voices_of: Callable[..., Any], recording: Path, tmp_path: Path
) -> None:
    """The commands at the head of the preset conditional_vae."""
    for number in range(6):
        for name, wave in voices_of("hum", "hiss", n_samples=9000, seed=number).items():
            audio.write(tmp_path / f"corpus/{name}/{number}.wav", wave, sample_rate=RATE, subtype="pcm16")
    mixing = (
        "sources=[speech]",
        "n_train=8",
        "n_valid=1",
        "n_test=1",
        "sample_rate=8000",
        "duration_s=[1,20]",
        "skip_damaged=false",
    )
    chosen = [part for setting in mixing for part in ("--set", setting)]
    assert main(["mix", f"{tmp_path}/corpus", "-q", "-o", f"{tmp_path}/speech.jsonl", *chosen]) == 0
    (tmp_path / "cvae.yaml").write_text(yaml.safe_dump(voice_settings))
    train = ["train", f"{tmp_path}/speech.jsonl", "--corpus", f"{tmp_path}/corpus", "--config", f"{tmp_path}/cvae.yaml"]
    assert main([*train, "-q", "-o", f"{tmp_path}/cvae", "--set", "optimiser.epochs=2", "-d", "cpu"]) == 0
    code, out, err = call(
        recording, "-m", tmp_path / "cvae", "--algorithm", "fastmvae2", *FEW, "--speakers", "hum,hiss"
    )
    assert code == 0, err
    assert [Path(line).stem for line in out.splitlines()][-2:] == ["hum", "hiss"]
    # Mixtures of several talkers are not what it learns from.
    pairs = [*chosen, "--set", "sources=[any,any]", "--set", "n_train=2"]
    assert main(["mix", f"{tmp_path}/corpus", "-q", "-o", f"{tmp_path}/pairs.jsonl", *pairs]) == 0
    assert main([*train[:1], f"{tmp_path}/pairs.jsonl", *train[2:], "-q", "-o", f"{tmp_path}/none"]) == 2
