"""Runs a recipe of the kind `separation` stage by stage, skipping what has not changed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sepvae.corpora.records import Utterance
from sepvae.errors import InputError
from sepvae.evaluation.rows import read_rows
from sepvae.files import read_json, read_jsonl, write_json
from sepvae.mixing.leaks import refuse_leaks
from sepvae.mixing.manifest import Manifest, read_manifest
from sepvae.recipe.common import Finished, RecipeOptions
from sepvae.recipe.corpus import PreparedCorpus, folder_state, hash_data, prepare_corpus
from sepvae.recipe.ledger import Ledger
from sepvae.recipe.provenance import Tested
from sepvae.recipe.separation import provenance, scoring, stages
from sepvae.recipe.separation.elsewhere import adapted
from sepvae.recipe.separation.folder import PartFolder
from sepvae.recipe.separation.named_speakers import named_speakers
from sepvae.recipe.separation.runs import Run
from sepvae.recipe.separation.schema import Part, SeparationRecipe
from sepvae.recipe.separation.stages import Experiment
from sepvae.systems.contract import describe_systems

_LOGGER = logging.getLogger(__name__)


def run_separation(recipe: SeparationRecipe, options: RecipeOptions, ledger: Ledger) -> Finished:
    """Run a recipe in a folder; errors as of `Kind.run`."""
    corpus = prepare_corpus(recipe, options, ledger)
    splits: dict[str, Any] = {}
    shown: dict[str, Any] = {}
    tested: dict[str, Tested] = {}
    parts, drawn = _parts(recipe, corpus)
    notes = [*recipe.notes, *drawn]
    for part in parts:
        experiment = Experiment(recipe, corpus.root, part, PartFolder(options.out / part.name), options)
        try:
            mixed = _mix(ledger, experiment, corpus)
        except InputError as error:
            if part is parts[0]:
                raise
            # The first part is the experiment; another one that this corpus cannot give is reported as missing.
            _LOGGER.warning("%s left out: %s", part.name, error)
            notes.append(f"{part.name} is missing: {error}")
            continue
        manifest = read_manifest(experiment.folder.manifest)
        refuse_leaks(manifest.mixtures, speakers=part.mixing.split == "speaker_open")
        notes += [note for note in manifest.header.notes if note not in notes]
        tested[part.name] = provenance.tested_in(manifest)
        splits[part.name], shown[part.name] = _run_part(ledger, experiment, manifest, mixed)
    measured = [part for part in parts if part.name in splits]
    folders = {f"{part.name}.{what}": folder for part in measured for what, folder in part.mixing.folders.items()}
    runs = provenance.runs_of(recipe)
    results = {
        "splits": splits,
        "systems": splits[parts[0].name]["systems"],
        "notes": notes,
        "data": hash_data(ledger, corpus, folders, options),
        "tested": tested,
        "seeds": {"recipe": recipe.seed, "training": {name: [*own.values()] for name, own in runs.items()}},
        "core_seconds_of": {part: provenance.time_of_systems(ledger, part, runs) for part in splits},
        # JSON keeps no order, and the first part is the main result.
        "order": list(splits),
        "system_facts": [
            {"name": name, **facts._asdict(), "seeds": recipe.seeds[name]}
            for name, facts in describe_systems(recipe.systems).items()
        ],
    }
    # Of a run on other data than the lists of its recipe are of: no result of the recipe's.
    more = {"drawn": drawn} if drawn else {}
    return Finished({**results, **more}, shown, provenance.stages_of([*splits], runs))


def _parts(recipe: SeparationRecipe, corpus: PreparedCorpus) -> tuple[list[Part], list[str]]:
    """Return the parts of a recipe as they are on this corpus, and notes on what they draw; users are told at once."""
    speakers = {record["speaker"] for record in read_jsonl(corpus.listing)}
    parts, notes = list[Part](), list[str]()
    for part in recipe.parts:
        mixing, drawn = adapted(part.mixing, speakers)
        parts.append(replace(part, mixing=mixing))
        notes += [note for note in drawn if note not in notes]
    for note in notes:
        _LOGGER.warning("%s", note)
    return parts, notes


def _mix(ledger: Ledger, experiment: Experiment, corpus: PreparedCorpus) -> dict[str, str]:
    def work() -> None:
        utterances = [Utterance.from_json(record) for record in read_jsonl(corpus.listing)]
        stages.mix(experiment, utterances)

    mixing = experiment.part.mixing
    noises = [folder_state(folder) for folder in mixing.folders.values()]
    inputs = [mixing.model_dump(mode="json"), experiment.recipe.seed, corpus.hashes, noises]
    return ledger.run(f"{experiment.part.name}-mix", inputs, [experiment.folder.manifest], work)


def _run_part(
    ledger: Ledger, experiment: Experiment, manifest: Manifest, mixed: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train, separate and evaluate one part; return its results, and the hashes of the sounds and scores."""
    recipe, part, folder = experiment.recipe, experiment.part.name, experiment.folder
    separated: dict[str, Any] = {
        "reference": ledger.run(
            f"{part}-reference", mixed, [folder.references], lambda: stages.write_references(experiment, manifest)
        )
    }
    # Systems that work on another's estimates come after it.
    others = [(run, run.works_on) for run in recipe.runs]
    first = {run.name: (ledger, experiment, run, manifest, mixed, None) for run, other in others if not other}
    separated |= experiment.options.side_by_side(_run_system, first, what="system")
    behind = {run.name: (ledger, experiment, run, manifest, mixed, separated[other]) for run, other in others if other}
    separated |= experiment.options.side_by_side(_run_system, behind, what="system")
    evaluated = [recipe.evaluation.model_dump(mode="json"), separated]
    scored = ledger.run(
        f"{part}-evaluate",
        evaluated,
        [folder.scores],
        lambda: scoring.write_scores(experiment, manifest, evaluated),
    )

    def summarise() -> None:
        found = stages.split_results(recipe, manifest, read_rows(folder.scores))
        found["named_speakers"] = named_speakers(folder, recipe.runs, manifest.of_split("test"))
        write_json(folder.summary, found)

    claims = [hypothesis.model_dump(mode="json") for hypothesis in recipe.hypotheses]
    inputs = [scored, mixed, claims, stages.competitors(recipe), recipe.seeds]
    summarised = ledger.run(f"{part}-summarise", inputs, [folder.summary], summarise)
    results: dict[str, Any] = read_json(folder.summary)
    return results, {**separated, **scored, **summarised}


def _run_system(
    ledger: Ledger, experiment: Experiment, run: Run, manifest: Manifest, mixed: Mapping[str, str], behind: Any
) -> dict[str, str]:
    """Train a system from one seed and separate the test mixtures with it; return the hashes of the estimates."""
    recipe, part, folder, name = experiment.recipe, experiment.part.name, experiment.folder, run.name
    settings: list[Any] = [run.choice.work, run.seed, mixed, *run.choice.outside]
    naming = [] if recipe.naming == "given" else [recipe.naming]
    trained = ledger.run(
        f"{part}-train-{name}",
        settings,
        [folder.system(name)],
        lambda: stages.train_system(experiment, run, manifest),
    )
    return ledger.run(
        f"{part}-separate-{name}",
        [settings, trained, behind, *naming],
        [folder.estimates(name)],
        lambda: stages.separate_tests(experiment, run, manifest),
    )
