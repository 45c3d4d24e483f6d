"""A setting that is said to be chosen: on development data alone, and as the best that was found there."""

from __future__ import annotations

from typing import Any

import pytest

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.recipe.chosen import check_chosen, choices_of, shared_test
from sepvae.recipe.common import Chosen
from sepvae.recipe.separation.schema import SeparationRecipe

from ..made_results import made_results

ATOMS = {"setting": "systems.nmf.settings.n_atoms", "result": "develop/nmf"}


def recipe(systems: dict[str, Any], *chosen: dict[str, Any]) -> SeparationRecipe:
    data = {"title": "t", "splits": ["speaker_seen"], "systems": systems, "chosen": chosen}
    return parse_config(SeparationRecipe, data, where="test")


def nmf(n_atoms: int, **more: Any) -> dict[str, Any]:
    return {"kind": "nmf", "settings": {"n_atoms": n_atoms, **more}}


def developed(means: dict[str, float], **changes: Any) -> dict[str, Any]:
    # The last is no cell of it: another kind, under a name that begins alike.
    cells = {f"nmf_{n}_atoms": nmf(n) for n in (10, 20, 40)} | {"nmf_bpf": {"kind": "mixture"}}
    return made_results(recipe(cells), means | {"nmf_bpf": 99.0}, speakers=["dev1", "dev2"], **changes)


MEANS = {"nmf_10_atoms": 4.0, "nmf_20_atoms": 6.0, "nmf_40_atoms": 5.0}


def problems(n_atoms: int, **changes: Any) -> list[str]:
    mine = recipe({"nmf": nmf(n_atoms)}, {**ATOMS, **changes})
    reported = made_results(mine, {"nmf": 5.0}, speakers=["test1", "dev3"])
    return check_chosen(mine, mine.chosen[0], [developed(MEANS)], [reported])


def test_the_best_cell_is_taken() -> None:
    assert problems(20) == []


def test_another_value_than_that_of_the_best_cell_is_refused() -> None:
    (problem,) = problems(40)
    assert "n_atoms (chosen on develop/nmf): is 40, and the best there (nmf_20_atoms) has 20" in problem
    assert problems(40, because="half the time of forty would not be the paper's") == []


def test_over_several_seeds_the_mean_decides() -> None:
    mine = recipe({"nmf": nmf(40)}, ATOMS)
    both = [developed(MEANS), developed(MEANS | {"nmf_40_atoms": 8.0})]
    assert check_chosen(mine, mine.chosen[0], both) == []
    assert check_chosen(mine, mine.chosen[0], both[:1])


@pytest.mark.parametrize(
    ("who", "shared"), [(["dev2", "test1"], "the speaker dev2"), (["dev1", "dev2"], "the speaker dev1 and 1 more")]
)
def test_a_setting_that_was_chosen_on_the_test_is_refused(who: list[str], shared: str) -> None:
    mine = recipe({"nmf": nmf(20)}, {**ATOMS, "because": "of no excuse"})
    reported = made_results(mine, {"nmf": 5.0}, speakers=who)
    (problem,) = check_chosen(mine, mine.chosen[0], [developed(MEANS)], [reported])
    assert f"was tested there on {shared}, and so is the recipe: choose it on development data" in problem


def test_a_file_that_was_tested_is_known_by_its_bytes() -> None:
    mine = recipe({"nmf": nmf(20)}, ATOMS)
    reported = made_results(mine, {"nmf": 5.0}, speakers=["test1"])
    one = developed(MEANS)
    assert shared_test(one, reported) == ""
    copied = next(iter(one["tested"]["speaker_seen"]["utterances"].values()))
    reported["tested"]["speaker_seen"]["utterances"]["renamed"] = copied
    assert shared_test(one, reported) == f"an utterance (SHA-256 {copied}…)"
    for results in (one, reported):
        results["tested"]["speaker_seen"] |= {"utterances": {}, "recordings": {"rain.flac": "0123"}}
    assert shared_test(one, reported) == "a recording of noise (SHA-256 0123…)"
    # Files whose bytes nobody has looked at, and synthetic noise, are not the same for that.
    for results in (one, reported):
        results["tested"]["speaker_seen"] |= {"utterances": {"x": ""}, "recordings": {"gaussian/0": ""}}
    assert shared_test(one, reported) == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"result": "timit/nmf"}, "timit/nmf is reported: settings are chosen on results of recipes in develop/"),
        ({"setting": "systems.nmf.settings.n_atmos"}, "the recipe has no such setting"),
        ({"measure": "stoi"}, "develop/nmf has no nmf with this setting and a stoi in speaker_seen"),
        ({"part": "speaker_open"}, "and a sdr_bsseval_v3_512 in speaker_open"),
    ],
)
def test_choices_that_cannot_be_looked_up_are_refused(changes: dict[str, Any], message: str) -> None:
    (problem,) = problems(20, **changes)
    assert message in problem


def test_nothing_is_chosen_where_only_one_value_was_tried() -> None:
    mine = recipe({"nmf": nmf(20)}, ATOMS)
    one = made_results(recipe({"nmf_20_atoms": nmf(20)}), {"nmf_20_atoms": 6.0}, speakers=["dev1"])
    (problem,) = check_chosen(mine, mine.chosen[0], [one])
    assert "develop/nmf has nmf with 20 alone: nothing was chosen there" in problem


def test_a_choice_without_results_is_refused() -> None:
    mine = recipe({"nmf": nmf(20)}, ATOMS)
    (problem,) = check_chosen(mine, mine.chosen[0], [])
    assert "there are no results of develop/nmf: run it, and keep what it finds" in problem


def test_what_an_included_recipe_chose_counts_where_its_system_is_there_and_until_another_is_made() -> None:
    other = {"setting": "systems.vae.settings.mask", "result": "develop/masks"}
    mine = recipe({"nmf": nmf(20)}, other, ATOMS, {**ATOMS, "part": "speaker_open"})
    assert [(one.result, one.part) for one in choices_of(mine)] == [("develop/nmf", "speaker_open")]


@pytest.mark.parametrize("setting", ["n_atoms", "systems.nmf", "mixing.n_train.x", "systems..settings.x"])
def test_settings_of_nothing_that_is_compared_cannot_be_chosen(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"give the keys of a setting, such as systems\.kl_nmf\.settings\.n_atoms"):
        parse_config(Chosen, {"setting": setting, "result": "develop/nmf"}, where="test")
