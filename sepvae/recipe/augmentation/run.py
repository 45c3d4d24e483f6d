"""Runs a recipe of the kind `augmentation` stage by stage, skipping what has not changed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sepvae.corpora.damaged_files import list_damaged
from sepvae.corpora.records import Utterance, open_corpus
from sepvae.estimator.checkpoint import versions
from sepvae.evaluation import write_rows
from sepvae.files import hash_json, read_json, read_jsonl, write_json, write_jsonl
from sepvae.processes import run_side_by_side
from sepvae.recipe.augmentation import stages, voice_check
from sepvae.recipe.augmentation.folds import deal, heard, recordings
from sepvae.recipe.augmentation.latent_space import describe_space
from sepvae.recipe.augmentation.page import write_page
from sepvae.recipe.augmentation.schema import MISMATCHED, AugmentRecipe
from sepvae.recipe.augmentation.stages import Trial
from sepvae.recipe.corpus import corpus_state, locate_corpus, prepare
from sepvae.recipe.ledger import Ledger

_LOGGER = logging.getLogger(__name__)
_Hashes = Mapping[str, Any]


def run_augmented(recipe: AugmentRecipe, out: Path, data: Path | None, device: str, jobs: int) -> dict[str, Any]:
    """Run a recipe in a folder and return its results; it leaves `results.json` and `report.html` there.

    Raises:
        ConfigError, InputError: the corpus or the folders of recordings cannot serve the recipe.
        OutputError: results cannot be written.
    """
    ledger, root = Ledger(out / "stages"), locate_corpus(recipe.corpus, data, out)
    listing, whole = out / "utterances.jsonl", out / "whole.jsonl"
    state = [recipe.corpus.model_dump(mode="json"), corpus_state(root)]
    prepared = ledger.run("prepare", state, [listing], lambda: prepare(open_corpus(root, recipe.corpus.kind), listing))
    prepared |= ledger.run("whole", prepared, [whole], lambda: _leave_out_damaged(listing, whole, root))
    trials = make_trials(recipe, out, root, device)
    tasks = {f"fold_{trial.fold.number}": (ledger, trial, prepared) for trial in trials}
    spoken = run_side_by_side(_speech_and_model, tasks, jobs=jobs)
    arms = {
        f"{fold}-{arm}": (ledger, trial, arm, prepared, spoken[fold])
        for arm in recipe.arms
        for fold, (_, trial, _) in tasks.items()
    }
    scored = run_side_by_side(_score, arms, jobs=jobs)
    checks = {fold: (ledger, trial, prepared, spoken[fold]) for fold, (_, trial, _) in tasks.items()}
    checked = run_side_by_side(_check, checks, jobs=jobs)
    results = _results(recipe, trials, prepared, out)
    write_json(out / "results.json", results)
    page = out / "report.html"
    ledger.run("report", [results, scored, checked], [page], lambda: write_page(recipe, trials, results, page))
    return results


def rebuild_page(recipe: AugmentRecipe, results: Mapping[str, Any], out: Path) -> Path:
    """Write the page of a finished run again."""
    recipe = recipe.in_order(results["arms"], results["conditions"])
    write_page(recipe, make_trials(recipe, out, out), results, out / "report.html")
    return out / "report.html"


def make_trials(recipe: AugmentRecipe, out: Path, root: Path, device: str = "cpu") -> list[Trial]:
    """Return the trials of the folds of a run whose utterances are listed in its folder."""
    utterances = [Utterance.from_json(record) for record in read_jsonl(out / "whole.jsonl")]
    folds = deal(utterances, recipe.folds, seed=recipe.seed)[: recipe.tested_folds]
    return [Trial(recipe, root, fold, out / f"fold_{fold.number}", device) for fold in folds]


def _leave_out_damaged(listing: Path, whole: Path, root: Path) -> None:
    records = list(read_jsonl(listing))
    damaged = list_damaged([Utterance.from_json(record) for record in records], root)
    write_jsonl(whole, (record for record in records if record["id"] not in damaged))


def _folders(trial: Trial) -> list[str]:
    """Return what changes when a recording of noise or a room does."""
    folders = trial.recipe.folders
    return [corpus_state(Path(folder)) for folder in (folders.noise, folders.rooms) if folder is not None]


def _speech_and_model(ledger: Ledger, trial: Trial, prepared: _Hashes) -> dict[str, Any]:
    """Make the speech of both sides and train the model of speech; return the hashes of all."""
    recipe, name = trial.recipe, trial.out.name
    shared = [prepared, recipe.seed, recipe.folds, _folders(trial)]
    unlabelled = heard(recipe.unlabelled, recordings(recipe.folders, "train")).model_dump(mode="json")
    hashes: dict[str, Any] = {
        "unlabelled": ledger.run(
            f"{name}-unlabelled", [shared, unlabelled], [trial.unlabelled], lambda: stages.make_unlabelled(trial)
        )
    }
    hashes["model"] = ledger.run(
        f"{name}-model",
        [recipe.model, recipe.seed, hashes["unlabelled"]],
        [trial.model],
        lambda: stages.train_model(trial),
    )
    for condition in recipe.conditions:
        sounds = trial.sounds_of_condition(condition).model_dump(mode="json")
        hashes[condition] = ledger.run(
            f"{name}-test-{condition}",
            [shared, sounds],
            [trial.condition(condition)],
            partial(stages.make_condition, trial, condition),
        )
    return hashes


def _score(ledger: Ledger, trial: Trial, arm: str, prepared: _Hashes, spoken: _Hashes) -> dict[str, str]:
    """Make the versions of an arm, train its recognisers and score them; return the hash of the scores."""
    recipe, name = trial.recipe, trial.out.name
    sounds = trial.sounds_of_arm(arm).model_dump(mode="json")
    # Arms without a latent method are the same whatever the model.
    model = spoken["model"] if stages.needs_model(trial.recipe.arms[arm]) else None
    made = ledger.run(
        f"{name}-arm-{arm}",
        [prepared, recipe.seed, recipe.folds, _folders(trial), sounds, model],
        [trial.arm(arm)],
        lambda: stages.make_arm(trial, arm),
    )
    settings = [recipe.recogniser.model_dump(mode="json"), recipe.speech.model_dump(mode="json"), recipe.seeds]
    tests = {condition: spoken[condition] for condition in recipe.conditions}
    return ledger.run(
        f"{name}-score-{arm}",
        [settings, made, tests, prepared],
        [trial.scores(arm)],
        lambda: stages.score_arm(trial, arm),
    )


def _check(ledger: Ledger, trial: Trial, prepared: _Hashes, spoken: _Hashes) -> dict[str, str]:
    """Look at what replacement does, and at the nuisance space; return the hashes of what was found."""
    recipe, name = trial.recipe, trial.out.name
    settings = [recipe.identity, recipe.recogniser, recipe.speech]
    everyone = [Utterance.from_json(record) for record in read_jsonl(trial.out.parent / "whole.jsonl")]
    found = ledger.run(
        f"{name}-identity",
        [[one.model_dump(mode="json") for one in settings], recipe.seed, prepared, spoken["model"]],
        [trial.identity],
        lambda: voice_check.check_identity(trial, everyone),
    )
    inputs = [recipe.speech.model_dump(mode="json"), prepared, spoken["model"]]
    return found | ledger.run(f"{name}-space", inputs, [trial.space], lambda: describe_space(trial))


def _results(recipe: AugmentRecipe, trials: Sequence[Trial], prepared: _Hashes, out: Path) -> dict[str, Any]:
    splits = {}
    for part in recipe.parts:
        rows = stages.score_rows(trials, part)
        if part != MISMATCHED:
            write_rows(out / f"scores_{part}.csv", rows)
        splits[part] = stages.part_results(recipe, part, rows)
    found = voice_check.identity_results(trials)
    return {
        "splits": splits,
        "systems": splits[recipe.parts[0]]["systems"],
        "identity": found,
        "nuisance": {trial.out.name: read_json(trial.space) for trial in trials},
        "checks": found["checks"],
        "notes": list(recipe.notes),
        "config": recipe.model_dump(mode="json"),
        "versions": versions(),
        "seed": recipe.seed,
        "data_hash": hash_json(prepared),
        # JSON keeps no order.
        "order": list(recipe.parts),
        "arms": list(recipe.arms),
        "conditions": list(recipe.conditions),
    }
