"""`sepvae mix`, and what follows it: audio that `evaluate` reads, warnings, and options that would change nothing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae import audio
from sepvae.cli import main

RATE = 8000


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("speech")
    random = np.random.default_rng(0)
    for number in range(4):
        for index in range(12):
            wave = (random.standard_normal(RATE) * 0.1).astype(np.float32)
            audio.write(root / f"s{number}" / f"{index}.wav", wave, sample_rate=RATE)
    (root / "speakers.csv").write_text("speaker,sex\ns0,f\ns1,m\ns2,f\ns3,m\n")
    return root


SMALL = ["--set", "sample_rate=8000", "--set", "duration_s=[0.5,1]", "--set", "n_train=4", "--set", "n_test=2"]


def test_evaluate_reads_what_mix_writes(program, sepvae, corpus: Path, tmp_path: Path) -> None:
    noises = tmp_path / "noises"
    audio.write(
        noises / "hiss.wav", np.random.default_rng(1).normal(0, 0.1, 9 * RATE).astype(np.float32), sample_rate=RATE
    )
    noise = ["--set", f"noise_folder={noises}"]
    done = program("mix", corpus, "-o", tmp_path / "m.jsonl", "--audio", tmp_path / "audio", *SMALL, *noise)
    assert done.returncode == 0, done.stderr
    test = tmp_path / "audio" / "test"
    assert {folder.name for folder in test.iterdir()} == {"mixture", "female", "male", "noise"}
    for item in (path.stem for path in (test / "mixture").iterdir()):
        waves = {name: audio.read_mono(test / name / f"{item}.wav", RATE) for name in ("female", "male", "noise")}
        # An estimate with a tenth of its power in errors.
        for name in ("female", "male"):
            error = np.random.default_rng(2).standard_normal(len(waves[name]))
            error *= np.sqrt(0.1 * np.sum(waves[name] ** 2) / np.sum(error**2))
            estimate = (waves[name] + error).astype(np.float32)
            audio.write(tmp_path / "estimates" / item / f"{name}.wav", estimate, sample_rate=RATE)
    command = [
        "evaluate",
        "--references",
        test,
        "--estimates",
        tmp_path / "estimates",
        "--measures",
        "si_sdr",
        "--json",
    ]
    done = program(*command, "-j", "1")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)["estimates"]["si_sdr"]
    assert summary["n_valid"] == summary["n_total"] == 4
    assert summary["mean"] == pytest.approx(10, abs=0.5)
    # With an estimate of the noise it is a source like the others.
    for item in (path.stem for path in (test / "mixture").iterdir()):
        wave = audio.read_mono(test / "noise" / f"{item}.wav", RATE)
        audio.write(tmp_path / "estimates" / item / "noise.wav", wave + 1e-3, sample_rate=RATE)
    assert json.loads(sepvae(*command, "-j", "1").stdout)["estimates"]["si_sdr"]["n_total"] == 6
    (test / "male" / f"{item}.wav").unlink()
    done = sepvae(*command, "-j", "1")
    assert done.returncode == 1 and f"{item}/male: there is no file of this reference" in done.stderr
    assert json.loads(done.stdout)["estimates"]["si_sdr"]["n_valid"] == 3


def test_ready_mixtures_are_listed_and_rendered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    for split in ("tr", "tt"):
        waves = {name: random.uniform(-0.2, 0.2, RATE).astype(np.float32) for name in ("s1", "s2")}
        for name, wave in {**waves, "mix": waves["s1"] + waves["s2"]}.items():
            audio.write(tmp_path / "wav8k" / split / name / "a.wav", wave, sample_rate=RATE, subtype="pcm16")
    manifest, files = tmp_path / "m.jsonl", tmp_path / "audio"
    command = ["corpus", "mixtures", f"{tmp_path / 'wav8k'}", "-o", f"{manifest}", "--audio", f"{files}", "-q"]
    assert main(command) == 0
    assert capsys.readouterr().out == f"{manifest}: 1 train, 1 test\n"
    assert [source["name"] for source in first_mixture(manifest)["sources"]] == ["s1", "s2"]
    assert sorted(path.parent.name for path in (files / "train").rglob("*.wav")) == ["mixture", "s1", "s2"]
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--seed", "1"])


def test_problems_of_the_corpus_are_said(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(corpus, cut)
    (cut / "s0/3.wav").write_bytes((cut / "s0/3.wav").read_bytes()[:900])
    trained: list[Any] = []
    monkeypatch.setattr("sepvae.training.loop.train", lambda config, data, *_, **__: trained.append(data))
    rate = ["--set", f"frontend.sample_rate={RATE}"]
    for command in (
        ["mix", f"{cut}", "-o", f"{tmp_path}/m.jsonl", *SMALL],
        ["train", "--speech", "--corpus", f"{cut}", "-o", f"{tmp_path}/speech", *rate],
        ["train", "--speaker", "s0", "--corpus", f"{cut}", "-o", f"{tmp_path}/s0", *rate],
        ["augment", "run", f"{cut}", "-o", f"{tmp_path}/augmented", "--methods", "gain", "-j", "1"],
        ["corpus", "list", f"{cut}"],
    ):
        main(command)
        assert re.search(r"s0/3.wav: (truncated|damaged)", capsys.readouterr().err), command
    assert [len(data.train) + len(data.valid) for data in trained] == [47, 11]


@pytest.mark.parametrize("verb", ["mix", "train"])
def test_a_negative_seed_is_refused(sepvae, tmp_path: Path, verb: str) -> None:
    more = ["--corpus", tmp_path] if verb == "train" else []
    done = sepvae(verb, tmp_path, "-o", tmp_path / "out", "--seed", "-1", *more)
    assert done.returncode == 2
    assert "-1 is negative: give 0 or more" in done.stderr


def test_sources_that_nothing_tells_apart_are_warned_of(program, sepvae, corpus: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    done = sepvae("mix", corpus, "-o", manifest, *SMALL, "--set", "sources=[any,any]", "--set", "n_train=12")
    assert done.returncode == 0
    assert "any_1 and any_2 share speakers" in done.stderr
    assert "share speakers" in json.loads(manifest.read_text().splitlines()[0])["notes"][-1]
    dense = ["--set", "model.kind=dense_vae"]
    training = [*dense, "--set", "optimiser.epochs=1", "--set", "frontend.sample_rate=8000"]
    done = program("train", manifest, "--corpus", corpus, "-o", tmp_path / "model", "-d", "cpu", *training)
    assert "any_1 and any_2 share speakers" in done.stderr
    sizes = ["hidden=8", "latent=2", "encoder_blocks=1", "decoder_blocks=0"]
    small = [word for size in sizes for word in ("--set", f"model.settings.{size}")]
    training = [*small, *training[2:], "--set", "waves.steps_per_epoch=2", "--set", "optimiser.batch_size=2"]
    any_order = ["--preset", "any_talkers", *training]
    done = program("train", manifest, "--corpus", corpus, "-o", tmp_path / "any", "-d", "cpu", *any_order)
    assert done.returncode == 0 and "share speakers" not in done.stderr
    assert (tmp_path / "any" / "model" / "model.safetensors").is_file()


def first_mixture(manifest: Path) -> dict[str, Any]:
    return dict(json.loads(manifest.read_text().splitlines()[1]))


def test_mixtures_in_rooms(sepvae, corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyroomacoustics")
    manifest, files = tmp_path / "m.jsonl", tmp_path / "audio"
    more = ["--set", "room.rt60_s=0.2", "--set", "room.n_microphones=3"]
    done = sepvae("mix", corpus, "--room", "-o", manifest, "--audio", files, *SMALL, *more)
    assert done.returncode == 0, done.stderr
    mixture = first_mixture(manifest)
    assert mixture["scene"]["kind"] == "simulated" and mixture["scene"]["rt60_s"] == 0.2
    for kind in ("mixture", "female", "male"):
        wave = audio.read(files / "train" / kind / f"{mixture['id']}.wav").wave
        assert wave.shape == (3, mixture["n_samples"])
    # Estimates are of one microphone; which one has to be said.
    for item in (path.stem for path in (files / "test" / "mixture").iterdir()):
        for name in ("female", "male"):
            wave = audio.read(files / "test" / name / f"{item}.wav").wave[1]
            error = 1e-3 * wave.std() * np.random.default_rng(3).standard_normal(len(wave))
            estimate = (wave + error).astype(np.float32)
            audio.write(tmp_path / "estimates" / item / f"{name}.wav", estimate, sample_rate=RATE)
    command = ["evaluate", "--references", files / "test", "--estimates", tmp_path / "estimates", "-j", "1"]
    command += ["--measures", "si_sdr", "--json"]
    done = sepvae(*command)
    assert done.returncode == 1 and "has 3 channels: say which of them" in done.stderr
    done = sepvae(*command, "--channel", "3")
    assert done.returncode == 1 and "there is no --channel 3" in done.stderr
    scores = [json.loads(sepvae(*command, "--channel", n).stdout)["estimates"]["si_sdr"]["mean"] for n in (0, 1)]
    assert scores[0] < 30 and scores[1] == pytest.approx(60, abs=0.5)
    done = sepvae("mix", corpus, "--room", "-o", manifest, *SMALL, "--overwrite", "--set", "room.rt60_s=0.02")
    assert done.returncode == 2 and "room: rt60_s = 0.02: a room of 4 x 3.5 x 2.6 m" in done.stderr


def test_mixtures_in_a_measured_room(sepvae, corpus: Path, tmp_path: Path) -> None:
    for azimuth in (-45, 0, 45):
        wave = np.zeros((2, 40), np.float32)
        wave[:, 3] = 1
        audio.write(tmp_path / "my rooms: 1" / f"az{azimuth}.wav", wave, sample_rate=RATE)
    settings = tmp_path / "mixing.yaml"
    settings.write_text("room: {rt60_s: 0.3}\n")
    command = ["mix", corpus, "-o", tmp_path / "m.jsonl", "--config", settings, *SMALL]
    done = sepvae(*command, "--room", tmp_path / "my rooms: 1", "--set", "room.min_angle_deg=80")
    assert done.returncode == 0, done.stderr
    scene = first_mixture(tmp_path / "m.jsonl")["scene"]
    assert scene["kind"] == "measured" and sorted(scene["azimuths_deg"]) == [-45, 45]
    done = sepvae(*command, "--overwrite", "--room", tmp_path / "nowhere")
    assert done.returncode == 1 and "nowhere: no such folder: give one of impulse responses" in done.stderr


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("after", [0, 1, 4, 7, 16])
def test_a_stopped_mix_over_other_mixtures_keeps_none_of_them(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Their files have the same names."""

    def command(folder: str, seed: int) -> list[str]:
        out = ["-o", str(tmp_path / folder / "m.jsonl"), "--audio", str(tmp_path / folder / "audio")]
        return ["mix", str(corpus), *out, *SMALL, "--seed", str(seed), "--overwrite", "-q"]

    assert main(command("straight", 2)) == 0
    assert main(command("stopped", 1)) == 0
    write, written = audio.write, list[Path]()

    def stopped(path: Path, *rest: Any, **options: Any) -> Any:
        if len(written) == after:
            raise KeyboardInterrupt
        written.append(path)
        return write(path, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(audio, "write", stopped)
        assert main(command("stopped", 2)) == 130
    again = list[Path]()
    with monkeypatch.context() as patch:
        patch.setattr(
            audio, "write", lambda path, *rest, **options: again.append(path) or write(path, *rest, **options)
        )
        # What is there of others stays, unless the command says again that it need not.
        assert main([word for word in command("stopped", 2) if word != "--overwrite"]) == 1
        assert main(command("stopped", 2)) == 0
    # What was done is not done again.
    assert len(again) == 27 - after // 3 * 3
    found, straight = _files(tmp_path / "stopped"), _files(tmp_path / "straight")
    listed = "audio/sepvae-outputs.jsonl"
    assert set(straight.pop(listed).splitlines()) <= set(found.pop(listed).splitlines())
    assert found == straight
