"""Model folders of every version: they load, and give the samples that they gave when they were written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae.augmentation.augmenter import Augmenter
from sepvae.demixing.algorithm import AlgorithmChoice
from sepvae.demixing.demixer import Demixer
from sepvae.enhancement.config import EnhancementConfig
from sepvae.enhancement.enhancer import Enhancer
from sepvae.errors import CheckpointError
from sepvae.estimator.checkpoint import load_checkpoint
from sepvae.estimator.kinds import KINDS
from sepvae.files import read_arrays
from sepvae.separation.separator import Separator

FOLDERS = Path(__file__).parent / "folders"
# What the networks made when the first version was written; their weights are the same in all versions.
WANTED = FOLDERS / "version_1"
VERSIONS = ("version_1", "version_2")
RATE = 8000
SEPARATING = ("source", "generative", "complex", "joint", "waves")
# Other processors round otherwise.
CLOSE = 1e-5
every_version = pytest.mark.parametrize("version", VERSIONS)


def mixture() -> np.ndarray[Any, Any]:
    return read_arrays(WANTED / "mixture.npz")["wave"]


def assert_same(found: Mapping[str, Any], path: Path) -> None:
    wanted = read_arrays(path)
    assert found.keys() == wanted.keys()
    for name, wave in wanted.items():
        np.testing.assert_allclose(found[name], wave, atol=CLOSE, err_msg=name)


@every_version
@pytest.mark.parametrize("kind", SEPARATING)
def test_it_separates_to_the_same_samples(version: str, kind: str) -> None:
    assert_same(Separator.load(FOLDERS / version / kind).separate(mixture(), RATE), WANTED / f"{kind}.npz")


@every_version
def test_it_enhances_to_the_same_samples(version: str) -> None:
    enhancer = Enhancer.load(FOLDERS / version / "speech_prior", EnhancementConfig(n_iterations=5))
    assert_same(enhancer.enhance(mixture(), RATE), WANTED / "speech_prior.npz")


@every_version
def test_it_augments_to_the_same_samples(version: str) -> None:
    augmenter, wave = Augmenter(load_checkpoint(FOLDERS / version / "segment")), mixture()[0]
    moved = augmenter.move(wave, RATE, lambda own: own + 0.5)
    assert_same({"vector": augmenter.vector(wave, RATE), "moved": moved}, WANTED / "segment.npz")


@every_version
def test_it_demixes_to_the_same_samples(version: str) -> None:
    found, few = {}, {"iterations": 3, "start_iterations": 3, "precision": "32-true"}
    for name in ("mvae", "fastmvae"):
        demixer = Demixer.load(FOLDERS / version / "conditional", AlgorithmChoice.of(name, few))
        found |= {f"{name}_{talker}": wave for talker, wave in demixer.separate(mixture(), RATE).waves.items()}
    assert_same(found, WANTED / "conditional.npz")


def test_every_kind_of_network_is_stored_in_every_version() -> None:
    stored = [{path.parent.name for path in (FOLDERS / version).glob("*/config.json")} for version in VERSIONS]
    assert all(names >= {*SEPARATING, "speech_prior", "segment", "conditional"} for names in stored)
    kinds = {type(load_checkpoint(FOLDERS / "version_1" / name).estimator) for name in stored[0]}
    assert kinds == set(KINDS.values())


@pytest.mark.parametrize("name", ["source_half", "source_bytes"])
def test_weights_of_less_precision_separate_to_the_same_samples(name: str) -> None:
    folder = FOLDERS / "version_2" / name
    assert_same(Separator.load(folder).separate(mixture(), RATE), folder.with_suffix(".npz"))


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a stored folder that a test may change."""
    return Path(shutil.copytree(FOLDERS / request.param / "source", tmp_path / "model"))


def change(folder: Path, file: str, *keys: str, value: Any) -> None:
    """Set a value under keys within keys of a JSON file of a folder."""
    data = json.loads((folder / file).read_text())
    place = data
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    (folder / file).write_text(json.dumps(data))


@pytest.mark.parametrize("folder", ["version_1"], indirect=True)
@pytest.mark.parametrize("keys", [("optimiser", "new"), ("waves", "new"), ("objective", "new"), ("objective", "kind")])
def test_what_the_training_was_is_of_no_concern(folder: Path, keys: tuple[str, ...]) -> None:
    """Settings of the training that this version does not know, and an objective that nobody has any more."""
    change(folder, "config.json", "training", *keys, value="unknown")
    loaded = load_checkpoint(folder)
    assert_same(Separator([loaded]).separate(mixture(), RATE), WANTED / "source.npz")
    assert loaded.provenance["training"][keys[0]][keys[1]] == "unknown", "it is still there to be shown"


@pytest.mark.parametrize("folder", ["version_2"], indirect=True)
def test_nor_is_provenance_of_any_form(folder: Path) -> None:
    change(folder, "provenance.json", "training", value={"optimiser": {"new": 3}, "anything": [1, None]})
    assert_same(Separator.load(folder).separate(mixture(), RATE), WANTED / "source.npz")


@pytest.mark.parametrize(
    ("folder", "keys"),
    [
        ("version_1", ("training", "frontend", "new")),
        ("version_1", ("training", "frontend", "stft", "new")),
        ("version_1", ("training", "model", "settings", "new")),
        ("version_1", ("training", "new")),
        ("version_2", ("estimator", "frontend", "new")),
        ("version_2", ("estimator", "model", "settings", "new")),
        ("version_2", ("estimator", "new")),
        ("version_2", ("new",)),
    ],
    indirect=["folder"],
)
def test_settings_of_the_estimator_that_are_not_known_are_refused(folder: Path, keys: tuple[str, ...]) -> None:
    change(folder, "config.json", *keys, value=1)
    with pytest.raises(CheckpointError, match=r"unknown key '.*new'"):
        load_checkpoint(folder)


def test_the_likelihood_of_version_1_is_that_of_its_objective() -> None:
    assert load_checkpoint(FOLDERS / "version_1/speech_prior").config.likelihood == "itakura_saito"
    assert load_checkpoint(FOLDERS / "version_1/joint").config.likelihood is None
