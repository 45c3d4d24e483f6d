"""`sepvae separate` as a user meets it."""

from __future__ import annotations

import json
import shutil
from functools import partialmethod
from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.cli import main
from sepvae.config import parse_config
from sepvae.estimator.checkpoint import save_checkpoint
from sepvae.progress import listening
from sepvae.separation.separator import Separator
from sepvae.training.config import TrainingConfig, fresh_checkpoint


def test_a_file_becomes_one_file_per_source(program, model: Path, recording: Path, tmp_path: Path) -> None:
    done = program("separate", recording, "-m", model, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    paths = [Path(line) for line in done.stdout.split()]
    assert [path.relative_to(tmp_path) for path in paths] == [Path("out/talk/female.wav"), Path("out/talk/male.wav")]
    total = sum(audio.read(path).wave for path in paths)
    assert np.abs(total - audio.read(recording).wave).max() < 1e-5


def test_other_rates_and_channels_come_back_as_they_were(sepvae, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    wave = np.random.default_rng(1).uniform(-0.2, 0.2, (2, 44117)).astype(np.float32)
    audio.write(path, wave, sample_rate=44100, subtype="pcm24")
    done = sepvae("separate", path, "-m", model, "-o", tmp_path / "out", "--json", "--subtype", "pcm16")
    assert done.returncode == 0, done.stderr
    assert "resampled from 44100 to 16000 Hz and back" in done.stderr
    assert "each of the 2 channels was separated by itself" in done.stderr
    record = json.loads(done.stdout)
    info = audio.inspect(record["outputs"]["female"])
    assert (info.sample_rate, info.n_channels, info.n_samples, info.subtype) == (44100, 2, 44117, "PCM_16")
    assert record["resampled_to"] == 16000


def test_files_of_one_name_do_not_meet(sepvae, model: Path, recording: Path, tmp_path: Path) -> None:
    for folder in ("A", "B"):
        (tmp_path / folder).mkdir()
        shutil.copy(recording, tmp_path / folder / "a.wav")
    done = sepvae("separate", tmp_path / "A", tmp_path / "B", "-m", model, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/A/a/female.wav").is_file()
    assert (tmp_path / "out/B/a/female.wav").is_file()


def test_a_bad_file_is_named_and_the_others_are_done(sepvae, model: Path, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.wav").write_text("no audio")
    done = sepvae("separate", tmp_path / "notes.wav", recording, "-m", model, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert f"{tmp_path}/notes.wav: not an audio file" in done.stderr
    assert "1 of 2 files failed" in done.stderr
    assert (tmp_path / "out/talk/male.wav").is_file()
    assert not (tmp_path / "out/notes").exists()


def test_results_are_not_overwritten_unasked(sepvae, model: Path, recording: Path, tmp_path: Path) -> None:
    command = ("separate", recording, "-m", model, "-o", tmp_path / "out")
    assert sepvae(*command).returncode == 0
    again = sepvae(*command)
    assert again.returncode == 1
    assert "pass --overwrite to replace it" in again.stderr
    assert sepvae(*command, "--overwrite").returncode == 0


def test_names_from_standard_input(program, model: Path, recording: Path, tmp_path: Path) -> None:
    done = program("separate", "-", "-m", model, "-o", tmp_path / "out", input=f"{recording}\n")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["with space.wav", "quote'\".wav", "日本語.wav", "-dash.wav"])
def test_awkward_names(sepvae, model: Path, recording: Path, tmp_path: Path, name: str) -> None:
    path = recording.rename(tmp_path / name)
    done = sepvae("separate", path, "-m", model, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / path.stem / "female.wav").is_file()


@pytest.mark.parametrize("n_samples", [0, 1, 100])
def test_very_short_files(sepvae, model: Path, tmp_path: Path, n_samples: int) -> None:
    path = tmp_path / "short.wav"
    audio.write(path, np.full((1, n_samples), 0.1, np.float32), sample_rate=16000)
    done = sepvae("separate", path, "-m", model, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert audio.inspect(tmp_path / "out/short/female.wav").n_samples == n_samples


def test_a_file_where_the_output_folder_should_be(sepvae, model: Path, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    done = sepvae("separate", recording, "-m", model, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert (tmp_path / "out").read_text() == "in the way"


def test_a_folder_that_is_no_model(sepvae, recording: Path, tmp_path: Path) -> None:
    done = sepvae("separate", recording, "-m", tmp_path, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "the model folder has no config.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_models_with_different_masks(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, mask in (("female", "ratio"), ("male", "wiener")):
        models = fresh_checkpoint(parse_config(TrainingConfig, {"mask": mask}, where="test"), [name])
        save_checkpoint(tmp_path / name, models, provenance={"seed": 0})
    command = ["separate", str(recording), "-d", "cpu", "-q", "-o", str(tmp_path / "out")]
    for name in ("female", "male"):
        command += ["-m", str(tmp_path / name)]
    assert main(command) == 2
    assert "different masks (ratio for female, wiener for male)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*command, "--mask", "wiener"]) == 0


@pytest.mark.slow
def test_an_hour_stays_within_a_fixed_memory(model: Path, tmp_path: Path) -> None:
    """One hour at 44.1 kHz: the whole of it would be 600 MB a signal."""
    import subprocess
    import sys

    path = tmp_path / "hour.wav"
    block = np.random.default_rng(0).uniform(-0.1, 0.1, (1, 44100 * 60)).astype(np.float32)
    with audio.writing(path, sample_rate=44100, n_channels=1, subtype="pcm16") as writer:
        for _ in range(60):
            writer.write(block)
    code = (
        "import resource, sys; from sepvae.cli import main; "
        f"code = main(['separate', {str(path)!r}, '-m', {str(model)!r}, '-o', {str(tmp_path / 'out')!r}]); "
        "sys.stdout.write(f'PEAK {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}'); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=1200)
    assert int(done.stdout.rpartition("PEAK ")[2]) < 1_500_000, "kilobytes"


def test_a_band_is_kept_of_every_source(sepvae, model: Path, recording: Path, tmp_path: Path) -> None:
    command = ("separate", recording, "-m", model, "-o")
    assert sepvae(*command, tmp_path / "all").returncode == 0
    done = sepvae(*command, tmp_path / "band", "--band-pass", "300", "3400")
    assert done.returncode == 0, done.stderr
    whole, band = (
        np.abs(np.fft.rfft(audio.read(tmp_path / name / "talk/male.wav").wave[0])) for name in ("all", "band")
    )
    hz = np.fft.rfftfreq(2 * len(whole) - 2, 1 / audio.inspect(recording).sample_rate)
    # All of the band is kept, up to its edges and to a ripple of half a dB.
    for low in range(300, 3400, 100):
        inside = (hz > low) & (hz < low + 100)
        assert 0.93 < np.linalg.norm(band[inside]) / np.linalg.norm(whole[inside]) < 1.01
    outside = (hz < 200) | (hz > 4000)
    assert np.sum(band[outside] ** 2) < 1e-3 * np.sum(whole[outside] ** 2)
    done = sepvae(*command, tmp_path / "none", "--band-pass", "300", "30000")
    assert done.returncode == 2
    assert "give high_hz below" in done.stderr


def test_progress_counts_seconds_of_audio_over_the_blocks(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 5 * 16000)).astype(np.float32)
    audio.write(tmp_path / "a.wav", wave, sample_rate=16000)
    audio.write(tmp_path / "c.wav", wave[:, :40000], sample_rate=8000)
    (tmp_path / "b.wav").write_text("no sound")
    monkeypatch.setattr(Separator, "stream", partialmethod(Separator.stream, block_s=1.0))
    steps: dict[str, list[int]] = {}
    with listening(lambda event: steps.setdefault(event.job.description, [event.job.total]).append(event.job.done)):
        files = [f"{tmp_path / name}.wav" for name in "abc"]
        assert main(["separate", *files, "-m", f"{model}", "-o", f"{tmp_path / 'out'}", "-q", "-d", "cpu"]) == 1
    assert steps == {"separate": [10, 0, *range(1, 11), 10]}
