"""What the page of a recipe of augmentation shows: scores of arms, sounds before and after, and the nuisance space."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from sepvae.augmented.records import Record, read_records
from sepvae.evaluation import ScoreRow
from sepvae.files import to_json
from sepvae.recipe.augmentation.schema import AS_IT_IS, CLEAN, MEASURES, MISMATCHED, AugmentRecipe
from sepvae.recipe.augmentation.stages import Trial, score_rows
from sepvae.report.nuisance import cosine_map, variance_spectrum
from sepvae.report.page import Picture, ReportItem, ReportSplit, Words, write_report

_WORDS = Words(
    about=(
        "Percent of phones and of frames that the recogniser gets right, means over test utterances and seeds, with "
        "95 % bootstrap intervals over the speakers. The ends of a phone are given; which of 39 it is, is not. All "
        "recognisers were trained for as many steps, on the same stretches of the same utterances; what differs is the "
        "versions they heard them in."
    ),
    items="speakers",
    point="A point is a speaker, the mean over utterances and seeds; the line is the mean of the speakers.",
    before="As recorded",
)
# Sounds in the list of what a recogniser was trained on, and of what it was tested on.
_TRAINED, _TESTED = "trained on", "tested on"


def write_page(recipe: AugmentRecipe, trials: Sequence[Trial], results: Mapping[str, Any], path: Path) -> None:
    """Write the page of a finished run.

    Raises:
        MissingExtra: the extra `report` is not installed.
        InputError: an audio file is missing.
    """
    splits = []
    for number, part in enumerate(recipe.parts):
        found = results["splits"][part]
        rows = _of_speakers(score_rows(trials, part))
        described = _describe(recipe, part)
        items = [] if number else _items(trials[0])
        summary = {arm: found["systems"][arm] for arm in recipe.arms}
        splits.append(ReportSplit(part, described, summary, found["comparisons"], found["hypotheses"], rows, items))
    write_report(
        path,
        title=recipe.title,
        splits=splits,
        # As JSON has them, so that the page of a run that is read again is the same.
        config=json.loads(to_json(recipe.model_dump(mode="json"))),
        versions=dict(sorted(results["versions"].items())),
        seed=recipe.seed,
        notes=[recipe.description, *results["notes"]],
        words=_WORDS,
        checks=results["checks"],
        pictures=_pictures(results["nuisance"]),
    )


def _describe(recipe: AugmentRecipe, part: str) -> str:
    if part == MISMATCHED:
        others = ", ".join(name.replace("_", " ") for name in recipe.conditions if name != CLEAN)
        return f"All conditions that the training speech was not recorded in: {others}."
    return recipe.conditions[part].description


def _of_speakers(rows: Sequence[ScoreRow]) -> list[ScoreRow]:
    """Return one row for each arm and speaker: there are too many utterances and seeds to draw a point for each."""

    def owner(row: ScoreRow) -> tuple[str, str]:
        return row.system, row.item

    means = []
    for (arm, speaker), own in groupby(sorted(rows, key=owner), key=owner):
        values = [row.values for row in own]
        means.append(
            ScoreRow(arm, speaker, "all", {name: float(np.mean([v[name] for v in values])) for name in MEASURES}, {})
        )
    return means


def _items(trial: Trial) -> list[ReportItem]:
    """Return training utterances of a woman and a man in the versions of each arm, and a test utterance.

    What they were before comes from the run's own folder, so that the page can be built again without the corpus.
    """
    firsts = {one.sex: one for one in reversed(trial.fold.train)}
    recipe, items = trial.recipe, []
    for one in firsts.values():
        versions: dict[str, dict[str, Path]] = {}
        for arm, choice in recipe.arms.items():
            for record in _first_copies(trial.arm(arm), one.id) if choice.methods else []:
                name = arm if record.method == arm else f"{arm}_{record.method}"
                versions[name] = {_TRAINED: trial.arm(arm) / record.path}
        before = next(r for r in _first_copies(trial.unlabelled, one.id) if r.method == AS_IT_IS)
        items.append(ReportItem(one.id, f"{one.sex}, {one.text}", trial.unlabelled / before.path, {}, versions))
    if CLEAN in recipe.conditions:
        tested = trial.fold.test[0]
        there = {name: trial.condition(name) for name in recipe.conditions}
        heard = {name: folder / _first_copies(folder, tested.id)[0].path for name, folder in there.items()}
        clean = heard.pop(CLEAN)
        described = {name.replace("_", " "): {_TESTED: path} for name, path in heard.items()}
        items.append(ReportItem(tested.id, f"{tested.sex}, {tested.text}", clean, {}, described))
    return items


def _first_copies(folder: Path, utterance: str) -> list[Record]:
    return [record for record in read_records(folder) if record.utterance == utterance and record.copy == 1]


def _pictures(spaces: Mapping[str, Mapping[str, Any]]) -> list[Picture]:
    first = next(iter(spaces.values()))
    cosines = first["mean_cosines"]
    return [
        Picture(
            variance_spectrum({name.replace("_", " "): space["shares"] for name, space in spaces.items()}),
            "Shares of the variance of the nuisance vectors along their principal directions",
            "How far utterances differ along each principal direction of their nuisance vectors, which soft "
            "perturbation follows.",
        ),
        Picture(
            cosine_map(first["cosines"], rows=first["phones"], columns=first["speakers"]),
            "Map of the cosines between directions of phones and of speakers",
            f"How orthogonal phones and voices are: |cos| between their directions, in the mean "
            f"{cosines['phones_and_voices']:.2f}; between two phones {cosines['phones']:.2f}, between two voices "
            f"{cosines['voices']:.2f}.",
        ),
    ]
