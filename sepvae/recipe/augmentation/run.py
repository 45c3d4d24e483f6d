"""Runs a recipe of the kind `augmentation` stage by stage, skipping what has not changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sepvae.corpora.damaged_files import unusable_files
from sepvae.corpora.records import Utterance
from sepvae.evaluation.rows import write_rows
from sepvae.files import read_json, read_jsonl, write_jsonl
from sepvae.recipe.augmentation import provenance, stages, voice_check
from sepvae.recipe.augmentation.folder import FoldFolder
from sepvae.recipe.augmentation.folds import split_into_folds
from sepvae.recipe.augmentation.heard import how_heard
from sepvae.recipe.augmentation.latent_space import describe_space
from sepvae.recipe.augmentation.leaks import refuse_leaks
from sepvae.recipe.augmentation.schema import (
    MISMATCHED,
    UNLABELLED,
    AugmentationRecipe,
    AugmentationSettings,
    needs_model,
)
from sepvae.recipe.augmentation.stages import FoldRun
from sepvae.recipe.common import Finished, RecipeOptions
from sepvae.recipe.corpus import folder_state, hash_data, prepare_corpus
from sepvae.recipe.ledger import Ledger

_Hashes = Mapping[str, Any]


def run_augmentation(recipe: AugmentationRecipe, options: RecipeOptions, ledger: Ledger) -> Finished:
    """Run a recipe in a folder; errors as of `Kind.run`."""
    corpus, whole = prepare_corpus(recipe, options, ledger), options.out / "whole.jsonl"
    prepared = corpus.hashes | ledger.run(
        "whole", corpus.hashes, [whole], lambda: _leave_out_damaged(corpus.listing, whole, corpus.root)
    )
    utterances = [Utterance.from_json(record) for record in read_jsonl(whole)]
    runs = [
        FoldRun(recipe, corpus.root, fold, FoldFolder(options.out / f"fold_{fold.number}"), options.device)
        for fold in split_into_folds(utterances, recipe.folds, seed=recipe.seed)[: recipe.tested_folds]
    ]
    _refuse_leaks(runs[0])
    tasks = {run.folder.name: (ledger, run, prepared) for run in runs}
    made = options.side_by_side(_speech_and_model, tasks)
    arms: dict[str, tuple[Any, ...]] = {
        f"{run.folder.name}-{arm}": (_score, ledger, run, arm, prepared, made[run.folder.name])
        for arm in recipe.arms
        for run in runs
    }
    checks: dict[str, tuple[Any, ...]] = {
        run.folder.name: (_check, ledger, run, prepared, made[run.folder.name], utterances) for run in runs
    }
    # Neither waits for the other, and processes take seconds to begin.
    found = options.side_by_side(_call, arms | checks)
    folders = {what: Path(folder) for what, folder in recipe.folders.model_dump().items() if folder is not None}
    results = {
        **_results(recipe, [run.folder for run in runs], options.out),
        "heard": _heard(runs[0]),
        "data": hash_data(ledger, corpus, folders, options),
        "tested": dict.fromkeys(recipe.part_names, provenance.tested_in(runs)),
        "seeds": provenance.seeds_of(recipe, runs),
        "core_seconds_of": {run.folder.name: provenance.time_of_arms(ledger, run) for run in runs},
    }
    if drawn := _synthetic(recipe):
        results["drawn"] = drawn
        results["notes"] = [*results["notes"], *drawn]
    shown = [made, *({name: found[name] for name in names} for names in (arms, checks))]
    return Finished(results, shown, provenance.stages_of(runs))


def _synthetic(recipe: AugmentationRecipe) -> list[str]:
    """Return what is synthetic although recordings can be given: such a run is no result of the recipe's."""
    return [
        f"folders.{what} is not given: {'noise is' if what == 'noise' else 'rooms are'} synthetic"
        for what, folder in recipe.folders.model_dump().items()
        if folder is None
    ]


def _training(run: FoldRun) -> dict[str, AugmentationSettings]:
    """Return what speech for training goes through: that of the model of speech, and that of each arm."""
    arms = {name: run.augmentation_of_arm(name) for name in run.recipe.arms}
    return {UNLABELLED: run.augmentation_of_unlabelled(), **arms}


def _refuse_leaks(run: FoldRun) -> None:
    """Refuse a recording in both training and test; those of one fold are those of all."""
    refuse_leaks(_training(run), {name: run.augmentation_of_condition(name) for name in run.recipe.conditions})


def _heard(run: FoldRun) -> dict[str, dict[str, Any]]:
    """Return how much of each condition training has heard: the model of speech in its speech, and each arm."""
    return {
        name: {
            learnt: {**heard._asdict(), "words": heard.words}
            for learnt, one in _training(run).items()
            for heard in [how_heard(run.augmentation_of_condition(name), one)]
        }
        for name in run.recipe.mismatched
    }


def _call(stage: Callable[..., dict[str, str]], *arguments: Any) -> dict[str, str]:
    return stage(*arguments)


def _leave_out_damaged(listing: Path, whole: Path, root: Path) -> None:
    records = list(read_jsonl(listing))
    unusable = unusable_files([Utterance.from_json(record) for record in records], root, mono=False)
    write_jsonl(whole, (record for record in records if record["id"] not in unusable))


def _recordings(run: FoldRun) -> list[str]:
    """Return what changes when a recording of noise or a room does."""
    folders = run.recipe.folders
    return [folder_state(Path(folder)) for folder in (folders.noise, folders.rooms) if folder is not None]


def _speech_and_model(ledger: Ledger, run: FoldRun, prepared: _Hashes) -> dict[str, Any]:
    """Make the speech for training and test and train the model of speech; return the hashes of all."""
    recipe, folder = run.recipe, run.folder
    shared = [prepared, recipe.seed, recipe.folds, _recordings(run)]
    unlabelled = run.augmentation_of_unlabelled().model_dump(mode="json")
    hashes: dict[str, Any] = {
        "unlabelled": ledger.run(
            f"{folder.name}-unlabelled", [shared, unlabelled], [folder.unlabelled], lambda: stages.make_unlabelled(run)
        )
    }
    hashes["model"] = ledger.run(
        f"{folder.name}-model",
        [recipe.model, recipe.seed, hashes["unlabelled"]],
        [folder.model],
        lambda: stages.train_model(run),
    )
    for condition in recipe.conditions:
        hashes[condition] = ledger.run(
            f"{folder.name}-test-{condition}",
            [shared, run.augmentation_of_condition(condition).model_dump(mode="json")],
            [folder.condition(condition)],
            partial(stages.make_condition, run, condition),
        )
    return hashes


def _score(ledger: Ledger, run: FoldRun, arm: str, prepared: _Hashes, speech: _Hashes) -> dict[str, str]:
    """Make the versions of an arm, train its recognisers and score them; return the hash of the scores."""
    recipe, folder = run.recipe, run.folder
    # What a page calls the arm changes nothing about it.
    augmentation = run.augmentation_of_arm(arm).model_dump(mode="json", exclude={"label", "role"})
    # Arms without a latent method are the same whatever the model.
    model = speech["model"] if needs_model(recipe.arms[arm].methods) else None
    made = ledger.run(
        f"{folder.name}-arm-{arm}",
        [prepared, recipe.seed, recipe.folds, _recordings(run), augmentation, model],
        [folder.arm(arm)],
        lambda: stages.make_arm(run, arm),
    )
    settings = [recipe.recogniser.model_dump(mode="json"), recipe.speech.model_dump(mode="json"), recipe.seeds]
    tests = {condition: speech[condition] for condition in recipe.conditions}
    return ledger.run(
        f"{folder.name}-score-{arm}",
        [settings, made, tests, prepared],
        [folder.scores(arm)],
        lambda: stages.score_arm(run, arm),
    )


def _check(
    ledger: Ledger, run: FoldRun, prepared: _Hashes, speech: _Hashes, utterances: Sequence[Utterance]
) -> dict[str, str]:
    """Look at what replacement does, and at the nuisance space; return the hashes of what was found."""
    recipe, folder = run.recipe, run.folder
    settings = [one.model_dump(mode="json") for one in (recipe.voice_check, recipe.recogniser, recipe.speech)]
    found = ledger.run(
        f"{folder.name}-voice_check",
        [settings, recipe.seed, prepared, speech["model"]],
        [folder.voice_check],
        lambda: voice_check.check_voices(run, utterances),
    )
    inputs = [recipe.speech.model_dump(mode="json"), prepared, speech["model"]]
    return found | ledger.run(f"{folder.name}-space", inputs, [folder.space], lambda: describe_space(run))


def _results(recipe: AugmentationRecipe, folders: Sequence[FoldFolder], out: Path) -> dict[str, Any]:
    splits = {}
    for part in recipe.part_names:
        rows = stages.score_rows(folders, recipe.compared, part)
        if part != MISMATCHED:
            write_rows(out / f"scores_{part}.csv", rows)
        splits[part] = stages.part_results(recipe, part, rows)
    found = voice_check.voice_check_results(folders, seed=recipe.seed)
    return {
        "splits": splits,
        "systems": splits[recipe.part_names[0]]["systems"],
        "system_facts": [arm.shown(name)._asdict() for name, arm in recipe.arms.items()],
        "voice_check": found,
        "nuisance": {folder.name: read_json(folder.space) for folder in folders},
        "checks": found["checks"],
        "notes": list(recipe.notes),
        # JSON keeps no order.
        "order": list(recipe.part_names),
        "arms": list(recipe.arms),
        "conditions": list(recipe.conditions),
        "mismatched": recipe.mismatched,
    }
