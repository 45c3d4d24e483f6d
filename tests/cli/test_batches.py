"""One bad recording of several, in every verb that takes many: it is named, the others are done, the exit code is 1."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae import audio
from sepvae.cli import main
from sepvae.config import parse_config
from sepvae.errors import InputError, OutOfMemory
from sepvae.estimator.checkpoint import save_checkpoint
from sepvae.files import read_jsonl
from sepvae.settings import preset
from sepvae.training.config import TrainingConfig, fresh_checkpoint

RATE = 8000
# What a recording can do to the code that works on it, and what is said then.
ERRORS: dict[str, tuple[Exception, str]] = {
    "MemoryError": (MemoryError(), "needs more memory than there is: "),
    "torch": (RuntimeError("DefaultCPUAllocator: can't allocate memory: …"), "needs more memory than there is: "),
    "cuda": (RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"), "needs more memory than there is: "),
    "unforeseen": (
        IndexError("list index out of range"),
        "a fault of sepvae, not of yours (IndexError: list index out of range)",
    ),
    "ours": (InputError("2.wav: truncated"), "truncated"),
}
# A verb, its arguments, and the function that works on one recording.
VERBS = {
    "separate": ("-m {models}/source", "sepvae.separation.files", "separate_file"),
    "enhance": ("-m {models}/speech --set n_iterations=1", "sepvae.separation.files", "separate_file"),
    "demix": ("--algorithm auxiva --set iterations=1", "sepvae.demixing.files", "demix_files"),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for name, base, sources in (
        ("source", {"model": "dense_vae"}, ["female", "male"]),
        ("speech", preset("speech_prior"), ["speech"]),
    ):
        config = parse_config(
            TrainingConfig, {**base, "frontend": {"sample_rate": RATE}} if name == "source" else base, where=name
        )
        save_checkpoint(root / name, fresh_checkpoint(config, sources), provenance={})
    return root


@pytest.fixture
def recordings(tmp_path: Path) -> list[Path]:
    random = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.wav" for number in range(3)]
    for path in paths:
        audio.write(path, (0.1 * random.standard_normal((2, 3 * RATE))).astype(np.float32), sample_rate=RATE)
    return paths


def failing(function: Callable[..., Any], error: Exception, victim: str) -> Callable[..., Any]:
    """Return a function that raises an error where one of its arguments, or of a list of them, is called `victim`."""

    def work(*arguments: Any, **named: Any) -> Any:
        given = [one for value in arguments for one in (value if isinstance(value, list) else [value])]
        if any(victim in str(getattr(one, "path", one)) for one in given if not isinstance(one, np.ndarray)):
            raise error
        return function(*arguments, **named)

    return work


def patch(monkeypatch: pytest.MonkeyPatch, module: str, name: str, error: Exception, victim: str) -> None:
    __import__(module)
    monkeypatch.setattr(f"{module}.{name}", failing(getattr(sys.modules[module], name), error, victim))


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("verb", VERBS)
def test_one_recording_of_three(
    verb: str,
    kind: str,
    models: Path,
    recordings: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    (arguments, module, name), (error, message) = VERBS[verb], ERRORS[kind]
    patch(monkeypatch, module, name, error, "1.wav")
    out = tmp_path / "out"
    command = [
        verb,
        *map(str, recordings),
        *arguments.format(models=models).split(),
        "-o",
        str(out),
        "-d",
        "cpu",
        "--json",
    ]
    assert main(command) == 1
    printed = capsys.readouterr()
    records = [json.loads(line) for line in printed.out.splitlines()]
    assert ["error" in record for record in records] == [False, True, False]
    assert message in records[1]["error"] and message in printed.err and "1 of 3" in printed.err
    assert "Traceback" not in printed.err
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["0", "2"]
    assert all(len([*(out / place).glob("*.wav")]) == 2 for place in "02")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    for number in range(4):
        path = tmp_path / "corpus" / f"s{number % 2}" / f"{number}.wav"
        audio.write(path, (0.1 * random.standard_normal(RATE)).astype(np.float32), sample_rate=RATE)
    return tmp_path / "corpus"


@pytest.mark.parametrize("kind", ERRORS)
def test_a_corpus_is_checked_to_its_end(kind: str, corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    error, message = ERRORS[kind]
    patch(monkeypatch, "sepvae.corpora.validate", "scan", error, "1.wav")
    assert main(["corpus", "validate", str(corpus), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    broken = [problem for problem in report["problems"] if problem["code"] == "broken"]
    assert len(broken) == 1 and message in broken[0]["message"] and report["counts"]["utterances"] == 4


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize(("name", "code"), [("read_utterance", "unreadable"), ("record_of", "method")])
def test_a_corpus_is_augmented_to_its_end(
    name: str, code: str, kind: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, message = ERRORS[kind]
    if name == "read_utterance":
        patch(monkeypatch, "sepvae.augmented.pipeline", name, error, "1.wav")
    else:
        from sepvae.augmented.pipeline import Pipeline

        monkeypatch.setattr(Pipeline, "_made", failing(Pipeline._made, error, "1.wav"))
    out = tmp_path / "out"
    assert main(["augment", "run", str(corpus), "-o", str(out), "--methods", "gain", "-j", "1", "-q"]) == 1
    (failure,) = read_jsonl(out / "failures.jsonl")
    assert failure["code"] == code and failure["item"] == "s1/1.wav" and message in failure["message"]
    assert [Path(record["source"]).name for record in read_jsonl(out / "records.jsonl")] == ["0.wav", "2.wav", "3.wav"]


def test_a_speaker_with_a_bad_recording_is_still_learnt_from(
    corpus: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    trained: list[Any] = []
    monkeypatch.setattr("sepvae.training.loop.train", lambda config, data, *_, **__: trained.append(data))
    audio.write(corpus / "s1" / "1.wav", np.zeros(RATE, np.float32), sample_rate=RATE)
    rate = ["--set", f"frontend.sample_rate={RATE}", "--corpus", str(corpus)]
    assert main(["train", "--speaker", "s1", "-o", str(tmp_path / "one"), *rate]) == 0
    assert main(["train", "--speech", "-o", str(tmp_path / "all"), *rate]) == 0
    assert [len(data.train) + len(data.valid) for data in trained] == [1, 3]
    assert "1.wav: silent: left out" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a limit of memory for a process is Linux's")
def test_a_recording_that_is_too_long_for_the_memory(program: Any, tmp_path: Path) -> None:
    """Twelve minutes of a meeting under a limit that six seconds keep."""
    import subprocess

    wave = (0.05 * np.random.default_rng(0).standard_normal((2, 16000 * 6))).astype(np.float32)
    audio.write(tmp_path / "short.wav", wave, sample_rate=16000)
    audio.write(tmp_path / "meeting.wav", np.tile(wave, (1, 120)), sample_rate=16000)
    arguments = [f"{tmp_path}/meeting.wav", f"{tmp_path}/short.wav", "--algorithm", "auxiva", "--set", "iterations=2"]
    command = " ".join(
        [sys.executable, "-m", "sepvae", "demix", *arguments, "-o", f"{tmp_path}/out", "-q", "-d", "cpu"]
    )
    done = subprocess.run(
        ["bash", "-c", f"ulimit -v 4500000; exec {command}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "meeting.wav: needs more memory than there is" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == ["short"]


def test_memory_is_an_error_of_ours() -> None:
    assert not issubclass(OutOfMemory, InputError)
