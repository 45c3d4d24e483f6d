"""The lists of the protocol: drawn by name, nobody and no recording in two places, and mixed without a leak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sepvae.config import parse_config
from sepvae.corpora.records import Utterance, open_corpus
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.leaks import find_leaks
from sepvae.mixing.noise import list_noises
from sepvae.mixing.protocol import make_mixtures
from sepvae.recipe.catalogue import find_recipe
from sepvae.recipe.kinds import load_recipe
from sepvae.recipe.separation.schema import SeparationRecipe
from sepvae.recipe.separation.stages import companies
from sepvae.seeds import derive_seed

FOLDER = Path(__file__).resolve().parents[2] / "recipes" / "protocol"


def read(name: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))["mixing"]
    return data


def drawn(utterances: list[Utterance], key: str, split: str | None) -> dict[str, list[str]]:
    """Return the speakers of a corpus by sex, in the order of the protocol."""
    return {
        sex: sorted(
            {u.speaker for u in utterances if u.sex == sex and u.split == split},
            key=lambda name: derive_seed(0, "protocol", key, name),
        )
        for sex in ("female", "male")
    }


def test_nobody_stands_in_two_places() -> None:
    develop, test = read("develop"), read("librispeech")
    (chosen_on,), (tested,) = develop["folds"], test["folds"]
    assert (len(chosen_on), len(tested)) == (20, 27)
    trained = set(develop["speakers"]) - set(chosen_on)
    assert trained == set(test["speakers"]) - set(tested) and len(trained) == 160
    assert not set(chosen_on) & {*test["speakers"]} and not set(tested) & {*develop["speakers"]}
    small = read("develop_small")
    assert small["folds"] == develop["folds"] and len(small["speakers"]) == 44
    assert {*small["speakers"]} <= {*develop["speakers"]}
    folds = read("timit")["folds"]
    assert [len(fold) for fold in folds] == [4, 4, 4] and len({name for fold in folds for name in fold}) == 12


def test_the_lists_are_those_that_are_drawn(corpora: Path) -> None:
    speech = list(open_corpus(corpora / "librispeech-sample").utterances())
    women, men = drawn(speech, "librispeech", "train-clean-100").values()
    other = {u.speaker for u in speech if u.split == "test-other"}
    develop, test = read("develop"), read("librispeech")
    assert set(develop["folds"][0]) == {*women[:10], *men[:10]}
    assert set(test["folds"][0]) == {*women[10:20], *men[10:21], *other}
    assert set(develop["speakers"]) == {*women[:10], *men[:10], *women[20:], *men[21:]}
    assert {*read("develop_small")["speakers"]} == {*women[:10], *men[:10], *women[20:32], *men[21:33]}
    women, men = drawn(list(open_corpus(corpora / "timit-sample").utterances()), "timit", None).values()
    assert read("timit")["folds"] == [[*women[n : n + 2], *men[n : n + 2]] for n in (0, 2, 4)]


def test_the_recordings_are_those_that_are_drawn(corpora: Path) -> None:
    found: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for kind, own in list_noises(corpora / "noise").items():
        order = sorted((one.path for one in own), key=lambda path: derive_seed(0, "protocol", "noise", path))
        n_test = len(order) // 3
        # The only recording of wind is cut in three, which needs no list.
        if n_test:
            found["test"] += order[:n_test]
            found["valid"] += order[n_test : n_test + 1]
            # Numbered files of one place are parts of one recording; those of Medley-solos-DB are excerpts of many.
            tested = {path.rsplit("_", 1)[0] for path in order[:n_test] if "medley_solos" not in path}
            found["train"] += [path for path in order[n_test + 1 :] if path.rsplit("_", 1)[0] not in tested]
        else:
            assert (kind, len(order)) == ("weather", 1)
    assert read("noise")["background"]["recordings"] == found
    assert sum(map(len, found.values())) == 15


def test_the_pairs_are_those_that_are_drawn(corpora: Path) -> None:
    women, men = drawn(list(open_corpus(corpora / "timit-sample").utterances()), "pairs", None).values()
    rings = [[own[place], own[(place + 1) % 6]] for own in (women, men) for place in range(6)]
    assert read("timit_pairs")["pairs"] == [*rings, *([one, two] for one, two in zip(women, men, strict=True))]


# What the README promises of each part of the recipes: test mixtures, clusters and people.
PARTS = {
    "timit/vae": {"speaker_seen": (36, 24, 12), "speaker_open": (36, 12, 12)},
    "timit/same_sex": {"speaker_seen": (90, 18, 12)},
    "noise/enhancement": {"speaker_open": (36, 12, 12)},
    "multichannel/underdetermined": {"speaker_seen": (36, 33, 12), "speaker_open": (36, 12, 12)},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_the_recipes_test_as_many_people_as_they_say(corpora: Path, name: str) -> None:
    root, noise = corpora / "timit-sample", f"mixing.background.folder={corpora / 'noise'}"
    recipe = load_recipe(find_recipe(name), overrides=[noise, "mixing.skip_damaged=false"])
    assert isinstance(recipe, SeparationRecipe)
    for part in recipe.parts:
        made = make_mixtures(list(open_corpus(root).utterances()), part.mixing, root=root, seed=recipe.seed)
        found = companies(made)
        people = {name for company in found.values() for name in company.split(" + ")}
        assert (len(found), len(set(found.values())), len(people)) == PARTS[name][part.name]
        assert find_leaks(made.mixtures, speakers=part.name == "speaker_open") == []


@pytest.mark.parametrize(
    ("name", "corpus", "pairs"),
    [("timit", "timit-sample", 12), ("develop", "librispeech-sample", 40), ("develop_small", "librispeech-sample", 40)],
)
def test_they_are_mixed_without_a_leak(corpora: Path, name: str, corpus: str, pairs: int) -> None:
    utterances = list(open_corpus(corpora / corpus).utterances())
    settings = {**read(name), "split": "speaker_open", "n_train": 8, "n_valid": 2, "skip_damaged": False}
    config = parse_config(MixingConfig, settings, where=name)
    made = make_mixtures(utterances, config, root=corpora / corpus, seed=0)
    test = made.of_split("test")
    assert len(test) >= 36
    assert len({tuple(source.speaker for source in mixture.sources) for mixture in test}) == pairs
    assert find_leaks(made.mixtures, speakers=True) == []


def test_the_ablation_is_of_development_speakers() -> None:
    recipe = load_recipe(find_recipe("develop/ablation"))
    assert isinstance(recipe, SeparationRecipe)
    assert [list(fold) for fold in recipe.mixing.folds or ()] == read("develop")["folds"]


@pytest.mark.parametrize("name", ["timit", "develop", "develop_small", "librispeech"])
def test_recipes_include_them(name: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(f"include: [{FOLDER.parent}/timit/vae.yaml, {FOLDER}/{name}.yaml]\n")
    recipe = load_recipe(mine)
    assert isinstance(recipe, SeparationRecipe)
    assert recipe.parts[-1].mixing.split == "speaker_open"
    assert recipe.parts[-1].mixing.folds is not None


def test_what_ships_has_heard_nobody_of_the_protocol() -> None:
    """Of LibriSpeech models that come along know those who train where settings are chosen, and nobody else."""
    mixing = yaml.safe_load((FOLDER.parent / "defaults/people.yaml").read_text())
    heard = {name.removeprefix("libri-") for name in mixing["speakers"] if name.startswith("libri-")}
    develop, test = read("develop"), read("librispeech")
    assert heard == set(develop["speakers"]) - set(develop["folds"][0])
    assert not heard & set(test["folds"][0])
    assert len(mixing["speakers"]) - len(heard) == 130
    recipe = load_recipe(find_recipe("defaults/any_talkers"))
    assert [list(fold) for fold in recipe.mixing.folds or ()] == test["folds"]
