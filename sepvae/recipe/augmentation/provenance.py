"""What a run of augmentation says of itself: who was tested, its seeds, and what each stage took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sepvae.files import hash_file
from sepvae.recipe.augmentation.schema import AugmentationRecipe
from sepvae.recipe.augmentation.stages import FoldRun
from sepvae.recipe.ledger import Ledger
from sepvae.recipe.provenance import Heard, Tested, tested_set, time_of


def tested_in(runs: Sequence[FoldRun]) -> Tested:
    """Return who is tested in the folds of a run, and which utterances; they are the same in every condition."""
    tests = [(run.root, one) for run in runs for one in run.fold.test]
    return tested_set(Heard(one.speaker, one.id, hash_file(root / one.path)) for root, one in tests)


def seeds_of(recipe: AugmentationRecipe, runs: Sequence[FoldRun]) -> dict[str, Any]:
    """Return the seed of the recipe, and those from which the recognisers of each arm are trained, fold by fold."""
    seeds = [run.recogniser_seed(number) for run in runs for number in range(recipe.seeds)]
    return {"recipe": recipe.seed, "training": dict.fromkeys(recipe.arms, seeds)}


def _of_arm(run: FoldRun, arm: str) -> dict[str, list[str]]:
    return {work: [f"{run.folder.name}-{work}-{arm}"] for work in ("arm", "score")}


def time_of_arms(ledger: Ledger, run: FoldRun) -> dict[str, dict[str, float | None]]:
    """Return the CPU seconds of making the versions of each arm, and of training and testing its recognisers."""
    return {arm: time_of(ledger, _of_arm(run, arm)) for arm in run.recipe.arms}


def stages_of(runs: Sequence[FoldRun]) -> tuple[str, ...]:
    """Return all stages of a run but the page."""
    stages = ["prepare", "whole", "data"]
    for run in runs:
        fold = run.folder.name
        stages += [f"{fold}-{stage}" for stage in ("unlabelled", "model", "voice_check", "space")]
        stages += [f"{fold}-test-{condition}" for condition in run.recipe.conditions]
        stages += [stage for arm in run.recipe.arms for own in _of_arm(run, arm).values() for stage in own]
    return tuple(stages)
