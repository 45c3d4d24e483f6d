"""Recipes on other data than their lists are of draw, and say so; what names some of it and not all is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sepvae.config import parse_config
from sepvae.mixing.config import MixingConfig
from sepvae.recipe.separation.elsewhere import adapted

LISTS = {"train": ["water/a.wav"], "valid": ["water/b.wav"], "test": ["water/c.wav"]}


def of(**settings: Any) -> MixingConfig:
    return parse_config(MixingConfig, settings, where="test")


@pytest.mark.parametrize(
    ("settings", "changed", "said"),
    [
        ({"split": "speaker_open", "folds": [["ann"], ["bob"]]}, {"folds": None}, "tests by name: others are drawn"),
        ({"split": "speaker_open", "folds": [["eve"], ["bob"]]}, {}, "1 of the corpus's speakers are in no fold"),
        ({"split": "speaker_open", "folds": [["eve"], ["dan"]]}, {}, ""),
        ({"split": "speaker_open", "folds": [["eve"]], "speakers": ["eve", "dan"]}, {}, ""),
        # Of known speakers, too: the recipe is of others.
        ({"folds": [["ann"], ["bob"]]}, {"folds": None}, "tests by name: others are drawn"),
        ({"folds": [["eve"], ["bob"]]}, {}, "1 of the corpus's speakers are in no fold"),
        ({"pairs": [["ann", "bob"], ["bob", "cid"]]}, {"pairs": 2}, "pairs by name: others are drawn"),
        ({"pairs": [["ann", "bob"], ["eve", "cid"]]}, {}, ""),
        ({"pairs": 3}, {}, ""),
        ({"speakers": ["ann", "bob"]}, {"speakers": None}, "speakers that this recipe names: all of it takes part"),
        ({"speakers": ["ann", "eve"]}, {}, ""),
        ({"speakers": 2}, {}, ""),
    ],
)
def test_lists_of_other_speakers_are_drawn_anew(settings: dict[str, Any], changed: dict[str, Any], said: str) -> None:
    mixing, notes = adapted(of(**settings), {"eve", "dan"})
    assert mixing == of(**{**settings, **changed})
    assert len(notes) == bool(said) and said in " ".join(notes)


def test_lists_of_other_recordings_are_drawn_anew(tmp_path: Path) -> None:
    mixed = {"sources": ["speech", "background"], "background": {"folder": str(tmp_path), "recordings": LISTS}}
    mixing, (note,) = adapted(of(**mixed), {"eve"})
    assert mixing.background.recordings is None and "has none of the recordings that this recipe lists" in note
    (tmp_path / "water").mkdir()
    (tmp_path / "water" / "b.wav").touch()
    assert adapted(of(**mixed), {"eve"}) == (of(**mixed), [])
    # Backgrounds of kinds that are not listed, and mixtures without one, have nothing to do with files.
    gaussian = {"recordings": LISTS, "kinds": ["gaussian"]}
    for other in ({**mixed, "background": gaussian}, {**mixed, "sources": ["female", "male"]}):
        assert adapted(of(**other), {"eve"}) == (of(**other), [])


def test_without_a_folder_backgrounds_are_synthetic_and_it_is_said() -> None:
    mixed = {"sources": ["speech", "background"], "background": {"recordings": LISTS}}
    mixing, (note,) = adapted(of(**mixed), {"eve"})
    assert mixing.background.recordings is None and "backgrounds are synthetic" in note
