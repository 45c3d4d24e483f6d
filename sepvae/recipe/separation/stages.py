"""The work of each stage of a recipe of separation but for the scores: mix, train, separate, summarise."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sepvae import audio
from sepvae.audio import Wave
from sepvae.batch import one_of_many
from sepvae.corpora.records import Utterance
from sepvae.errors import InputError
from sepvae.evaluation.failures import count_failures
from sepvae.evaluation.hypotheses import check_claims
from sepvae.evaluation.naming import best_order
from sepvae.evaluation.rows import ScoreRow
from sepvae.evaluation.runs import add_seeds, average_runs
from sepvae.evaluation.statistics import Summaries, compare_systems, summarise
from sepvae.files import make_folder, write_arrays
from sepvae.mixing.manifest import Manifest, Mixture, write_manifest
from sepvae.mixing.mixture import render
from sepvae.mixing.protocol import make_mixtures
from sepvae.progress import progress
from sepvae.recipe.common import RecipeOptions
from sepvae.recipe.separation.explanations import in_order
from sepvae.recipe.separation.folder import PartFolder
from sepvae.recipe.separation.runs import Run
from sepvae.recipe.separation.schema import Part, SeparationRecipe
from sepvae.systems.contract import System, SystemChoice, TrainingMixtures, describe_systems
from sepvae.systems.grouped import Grouped


@dataclass(frozen=True)
class Experiment:
    """What every stage of one part needs: the recipe, the corpus folder, and where this part's results go."""

    recipe: SeparationRecipe
    root: Path
    part: Part
    folder: PartFolder
    options: RecipeOptions


def mix(experiment: Experiment, utterances: Sequence[Utterance]) -> Manifest:
    """Draw the mixtures of this part and write their manifest."""
    config = experiment.part.mixing
    manifest = make_mixtures(utterances, config, root=experiment.root, seed=experiment.recipe.seed)
    write_manifest(experiment.folder.manifest, manifest)
    return manifest


def _system(choice: SystemChoice, manifest: Manifest) -> System[Any]:
    """Build a system, or what trains one for each group where the mixtures have groups."""
    rate, group = manifest.mixtures[0].sample_rate, manifest.mixtures[0].group
    if group is None or choice.works_on:
        return choice.build(sample_rate=rate)
    return Grouped(partial(choice.build, sample_rate=rate), sample_rate=rate)


def train_system(experiment: Experiment, run: Run, manifest: Manifest) -> None:
    """Train one run of a system on the training mixtures; the test mixtures are not shown to it."""
    mixtures = TrainingMixtures(
        manifest.of_split("train"),
        manifest.of_split("valid"),
        experiment.root,
        run.seed,
        experiment.options.device,
        make_folder(experiment.options.out / "models"),
    )
    folder = make_folder(experiment.folder.system(run.name))
    _system(run.choice, manifest).train(mixtures, folder)


def _waves(folder: Path, mixture: Mixture, names: Sequence[str]) -> dict[str, Wave]:
    """Return what a run of a system made of a mixture, by source."""
    return {name: audio.read_mono(folder / mixture.id / f"{name}.wav", mixture.sample_rate) for name in names}


def separate_tests(experiment: Experiment, run: Run, manifest: Manifest) -> None:
    """Separate the test mixtures with a run of a system, and write an estimate of each source and what explains it."""
    folder, tests = experiment.folder, manifest.of_split("test")
    system, other = _system(run.choice, manifest), run.works_on
    system.load(folder.system(run.name), device=experiment.options.device)
    with progress("separate", len(tests), unit="mixtures") as bar:
        for mixture in tests:
            rendered = render(mixture, experiment.root)
            with one_of_many(f"{run.name}: {mixture.id}", advice="take shorter mixtures, or fewer --jobs"):
                if other is None:
                    estimates = system.separate(rendered)
                else:
                    estimates = system.derive(_waves(folder.estimates(other), mixture, list(rendered.sources)))
            if set(estimates) != set(rendered.sources):
                raise InputError(
                    f"{mixture.id}: system {run.system} gives the sources {sorted(estimates)}, the mixture has "
                    f"{sorted(rendered.sources)}: train and test on the same kind of sources"
                )
            order = [list(estimates).index(source) for source in rendered.sources]
            if experiment.recipe.naming == "best_sir":
                order = best_order(rendered.sources, estimates)
            waves = list(estimates.values())
            for source, place in zip(rendered.sources, order, strict=True):
                path = folder.estimates(run.name) / mixture.id / f"{source}.wav"
                audio.write(path, waves[place], sample_rate=mixture.sample_rate)
            if system.diagnostics:
                write_arrays(folder.diagnostics(run.name, mixture.id), in_order(system.diagnostics, order))
            bar.advance(1)


def write_references(experiment: Experiment, manifest: Manifest) -> None:
    """Write the test mixtures and their true sources, for listening."""
    for mixture in manifest.of_split("test"):
        rendered = render(mixture, experiment.root)
        folder = experiment.folder.references / mixture.id
        for name, wave in {"mixture": rendered.mixture, **rendered.sources}.items():
            audio.write(folder / f"{name}.wav", wave, sample_rate=mixture.sample_rate)


def _by_voices(manifest: Manifest) -> dict[str, set[str]]:
    """Return the test mixtures by the sexes of who speaks in them, such as `female + male`."""
    groups: dict[str, set[str]] = {}
    for mixture in manifest.of_split("test"):
        sexes = sorted(source.sex for source in mixture.sources if source.speaker)
        groups.setdefault(" + ".join(sexes), set()).add(mixture.id)
    return dict(sorted(groups.items()))


def companies(manifest: Manifest) -> dict[str, str]:
    """Return who speaks in each test mixture, such as `ann + bob`: those of the same people tell of them alone."""
    speakers = {mixture.id: [s.speaker for s in mixture.sources if s.speaker] for mixture in manifest.of_split("test")}
    return {item: " + ".join(sorted(names)) for item, names in speakers.items() if names}


def competitors(recipe: SeparationRecipe) -> list[str]:
    """Return the systems between which paired tests are made: those that know no more than the mixture."""
    return [name for name, facts in describe_systems(recipe.systems).items() if not facts.uses_references]


def drawn_seeds(recipe: SeparationRecipe) -> dict[str, int]:
    """Return how many seeds each system has of those that draw."""
    facts = describe_systems(recipe.systems)
    return {name: n_seeds for name, n_seeds in recipe.seeds.items() if facts[name].draws}


def split_results(recipe: SeparationRecipe, manifest: Manifest, rows: Sequence[ScoreRow]) -> dict[str, Any]:
    """Return the summary of each system, by voices too, and the paired tests between the competitors.

    What systems have from several seeds is averaged first.
    """
    names, groups, clusters = competitors(recipe), _by_voices(manifest), companies(manifest)
    runs = {run.name: run.system for run in recipe.runs}
    of_runs = count_failures(rows, runs=runs)
    rows, failed = average_runs(of_runs, runs)

    def summary_of(items: Container[str]) -> Summaries:
        own = [row for row in rows if row.item in items]
        own_failed = [cell for cell in failed if cell[1] in items]
        summaries = summarise(own, seed=recipe.seed, failed=own_failed, clusters=clusters)
        return add_seeds(summaries, [row for row in of_runs.rows if row.item in items], runs)

    return {
        "voices": {voices: summary_of(items) for voices, items in groups.items() if len(groups) > 1},
        "systems": summary_of({row.item for row in rows}),
        "comparisons": [
            asdict(test)
            for test in compare_systems(
                [row for row in rows if row.system in names], measures=recipe.evaluation.measures, clusters=clusters
            )
        ],
        "hypotheses": [
            asdict(test)
            for test in check_claims(
                rows,
                [claim.to_claim() for claim in recipe.hypotheses],
                clusters=clusters,
                seeds=drawn_seeds(recipe),
            )
        ],
    }
