"""`sepvae augment run` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.augmentation import AUGMENTATIONS
from sepvae.cli import main
from sepvae.progress import Job, listening


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two speakers of two sentences, one of them silent."""
    tone = 0.2 * np.sin(np.arange(12000) / 9)
    for name, level in (("anna/1", 1), ("anna/2", 1), ("ben/1", 1), ("ben/2", 0)):
        audio.write(tmp_path / f"corpus/{name}.wav", (level * tone).astype(np.float32), sample_rate=16000)
    return tmp_path / "corpus"


def test_a_corpus_is_augmented_and_the_bad_file_named(program, sepvae, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--out", out, "--copies", 2, "--methods", "noise,speed+gain", "--set", "noise.snr_db=[0,3]", "-j", "1")
    done = program("augment", "run", folder, *options, "--json")
    assert done.returncode == 1
    summary = json.loads(done.stdout)
    assert (summary["n_records"], summary["n_failures"], summary["complete"]) == (12, 1, True)
    assert "ben/2.wav: silent: leave it out" in done.stderr
    records = [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]
    assert all(0 <= one["parameters"][0]["snr_db"] <= 3 for one in records if one["method"] == "noise")
    again = sepvae("augment", "run", folder, *options)
    assert again.stdout == f"{out}: 12 records, 1 failures (failures.jsonl)\n"
    strict = sepvae("augment", "run", folder, *options, "--overwrite", "--strict")
    assert strict.returncode == 1
    assert "sepvae: error: ben/2.wav: silent" in strict.stderr


def test_methods_are_listed_with_their_settings(sepvae) -> None:
    done = sepvae("augment", "methods")
    assert done.returncode == 0, done.stderr
    heads = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert [head.split(" (")[0].split(":")[0] for head in heads] == list(AUGMENTATIONS)
    assert "soft (has a model): Soft perturbation" in done.stdout
    assert "    noise.snr_db = [5.0, 20.0]\n" in done.stdout
    schemas = json.loads(sepvae("augment", "methods", "--json").stdout)
    assert sorted(schemas) == sorted(AUGMENTATIONS)
    assert schemas["soft"]["properties"]["gamma"]["default"] == 1.0


def test_the_help_shows_choices_and_the_defaults_of_the_settings(sepvae) -> None:
    shown = " ".join(sepvae("augment", "run", "--help").stdout.split())
    assert "records of each utterance by each method (default: 1)" in shown
    assert "seed of all draws (default: 0)" in shown
    assert "{wav,flac,npy,ark,webdataset,shar} what is written (default: wav)" in shown
    assert "{filter,griffin_lim}" in shown
    assert "{samples,log_mel,decoded}" in shown
    assert "the same bytes are promised on cpu alone (default: cpu)" in shown
    assert all(name in shown for name in AUGMENTATIONS)


def test_settings_come_from_a_file_and_from_options(sepvae, folder: Path, tmp_path: Path) -> None:
    noise = tmp_path / "noises"
    audio.write(noise / "hum.wav", 0.1 * np.ones(9000, np.float32), sample_rate=16000)
    (tmp_path / "a.yaml").write_text("methods: [noise]\ncopies: 3\noutput: {format: flac}\n")
    done = sepvae(
        "augment", "run", folder, "-o", tmp_path / "out", "--config", tmp_path / "a.yaml", "--noise", noise,
        "--copies", 1, "--shard", "1/1", "--layout", "folder", "-q",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    (first, *rest) = [json.loads(line) for line in (tmp_path / "out/records.jsonl").read_text().splitlines()]
    assert len(rest) == 2
    assert (first["path"], first["parameters"][0]["path"]) == ("audio/anna/anna_1-noise-1.flac", "hum.wav")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "methods: none is given: choose from replace, soft, hard, interpolate"),
        (("--methods", "nosie"), "unknown augmentation 'nosie': did you mean 'noise'?"),
        (("--methods", "noise", "--shard", "5/4"), "shard 5/4: give K/N with K from 1 to N"),
        (("--methods", "noise", "--format", "mp3"), "argument --format: unknown format 'mp3': choose one of wav, "),
        (
            ("--methods", "noise", "--set", "output.format=mp3"),
            "unknown format 'mp3': choose one of wav",
        ),
        (("--methods", "noise", "--layout", "tmit"), "argument --layout: unknown corpus 'tmit': did you mean 'timit'"),
    ],
)
def test_wrong_usage_is_named(sepvae, folder: Path, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    done = sepvae("augment", "run", folder, "-o", tmp_path / "out", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_corpus_without_splits_says_so(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["augment", "run", f"{folder}", "-o", f"{tmp_path / 'out'}", "--methods", "gain", "--split", "x"]) == 2
    assert "split 'x': the corpus has no splits: leave it out" in capsys.readouterr().err


def test_no_stretch_is_silent(folder: Path, tmp_path: Path) -> None:
    jobs: dict[str, Job] = {}
    command = ["augment", "run", f"{folder}", "-o", f"{tmp_path / 'out'}", "--methods", "gain", "-q", "-j", "1"]
    with listening(lambda event: jobs.setdefault(event.job.description, event.job)):
        main(command)
        main([*command, "--paths", "absolute"])
    told = {name: (job.done, job.total) for name, job in jobs.items()}
    assert told == {
        "looking at corpus": (4, 4),
        "reading headers": (4, 4),
        "augmenting": (4, 4),
        "merging": (1, 1),
        "checking files": (3, 3),
        "manifests": (3, 3),
    }
