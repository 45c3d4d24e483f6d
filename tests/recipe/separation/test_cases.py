"""Cases: other mixtures under the same systems, each a part of the results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sepvae.errors import ConfigError
from sepvae.recipe.kinds import load_recipe
from sepvae.recipe.separation.schema import SeparationRecipe, name_parts

CASES = {"one": {"description": "One.", "mixing": {"dialects": 1}}, "many": {"mixing": {"n_test": 5}}}


def load(
    tmp_path: Path, *, quick: bool = False, changes: dict[str, Any] | None = None, **data: Any
) -> SeparationRecipe:
    path = tmp_path / "r.yaml"
    base = {"title": "t", "systems": {"mixture": {"kind": "mixture"}}, "mixing": {"n_train": 7}, "cases": CASES}
    path.write_text(yaml.safe_dump({**base, "quick": changes or {}, **data}, sort_keys=False))
    return load_recipe(path, quick=quick)


def test_a_case_changes_the_mixtures_and_nothing_else(tmp_path: Path) -> None:
    recipe = load(tmp_path, splits=["speaker_open"])
    one, many = recipe.parts
    assert (one.name, one.mixing.dialects, one.mixing.n_train, one.mixing.n_test) == ("one", 1, 7, 10)
    assert (many.name, many.mixing.dialects, many.mixing.n_train, many.mixing.n_test) == ("many", (), 7, 5)
    assert {part.mixing.split for part in recipe.parts} == {"speaker_open"}
    assert (
        name_parts(["speaker_open"], {"one": "One."})[0].description
        == "One. The test speakers never speak in training."
    )


def test_cases_in_several_splits_and_none(tmp_path: Path) -> None:
    names = [f"{case}_{split}" for case in ("one", "many") for split in ("speaker_seen", "speaker_open")]
    assert [part.name for part in load(tmp_path).parts] == names
    assert [(part.name, part.mixing.split) for part in load(tmp_path, cases={}).parts] == [
        ("speaker_seen", "speaker_seen"),
        ("speaker_open", "speaker_open"),
    ]


def test_the_quick_form_leaves_cases_out(tmp_path: Path) -> None:
    quick = {"splits": ["speaker_seen"], "cases": {"many": None, "one": {"mixing": {"n_test": 2}}}}
    assert len(load(tmp_path, changes=quick).parts) == 4
    (part,) = load(tmp_path, changes=quick, quick=True).parts
    assert (part.name, part.mixing.dialects, part.mixing.n_test) == ("one", 1, 2)


def test_cases_are_heard_in_other_rooms(tmp_path: Path) -> None:
    mixing = {"room": {"n_microphones": 3}}
    cases = {
        "dry": {"mixing": {}},
        "hall": {"mixing": {"room": {"rt60_s": [0.5, 0.6]}}},
        "office": {"mixing": {"room": {"kind": "measured", "folder": "rir"}}},
        "flat": {"mixing": {"room": None}},
    }
    dry, hall, office, flat = (
        part.mixing for part in load(tmp_path, cases=cases, mixing=mixing, splits=["speaker_seen"]).parts
    )
    assert dry.room and hall.room and office.room and flat.room is None
    assert [room.n_microphones for room in (dry.room, hall.room)] == [3, 3]
    assert (dry.room.rt60_s, hall.room.rt60_s) == ((0.15, 0.15), (0.5, 0.6))
    # The ledger sees when a response changes.
    assert [mixing.folders for mixing in (dry, hall, office)] == [{}, {}, {"room": Path("rir")}]


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        ({"../x": {"mixing": {}}}, "case '../x': use letters, digits and underscores"),
        ({"a": {"mixing": {"n_trian": 3}}}, "case a: unknown key 'n_trian': did you mean 'n_train'"),
        ({"a": {"mixing": {"n_train": -3}}}, "n_train = -3"),
        ({"a": {"mixing": {"room": {"rt60_s": 0.01}}}}, "case a: room: rt60_s = 0.01"),
        ({"a": {"mixng": {}}}, "unknown key 'cases.a.mixng'"),
    ],
)
def test_mistakes_in_a_case_are_named(tmp_path: Path, cases: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, cases=cases)
