"""The examples in docs/: each keeps the contract of its shelf, and the command in its docstring does what it says."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sepvae import audio, plugins, testing
from sepvae.cli import main
from sepvae.corpora.records import open_corpus
from sepvae.estimator.checkpoint import load_checkpoint
from sepvae.files import read_json
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.manifest import write_manifest
from sepvae.mixing.protocol import make_mixtures
from sepvae.testing.systems import speak

from .fresh_tables import fresh_tables as fresh_tables

pytestmark = pytest.mark.usefixtures("fresh_tables")

PROJECT = Path(__file__).resolve().parent.parent
FOLDER = PROJECT / "docs" / "examples"
EXAMPLES = {
    "block_iva": ("algorithm", "block_iva"),
    "cubic_mask": ("mask", "cubic"),
    "flat_corpus": ("corpus", "flat"),
    "gru_network": ("model", "gru"),
    "l1_objective": ("objective", "l1"),
    "median_system": ("system", "median"),
    "mu_law": ("augmentation", "mu_law"),
    "natural_gradient": ("update", "natural_gradient"),
    "spectral_distance": ("measure", "lsd"),
}
RATE = 16000
# Sizes under which a command takes no time.
SHORT = ("--set", "stft={window_ms: 32, hop_ms: 8}", "--set", "iterations=3", "-d", "cpu")
EPOCH = ("--set", "optimiser.epochs=1", "-d", "cpu")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a corpus of two speakers."""
    return speak(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def command(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command in the docstring of an example, with the names of files in it put into a folder."""
    monkeypatch.chdir(PROJECT)

    def run(example: str, *more: object, **places: Path) -> int:
        docstring = ast.get_docstring(ast.parse((FOLDER / f"{example}.py").read_text(encoding="utf-8"))) or ""
        (line,) = (line for line in docstring.splitlines() if line.startswith("sepvae "))
        names = {"DIR": corpus, **{name: tmp_path / name for name in ("out", "true", "model")}}
        names |= {"talk.wav": tmp_path / "talk.wav", "mixtures.jsonl": tmp_path / "mixtures.jsonl", **places}
        return main([str(names.get(word, word)) for word in shlex.split(line)[1:]] + [str(word) for word in more])

    return run


def write_noise(path: Path, n_channels: int = 1, seed: int = 0) -> None:
    wave = np.random.default_rng(seed).uniform(-0.5, 0.5, (n_channels, RATE)).astype(np.float32)
    audio.write(path, wave, sample_rate=RATE)


def write_mixtures(corpus: Path, path: Path) -> None:
    config = MixingConfig(sources=("hum", "hiss"), n_train=4, n_valid=1, n_test=1, duration_s=(0.25, 0.3))
    write_manifest(path, make_mixtures(list(open_corpus(corpus).utterances()), config, root=corpus, seed=0))


def test_there_is_an_example_of_all_that_the_readme_lists() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == set(EXAMPLES)
    shelves = {shelf for shelf, _ in EXAMPLES.values()}
    # Functions like a mask or a measure, which an objective or one of its settings takes.
    assert set(plugins.SHELVES) - shelves == {"likelihood", "divergence", "prior"}


def test_the_page_on_plugins_names_every_shelf_and_files_that_are_there() -> None:
    text = (PROJECT / "docs" / "plugins.md").read_text(encoding="utf-8")
    rows = " ".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", rows)) == set(plugins.SHELVES)
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert all((PROJECT / "docs" / link).is_file() for link in links)
    assert {Path(link).stem for link in links if link.startswith("examples/")} == {*EXAMPLES, "median"}
    assert all(variable == plugins.VARIABLE for variable in re.findall(r"SEPVAE_\w+", text))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_short_and_keeps_its_contract(example: str) -> None:
    path = FOLDER / f"{example}.py"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 40
    plugins.load([str(path)])
    shelf, name = EXAMPLES[example]
    assert plugins.table(shelf).provider(name) == example
    testing.run(shelf, name)


def test_a_network_and_a_mask(
    command: Callable[..., int], corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mixtures(corpus, tmp_path / "mixtures.jsonl")
    assert command("gru_network", *EPOCH, "--set", "model.settings.hidden=8") == 0
    config = load_checkpoint(tmp_path / "model").config
    assert (config.estimator.model.kind, config.plugins) == ("gru", ("gru_network",))
    write_noise(tmp_path / "talk.wav")
    assert command("cubic_mask", "-d", "cpu") == 0
    waves = [audio.read_mono(path, RATE) for path in sorted((tmp_path / "out" / "talk").iterdir())]
    assert len(waves) == 2
    np.testing.assert_allclose(sum(waves), audio.read_mono(tmp_path / "talk.wav", RATE), atol=1e-5)


def test_an_objective(command: Callable[..., int], corpus: Path, tmp_path: Path) -> None:
    write_mixtures(corpus, tmp_path / "mixtures.jsonl")
    assert command("l1_objective", *EPOCH, "--set", "model.settings.hidden=[8]") == 0
    load_checkpoint(tmp_path / "model")


def test_a_measure(command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, name in enumerate(("female", "male")):
        write_noise(tmp_path / "true" / "1" / f"{name}.wav", seed=number)
        write_noise(tmp_path / "out" / "1" / f"{name}.wav", seed=number + 2)
    assert command("spectral_distance", "-j", 1) == 0
    assert capsys.readouterr().out.split()[1] == "lsd"


@pytest.mark.parametrize("example", ["block_iva", "natural_gradient"])
def test_algorithms_and_updates_of_demixing(command: Callable[..., int], tmp_path: Path, example: str) -> None:
    write_noise(tmp_path / "talk.wav", n_channels=2)
    assert command(example, *SHORT) == 0
    assert len(list((tmp_path / "out" / "talk").iterdir())) == 2


def test_a_corpus(command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, name in enumerate(("anna-07", "anna-08", "ben-07")):
        write_noise(tmp_path / "flat" / f"{name}.wav", seed=number)
    assert command("flat_corpus", "--json", DIR=tmp_path / "flat") == 0
    speakers = [json.loads(line)["speaker"] for line in capsys.readouterr().out.splitlines()]
    assert speakers == ["anna", "anna", "ben"]


def test_an_augmentation(command: Callable[..., int], tmp_path: Path) -> None:
    assert command("mu_law", "-j", 1) == 0
    assert len(list((tmp_path / "out").rglob("*.wav"))) == 48


def test_a_system(command: Callable[..., int], tmp_path: Path) -> None:
    few = [f"mixing.{key}" for key in ("sources=[hum, hiss]", "n_train=2", "n_valid=1", "n_test=3", "duration_s=0.25")]
    options = [word for key in few for word in ("--set", key)]
    assert command("median_system", *options, "-o", tmp_path / "out", "-j", 1, "-d", "cpu") == 0
    results = read_json(tmp_path / "out" / "results.json")
    assert results["plugins"] == ["median_system"]
