"""How much of a test condition training has heard, and that no recording is in both."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae import audio
from sepvae.errors import InputError
from sepvae.recipe.augmentation.folds import recordings, with_recordings
from sepvae.recipe.augmentation.heard import Heard, how_heard
from sepvae.recipe.augmentation.leaks import find_leaks, refuse_leaks
from sepvae.recipe.augmentation.schema import AugmentationSettings, Folders
from sepvae.recipe.kinds import load_recipe

RATE = 16000
RECIPES = Path(__file__).resolve().parents[3] / "recipes"


def augmentation(*methods: str, **settings: dict[str, Any]) -> AugmentationSettings:
    return AugmentationSettings(methods=methods, settings=settings)


@pytest.fixture
def noise(tmp_path: Path) -> str:
    for number, name in enumerate(("rain/a", "rain/b", "wind/a", "wind/b")):
        wave = np.random.default_rng(number).standard_normal(800).astype(np.float32) * 0.1
        audio.write(tmp_path / f"noise/{name}.wav", wave, sample_rate=RATE)
    return str(tmp_path / "noise")


@pytest.mark.parametrize(
    ("settings", "heard"),
    [
        ({"low_hz": 300, "high_hz": 3400}, Heard("within")),
        ({"low_hz": 200, "high_hz": [3000, 3600]}, Heard("within")),
        ({"low_hz": 500, "high_hz": 3400}, Heard("beyond", ("low_hz",))),
        ({"low_hz": [300, 500], "high_hz": 2500}, Heard("beyond", ("low_hz", "high_hz"))),
    ],
)
def test_a_band_is_compared_with_those_that_were_drawn(settings: dict[str, Any], heard: Heard) -> None:
    condition = augmentation("band_pass", band_pass=settings)
    assert how_heard(condition, augmentation("speed+band_pass", "noise")) == heard
    assert how_heard(condition, augmentation("noise")) == Heard("never")
    assert how_heard(condition, augmentation()) == Heard("never")
    # Of a chain all must have been heard.
    chain = condition.model_copy(update={"methods": ("band_pass+speed",)})
    assert how_heard(chain, augmentation("band_pass")) == Heard("never")


def test_synthetic_noise_is_not_that_of_recordings(noise: str) -> None:
    condition = augmentation("noise", noise={"folder": noise, "snr_db": 10})
    assert how_heard(condition, augmentation("noise")) == Heard("within", (), synthetic=True)
    assert how_heard(condition, augmentation("noise", noise={"folder": noise})) == Heard("within")
    assert how_heard(condition, augmentation("noise")).words == ("heard, within the ranges of training, synthetic")


def test_the_recipes_have_a_band_that_no_training_has() -> None:
    for name in ("does_it_help", "clean_model"):
        recipe = load_recipe(RECIPES / f"augment/{name}.yaml")
        band, other = (recipe.conditions[one] for one in ("band_pass", "outside_band"))  # type: ignore[union-attr]
        for learnt in (recipe.unlabelled, recipe.arms["classical"], recipe.arms["both"]):  # type: ignore[union-attr]
            if any("band_pass" in method for method in learnt.methods):
                inside, outside = (how_heard(augmentation(one.method, **one.settings), learnt) for one in (band, other))
                assert inside == Heard("within")
                assert outside == Heard("beyond", ("low_hz", "high_hz"))
        assert "outside_band" in recipe.mismatched  # type: ignore[union-attr]


def test_what_is_shared_out_leaks_nothing(noise: str) -> None:
    for folders in (Folders(noise=noise), Folders()):
        train, test = (
            with_recordings(augmentation("noise", "reverberation"), recordings(folders, use))  # type: ignore[arg-type]
            for use in ("train", "test")
        )
        refuse_leaks({"arm": train}, {"noisy": test})


def test_a_recording_in_training_and_test_is_refused(noise: str) -> None:
    test = augmentation("noise", noise={"folder": noise, "only": ["rain/a.wav"]})
    training = augmentation("speed+noise", noise={"folder": noise})
    with pytest.raises(
        InputError,
        match=r"the test is known from training: condition noisy has the recording rain/a.wav, which training has too "
        r"\(arm: the recording rain/a.wav\): leave folder and only out",
    ):
        refuse_leaks({"arm": training}, {"noisy": test})


def test_a_copy_under_another_name_is_refused(noise: str, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    shutil.copy(Path(noise) / "rain/a.wav", tmp_path / "more/storm.wav")
    test = augmentation("noise", noise={"folder": str(tmp_path / "more")})
    training = augmentation("reverberation", reverberation={"folder": noise})
    (leak,) = find_leaks({"arm": training}, {"noisy": test})
    assert leak == "condition noisy has the recording storm.wav, which training has too (arm: the recording rain/a.wav)"


def test_synthetic_recordings_are_known_by_their_numbers() -> None:
    test = augmentation("noise", noise={"only": ["water/2"]})
    assert find_leaks({"arm": augmentation("noise")}, {"noisy": test})
    assert not find_leaks({"arm": augmentation("noise", noise={"only": ["water/1"]})}, {"noisy": test})
    assert not find_leaks({"arm": augmentation("reverberation")}, {"room": augmentation("reverberation")})
