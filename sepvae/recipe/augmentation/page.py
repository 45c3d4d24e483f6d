"""The page of a run of augmentation: scores of arms, speech before and after, and the nuisance space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from sepvae.augmented.records import Record, read_records
from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.evaluation.rows import ScoreRow
from sepvae.recipe.augmentation.folder import FoldFolder
from sepvae.recipe.augmentation.schema import ACCURACIES, AS_IT_IS, CLEAN, MISMATCHED, PHONES, Arm
from sepvae.recipe.augmentation.stages import score_rows
from sepvae.report.labels import Measures, read_measures
from sepvae.report.nuisance import cosine_map, variance_spectrum
from sepvae.report.overview import Overview
from sepvae.report.page import Picture, ReportItem, ReportSplit, Words, write_report
from sepvae.report.systems import ShownSystem, Systems, read_systems

_WORDS = Words(
    about=(
        "Percent of phones and of frames that the recogniser gets right, means over test utterances and seeds, with "
        "95 % bootstrap intervals over the speakers. The ends of a phone are given; which of 39 it is, is not. All "
        "recognisers were trained for as many steps, on the same stretches of the same utterances; what differs is the "
        "augmented versions."
    ),
    items="speakers",
    point="A point is a speaker, the mean over utterances and seeds; the line is the mean of the speakers.",
    before="As recorded",
)
# Sounds in the list of what a recogniser was trained on, and of what it was tested on.
_TRAINED, _TESTED = "trained on", "tested on"


def write_page(results: Mapping[str, Any], folder: Path) -> None:
    """Write the page of a finished run; errors as of `Kind.write_page`."""
    config = results["config"]
    folds = [FoldFolder(folder / name) for name in sorted(results["nuisance"], key=lambda name: (len(name), name))]
    arms = _shown(results)
    measures = read_measures(results["measure_facts"]) if "measure_facts" in results else Measures(ACCURACIES)
    items, versions = _listened(results, folds[0], arms)
    splits = []
    for number, part in enumerate(results["order"]):
        found = results["splits"][part]
        rows = _of_speakers(score_rows(folds, results["arms"], part))
        outcome = (found["systems"], found["comparisons"], found["hypotheses"])
        splits.append(ReportSplit(part, _describe(results, part), *outcome, rows, [] if number else items))
    write_report(
        folder / "report.html",
        overviews=_overviews(results, arms, measures),
        title=config["title"],
        systems=Systems([*arms.values(), *versions]),
        measures=measures,
        splits=splits,
        config=config,
        versions=results["versions"],
        seed=results["seed"],
        notes=[config["description"], *results["notes"]],
        words=_WORDS,
        checks=results["checks"],
        pictures=_pictures(results["nuisance"]),
    )


def _shown(results: Mapping[str, Any]) -> dict[str, ShownSystem]:
    """Return the arms of a run; of one that was made before they said what they are, from their methods."""
    if "system_facts" in results:
        return {one.name: one for one in read_systems(results["system_facts"])}
    return {name: _arm(name, results["config"]["arms"][name]["methods"]).shown(name) for name in results["arms"]}


def _arm(name: str, methods: Sequence[str]) -> Arm:
    try:
        return parse_config(Arm, {"methods": methods}, where=name)
    except ConfigError:
        # Methods of another version.
        return Arm(methods=(AS_IT_IS,), role="ours")


def _describe(results: Mapping[str, Any], part: str) -> str:
    if part == MISMATCHED:
        others = ", ".join(name.replace("_", " ") for name in results["conditions"] if name != CLEAN)
        return f"The mean of all conditions that the training speech was not recorded in: {others}."
    return str(results["config"]["conditions"][part]["description"])


def _overviews(results: Mapping[str, Any], arms: Mapping[str, ShownSystem], measures: Measures) -> list[Overview]:
    """Return what each arm gains in each part, and what of each condition training has heard; of an older run none."""
    if not results.get("heard"):
        return []
    parts, splits = results["order"], results["splits"]
    gained = [name for name in results["arms"] if name in splits[parts[0]]["gains"]]

    def gain(arm: str, part: str) -> str:
        found = splits[part]["gains"][arm][PHONES]
        mean, low, high = (measures.write(value, PHONES) for value in (found["mean"], *found["ci95"]))
        return f"{'+' if found['mean'] > 0 else ''}{mean} ({low} to {high})"

    gains = Overview(
        "Gain by condition",
        ["", *(part.replace("_", " ") for part in parts)],
        [[arms[name].label, *(gain(name, part) for part in parts)] for name in gained],
        f"{measures[PHONES].heading}: by how much more than without augmentation, of the same utterances and seeds, "
        "with 95 % intervals over the speakers.",
    )
    columns = [name for name in next(iter(results["heard"].values())) if name not in results["arms"] or name in gained]
    heard = Overview(
        "What of each condition was heard in training",
        ["", *("Unlabelled speech" if name not in arms else arms[name].label for name in columns)],
        [[part.replace("_", " "), *(of[name]["words"] for name in columns)] for part, of in results["heard"].items()],
        "Its kind, not its recordings: no recording of noise and no place in a room is in both training and test. "
        "Versions of arms that move latents follow the model of speech, which has heard the unlabelled speech.",
    )
    return [gains, heard] if gained else [heard]


def _of_speakers(rows: Sequence[ScoreRow]) -> list[ScoreRow]:
    """Return one row for each arm and speaker: there are too many utterances and seeds to draw a point for each."""

    def owner(row: ScoreRow) -> tuple[str, str]:
        return row.system, row.item

    means = []
    for (arm, speaker), own in groupby(sorted(rows, key=owner), key=owner):
        values = [row.values for row in own]
        means.append(
            ScoreRow(arm, speaker, "all", {name: float(np.mean([v[name] for v in values])) for name in ACCURACIES}, {})
        )
    return means


def _listened(
    results: Mapping[str, Any], folder: FoldFolder, arms: Mapping[str, ShownSystem]
) -> tuple[list[ReportItem], list[ShownSystem]]:
    """Return training utterances of a woman and a man in the versions of each arm and a test utterance, and these."""
    items, versions = [], dict[str, ShownSystem]()
    as_they_are = [r for r in read_records(folder.unlabelled) if r.method == AS_IT_IS and r.copy == 1]
    for before in {record.sex: record for record in reversed(as_they_are)}.values():
        made: dict[str, dict[str, Path]] = {}
        for arm, one in arms.items():
            for record in _first_copies(folder.arm(arm), before.utterance) if one.role != "floor" else []:
                # An arm of one method is called like it, and has no other version.
                label = one.label if record.method == arm else f"{one.label}: {record.method.replace('_', ' ')}"
                name = f"{arm} {record.method}"
                versions[name] = one._replace(name=name, label=label)
                made[name] = {_TRAINED: folder.arm(arm) / record.path}
        about = f"{before.sex}, {before.text}"
        items.append(ReportItem(before.utterance, about, folder.unlabelled / before.path, {}, made))
    if CLEAN in results["conditions"]:
        clean = next(iter(read_records(folder.condition(CLEAN))))
        made = {}
        for condition in results["conditions"]:
            if condition != CLEAN:
                record, name = _first_copies(folder.condition(condition), clean.utterance)[0], f"in {condition}"
                versions[name] = ShownSystem(name, condition.replace("_", " "), "ours")
                made[name] = {_TESTED: folder.condition(condition) / record.path}
        about = f"{clean.sex}, {clean.text}"
        items.append(ReportItem(clean.utterance, about, folder.condition(CLEAN) / clean.path, {}, made))
    return items, list(versions.values())


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
