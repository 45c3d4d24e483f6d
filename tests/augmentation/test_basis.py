"""The basis as it is stored: what was saved is loaded, and what does not fit is refused by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from sepvae.augmentation.basis import BASIS, BASIS_FACTS, NuisanceBasis
from sepvae.augmentation.contract import Target
from sepvae.errors import CheckpointError, InputError
from sepvae.files import read_json, write_json
from sepvae.seeds import generator


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model / "model", tmp_path / "model"))


def test_saved_and_loaded_is_bit_equal(folder: Path) -> None:
    rng = np.random.default_rng(0)
    targets = [Target(f"u{i}", f"s/{i}.wav", "s", "female") for i in range(9)]
    basis = NuisanceBasis.fit(rng.standard_normal((9, 8)).astype(np.float32), targets)
    basis.save(folder, problems=["u9: is silent"])
    loaded = NuisanceBasis.load(folder)
    for name in ("mean", "std", "directions", "vectors"):
        assert np.array_equal(getattr(loaded, name), getattr(basis, name)), name
    assert loaded.utterances == basis.utterances
    assert np.array_equal(loaded.vector_of("u3"), basis.vectors[3])
    assert read_json(folder / BASIS_FACTS)["problems"] == ["u9: is silent"]


def test_a_perturbation_follows_from_its_stream(augmenter) -> None:  # type: ignore[no-untyped-def]
    def draw(seed: int) -> np.ndarray:
        return np.asarray(augmenter.basis.perturbation("soft", generator(seed, "p"), gamma=1.0, n_directions=0))

    assert np.array_equal(draw(1), draw(1))
    assert not np.array_equal(draw(1), draw(2))


def test_nothing_but_its_own_basis_is_loaded(folder: Path) -> None:
    facts = read_json(folder / BASIS_FACTS)
    for change, message in (
        ({"weights_sha256": "0" * 64}, "its nuisance basis is of other weights: fit it with 'sepvae augment fit"),
        ({"basis_sha256": "0" * 64}, "is of other weights"),
        ({"utterances": facts["utterances"][1:]}, "does not hold a nuisance basis"),
        ({"utterances": 3}, "damaged"),
    ):
        write_json(folder / BASIS_FACTS, facts | change)
        with pytest.raises(CheckpointError, match=message):
            NuisanceBasis.load(folder)
    (folder / BASIS).unlink()
    with pytest.raises(CheckpointError, match="has no nuisance basis: fit it with"):
        NuisanceBasis.load(folder)


def test_what_cannot_be_a_basis() -> None:
    with pytest.raises(InputError, match="1 utterances that can be used: a nuisance basis needs two"):
        NuisanceBasis.fit(np.zeros((1, 3), np.float32), [Target("a", "a.wav", "s", "male")])
    basis = NuisanceBasis.fit(np.eye(2, dtype=np.float32), [Target(i, i, "s", "male") for i in "ab"])
    with pytest.raises(InputError, match="the nuisance basis has no utterance 'c'"):
        basis.vector_of("c")
