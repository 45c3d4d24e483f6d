"""Names of any bytes, folders without permission and pipes, through the verbs that read corpora."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.corpora.records import open_corpus
from sepvae.errors import InputError
from sepvae.mixing.manifest import read_manifest
from sepvae.mixing.mixture import render

from ..places import needs_permissions, only_linux, place_for_all, without_rights

# No UTF-8; a line end; what is a drive, a folder or a variable elsewhere.
SPEAKERS = [b"b\xf6rn", b"Anna Lee", b"c\nx", "zoë".encode(), b"10:30", b"a\\b", b"$x,;\"'"]
MIX = ("--set", "sources=[any,any]", "--set", "n_train=4", "--set", "n_valid=1", "--set", "n_test=2")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, rng = tmp_path_factory.mktemp("names"), np.random.default_rng(0)
    wave = root / "wave.wav"
    for speaker in SPEAKERS:
        folder = os.fsencode(root) + b"/corpus/" + speaker
        Path(os.fsdecode(folder)).mkdir(parents=True)
        for number in range(4):
            audio.write(wave, rng.uniform(-0.2, 0.2, (1, 8000)).astype(np.float32), sample_rate=4000)
            wave.rename(os.fsdecode(folder + b"/u\xe9%d.wav" % number))
    return root / "corpus"


@only_linux
def test_a_corpus_of_such_names_is_listed_checked_mixed_and_augmented(sepvae, corpus: Path, tmp_path: Path) -> None:
    listed = sepvae("corpus", "list", corpus, "--json")
    assert listed.returncode == 0, listed.stderr
    records = [json.loads(line) for line in listed.stdout.splitlines()]
    assert {os.fsencode(record["path"]).split(b"/")[0] for record in records} == set(SPEAKERS)
    assert sepvae("corpus", "list", corpus).returncode == 0
    checked = sepvae("corpus", "validate", corpus, "--json")
    assert (checked.returncode, json.loads(checked.stdout)["ok"]) == (0, True)

    mixed = sepvae("mix", corpus, "-o", tmp_path / "m.jsonl", "--audio", tmp_path / "mixed", *MIX)
    assert mixed.returncode == 0, mixed.stderr
    (tmp_path / "m.jsonl").read_bytes().decode("utf-8")
    for mixture in read_manifest(tmp_path / "m.jsonl").mixtures:
        assert render(mixture, corpus).mixture.any()

    for number, form in enumerate(("wav", "webdataset", "shar")):
        out = tmp_path / f"{number}"
        made = sepvae("augment", "run", corpus, "-o", out, "--methods", "gain", "-j", "1", "--format", form)
        assert made.returncode == 0, made.stderr
        for path in out.rglob("*"):
            os.fsencode(path).decode("utf-8")
            if path.suffix == ".gz":
                assert all(json.loads(line) for line in gzip.decompress(path.read_bytes()).decode("utf-8").splitlines())
            elif path.suffix in (".jsonl", ".csv", ".scp") or path.name in ("utt2spk", "text"):
                path.read_bytes().decode("utf-8")
    rows = list(csv.DictReader((tmp_path / "0/speechbrain/manifest.csv").open(encoding="utf-8", newline="")))
    assert len(rows) == len({row["ID"] for row in rows}) == 4 * len(SPEAKERS)
    assert all((tmp_path / "0" / row["wav"].removeprefix("$data_root/")).is_file() for row in rows)


@pytest.fixture
def open_place() -> Iterator[Path]:
    with place_for_all() as root:
        rng = np.random.default_rng(0)
        for speaker in ("anna", "ben", "cora"):
            for number in range(4):
                wave = rng.uniform(-0.2, 0.2, (1, 8000)).astype(np.float32)
                audio.write(root / f"corpus/{speaker}/u{number}.wav", wave, sample_rate=4000)
        for path in (root / "corpus").rglob("*"):
            path.chmod(0o777 if path.is_dir() else 0o666)
        yield root


@needs_permissions
@pytest.mark.parametrize("closed", ["cora", "cora/u0.wav"])
def test_what_may_not_be_read_is_named_and_costs_the_exit_code(sepvae, open_place: Path, closed: str) -> None:
    corpus = open_place / "corpus"
    with without_rights(corpus / closed):
        for verb in (
            ("corpus", "list", corpus),
            ("corpus", "validate", corpus),
            ("mix", corpus, "-o", open_place / "m.jsonl", *MIX),
            ("augment", "run", corpus, "-o", open_place / "aug", "--methods", "gain", "-j", "1"),
        ):
            done = sepvae(*verb)
            assert done.returncode == 1, (verb, done.stderr)
            assert closed in done.stderr + done.stdout
            assert "ermission denied" in done.stderr + done.stdout
    # The rest was done.
    assert len((open_place / "m.jsonl").read_text().splitlines()) == 8
    assert (open_place / "aug/records.jsonl").is_file()


@needs_permissions
def test_a_whole_corpus_or_model_without_permission(sepvae, open_place: Path) -> None:
    model = open_place / "model"
    model.mkdir()
    wave = open_place / "corpus/anna/u0.wav"
    with without_rights(open_place / "corpus", model):
        for command in (
            ("corpus", "list", open_place / "corpus"),
            ("train", "--speech", "--corpus", open_place / "corpus", "-o", open_place / "t"),
            ("separate", wave, "-m", model, "-o", open_place / "o"),
            ("separate", open_place / "corpus", "-m", model, "-o", open_place / "o"),
            ("info", model),
        ):
            done = sepvae(*command)
            assert done.returncode == 1
            assert "ermission denied" in done.stderr, (command, done.stderr)


@needs_permissions
def test_training_does_not_begin_without_a_part_of_the_corpus(sepvae, open_place: Path) -> None:
    with without_rights(open_place / "corpus/ben"):
        done = sepvae("train", "--speech", "--corpus", open_place / "corpus", "-o", open_place / "t")
    assert done.returncode == 1
    assert "not all of it can be read" in done.stderr
    assert not (open_place / "t").exists()


@only_linux
def test_pipes_in_a_corpus_are_not_waited_for(sepvae, open_place: Path) -> None:
    corpus = open_place / "corpus"
    for name in ("anna/pipe.wav", "anna/u0.txt", "anna/pipe"):
        os.mkfifo(corpus / name)
    for verb in (
        ("corpus", "validate", corpus),
        ("augment", "run", corpus, "-o", open_place / "a", "--methods", "gain"),
    ):
        done = sepvae(*verb)
        assert done.returncode == 1
        assert "pipe.wav: is not an ordinary file (a pipe or a device)" in done.stdout + done.stderr
    os.mkfifo(corpus / "speakers.csv")
    with pytest.raises(InputError, match=r"speakers.csv: is not an ordinary file"):
        list(open_corpus(corpus, "folder").utterances())


@only_linux
@pytest.mark.parametrize(
    "command",
    [
        ("train", "PIPE", "--corpus", "CORPUS", "-o", "OUT"),
        ("train", "--speech", "--corpus", "CORPUS", "-o", "OUT", "--config", "PIPE"),
        ("mix", "CORPUS", "-o", "OUT", "--config", "PIPE"),
        ("mix", "CORPUS", "-o", "PIPE", *MIX),
        ("corpus", "list", "PIPE"),
        ("corpus", "mixtures", "PIPE", "-o", "OUT"),
        ("separate", "@PIPE", "-m", "CORPUS", "-o", "OUT"),
        ("separate", "PIPE", "-m", "PIPE", "-o", "OUT"),
        ("augment", "run", "CORPUS", "-o", "OUT", "--methods", "gain", "--config", "PIPE"),
        ("augment", "run", "CORPUS", "-o", "OUT", "--methods", "noise", "--noise", "PIPE"),
        ("evaluate", "--references", "PIPE", "--estimates", "CORPUS"),
        ("recipe", "run", "PIPE", "--out", "OUT"),
        ("report", "PIPE"),
        ("info", "PIPE"),
    ],
    ids=lambda command: " ".join(command[:3]),
)
def test_a_pipe_where_a_file_or_a_folder_is_expected(sepvae, open_place: Path, command: tuple[str, ...]) -> None:
    os.mkfifo(open_place / "pipe")
    places = {"PIPE": open_place / "pipe", "CORPUS": open_place / "corpus", "OUT": open_place / "out"}
    filled = [str(places.get(word, word)).replace("@PIPE", f"@{places['PIPE']}") for word in command]
    done = sepvae(*filled)
    assert done.returncode in (1, 2), done.stdout
    assert str(places["PIPE"]) in done.stderr


def test_names_that_no_manifest_takes(tmp_path: Path) -> None:
    header = '{"type": "header", "version": 1}\n'
    source = {
        "name": "a", "utterance": "u", "path": "x.wav", "speaker": "s", "sex": "unknown", "sha256": "",
        "start": 0, "n_samples": 5, "offset": 0, "gain": 1.0,
    }  # fmt: skip
    for key, value in (("path", "a\0.wav"), ("path", ""), ("path", 7), ("speaker", 7), ("mixture_path", "../x.wav")):
        mixture = {"id": "x", "split": "train", "sample_rate": 8000, "n_samples": 5, "sources": [dict(source)]}
        (mixture if key == "mixture_path" else mixture["sources"][0])[key] = value  # type: ignore[index]
        (tmp_path / "m.jsonl").write_text(header + json.dumps(mixture) + "\n")
        with pytest.raises(InputError, match=rf"line 2: .*{key}"):
            read_manifest(tmp_path / "m.jsonl")
