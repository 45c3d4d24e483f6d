"""Results beside the recipes: what stays of a run, that it comes back whole, and what is not let in."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from sepvae.errors import ConfigError, InputError
from sepvae.files import hash_json, read_json, write_json
from sepvae.recipe.catalogue import find_recipe
from sepvae.recipe.committed import read_committed, recipe_of, refuse_unfit, slim, write_committed
from sepvae.recipe.kinds import load_recipe
from sepvae.recipe.separation.schema import SeparationRecipe

from ..made_results import SDR, made_results


def load(name: str = "timit/vae", *overrides: str) -> SeparationRecipe:
    recipe = load_recipe(find_recipe(name), overrides=overrides)
    assert isinstance(recipe, SeparationRecipe)
    return recipe


def results(name: str = "timit/vae", *overrides: str, **changes: Any) -> dict[str, Any]:
    recipe = load(name, *overrides)
    return made_results(recipe, dict.fromkeys(recipe.systems, 1.23456789), **changes)


def test_they_come_back_as_they_were_kept(tmp_path: Path) -> None:
    kept = slim(results())
    write_committed(tmp_path / "vae.json", kept)
    assert read_committed(tmp_path / "vae.json") == kept == read_json(tmp_path / "vae.json")
    assert kept["splits"]["speaker_seen"]["systems"]["vae"][SDR]["mean"] == 1.2346
    lines = (tmp_path / "vae.json").read_text().splitlines()
    # A system's measure is one line of a diff.
    assert max(map(len, lines)) < 400 and any('"mean": 1.2346' in line and '"n_total": 20' in line for line in lines)


def test_how_often_speakers_were_named_stays() -> None:
    found = results()
    counts = {"classes": 12, "clean": {"right": 3, "of": 4}, "separated": {"right": 1, "of": 2}}
    found["splits"]["speaker_seen"]["named_speakers"] = {"vae": counts}
    kept = slim(found)["splits"]
    assert kept["speaker_seen"]["named_speakers"] == {"vae": counts}
    assert "named_speakers" not in kept["speaker_open"]


@pytest.mark.parametrize(
    ("name", "voices"), [("timit/compare_all", []), ("multichannel/compare", ["f + f", "f + m", "m + m"])]
)
def test_the_largest_fit_a_repository(tmp_path: Path, name: str, voices: list[str]) -> None:
    recipe, rng = load(name), np.random.default_rng(0)
    means = {system: float(rng.uniform(0, 20)) for system in recipe.systems}
    speakers = [f"speaker{number}" for number in range(12)]
    measures = [*recipe.evaluation.measures]
    kept = slim(made_results(recipe, means, measures=measures, speakers=speakers, voices=voices))
    write_committed(tmp_path / "all.json", kept)
    assert (tmp_path / "all.json").stat().st_size < 256_000


def test_results_of_other_data_are_not_let_in(tmp_path: Path) -> None:
    kept = slim({**results(), "drawn": ["the corpus has none of the speakers: others are drawn"]})
    write_committed(tmp_path / "vae.json", kept)
    with pytest.raises(
        ConfigError, match=r"timit/vae: the results are of other data than the recipe is for: the corpus"
    ):
        refuse_unfit(read_committed(tmp_path / "vae.json"), "timit/vae")
    refuse_unfit(slim(results()), "timit/vae")


def test_settings_that_were_changed_by_hand_are_seen(tmp_path: Path) -> None:
    kept = slim(results())
    kept["settings"]["seed"] = 5
    write_json(tmp_path / "vae.json", kept)
    with pytest.raises(InputError, match=r"vae\.json: its settings are not those of its hash"):
        read_committed(tmp_path / "vae.json")
    write_json(tmp_path / "vae.json", {"systems": {}})
    with pytest.raises(InputError, match=r"holds no results of this version"):
        read_committed(tmp_path / "vae.json")


def test_results_of_another_version_are_not_kept() -> None:
    old = results()
    del old["tested"]
    with pytest.raises(InputError, match=r"results of another version \(KeyError\('tested'\)\): run the recipe again"):
        slim(old)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quick": True}, r"timit/vae: the results are of its quick form: run it without --quick"),
        ({"plugins": ["mine"]}, r"timit/vae: the results need plug-ins, mine: nobody else has them"),
    ],
)
def test_results_that_are_not_the_recipes_own_are_refused(changes: dict[str, Any], message: str) -> None:
    refuse_unfit(results(), "timit/vae")
    with pytest.raises(ConfigError, match=message):
        refuse_unfit(results(**changes), "timit/vae")


def test_results_of_other_settings_are_refused_and_the_settings_named() -> None:
    other = results("timit/vae", "systems.vae.settings.optimiser.epochs=7", "mixing.n_test=3")
    message = (
        r"made with other settings than the recipe has \([0-9a-f]{12}, not [0-9a-f]{12}\): "
        r"parts\.speaker_open\.n_test is 3, not 36; .*systems\.vae\.settings\.optimiser\.epochs is 7, not 20"
    )
    with pytest.raises(ConfigError, match=message):
        refuse_unfit(other, "timit/vae")
    with pytest.raises(ConfigError, match=r"systems\.vae is new"):
        refuse_unfit(results("timit/vae"), "timit/beta_vae")


def without(instead: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return results whose settings were made before there was a key, with others beside."""
    kept = slim(results())
    place = kept["settings"]
    for key in keys[:-1]:
        place = place[key]
    del place[keys[-1]]
    place.update(instead)
    return {**kept, "settings_hash": hash_json(kept["settings"])}


@pytest.mark.parametrize(
    "keys",
    [("systems", "vae", "seeds"), ("systems", "kl_nmf", "settings", "mask"), ("parts", "speaker_seen", "length")],
)
def test_a_setting_that_came_later_changes_nothing_by_its_default(keys: tuple[str, ...]) -> None:
    refuse_unfit(without({}, *keys), "timit/vae")


def test_a_default_that_was_another_one_is_seen() -> None:
    with pytest.raises(ConfigError, match=r"systems\.kl_nmf\.settings\.mask is 'direct', not 'ratio'"):
        refuse_unfit(without({"mask": "direct"}, "systems", "kl_nmf", "settings", "mask"), "timit/vae")


def test_another_seed_is_told_by_the_name_alone() -> None:
    other = results("timit/vae", "seed=3")
    refuse_unfit(other, "timit/vae", seed=3)
    for seed in (None, 4):
        with pytest.raises(ConfigError, match=r"seed is 3, not"):
            refuse_unfit(other, "timit/vae", seed=seed)
    assert recipe_of(PurePosixPath("timit/results/vae.seed_3.json")) == ("timit/vae", 3)
    assert recipe_of(PurePosixPath("results/demo.json")) == ("demo", None)
    for name in ("timit/vae.json", "timit/results/vae.seed_x.json"):
        with pytest.raises(InputError, match=r"no name of results: results/RECIPE\.json"):
            recipe_of(PurePosixPath(name))


@pytest.mark.parametrize(
    "words",
    [
        ["title=Other", "description=other", "notes=[a]", "data=other"],
        ["systems.vae.label=Mine", "systems.kl_nmf.role=ours"],
        ["published=[{system: vae, measure: si_sdr, value: 1, source: x}]"],
        ["mixing.noise_folder=/somewhere"],
        ["mixing.background.folder=/elsewhere"],
        ["corpus.layout=timit"],
    ],
)
def test_words_and_places_decide_no_figure(words: list[str]) -> None:
    assert hash_json(load("timit/vae", *words).decisive) == hash_json(load().decisive)


@pytest.mark.parametrize(
    "settings",
    ["seed=1", "naming=best_sir", "splits=[speaker_seen]", "mixing.noise_snr_db=3", "evaluation.measures=[si_sdr]"],
)
def test_settings_do(settings: str) -> None:
    assert hash_json(load("timit/vae", settings).decisive) != hash_json(load().decisive)


def test_of_a_claim_its_words_do_not_count_and_its_test_does() -> None:
    claim = "hypotheses=[{claim: %s, system: vae, others: [kl_nmf], direction: %s}]"
    one, words, other = (
        hash_json(load("timit/vae", claim % pair).decisive)
        for pair in (("a", "greater"), ("b", "greater"), ("a", "less"))
    )
    assert one == words != other


def test_of_augmentation_the_same_holds() -> None:
    def hashed(*overrides: str) -> str:
        return hash_json(load_recipe(find_recipe("augment/does_it_help"), overrides=overrides).decisive)

    words = ("title=x", "folders.noise=/n", "folders.rooms=/r", "arms.soft.label=x", "conditions.clean.description=x")
    assert hashed(*words) == hashed()
    for setting in ("seeds=2", "arms.soft.copies=1", "conditions.room.method=noise", "recogniser.steps=5"):
        assert hashed(setting) != hashed()
