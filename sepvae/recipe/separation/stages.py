"""The work of each stage of a recipe: prepare, mix, train, separate, evaluate, report."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sepvae import audio
from sepvae.corpora.records import Utterance
from sepvae.errors import ConfigError, InputError
from sepvae.evaluation import ScoreRow, ScoreTask, compare_systems, score_many, summarise
from sepvae.evaluation.hypotheses import check_claims
from sepvae.evaluation.naming import best_order
from sepvae.files import make_folder, write_arrays
from sepvae.mixing.manifest import Manifest, Mixture, write_manifest
from sepvae.mixing.mixture import Wave, render
from sepvae.mixing.protocol import make_mixtures
from sepvae.progress import progress
from sepvae.recipe.separation.explanations import ARTEFACTS, in_order, room_of
from sepvae.recipe.separation.schema import Part, Recipe
from sepvae.systems.contract import (
    DerivedSystem,
    ExplainingSystem,
    Material,
    System,
    SystemChoice,
)
from sepvae.systems.grouped import Grouped

if TYPE_CHECKING:
    from sepvae.report.page import ReportSplit

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Experiment:
    """What every stage of one part needs: the recipe, the corpus folder, and where this part's results go."""

    recipe: Recipe
    root: Path
    part: Part
    out: Path
    device: str
    jobs: int

    @property
    def manifest_path(self) -> Path:
        """The mixtures of this part."""
        return self.out / "mixtures.jsonl"

    def system_folder(self, name: str) -> Path:
        """What a system learnt."""
        return self.out / "systems" / name

    def estimates(self, name: str) -> Path:
        """The waves a system made of the test mixtures."""
        return self.out / "audio" / name

    @property
    def scores_path(self) -> Path:
        """The scores of all systems."""
        return self.out / "scores.csv"


def mix(experiment: Experiment, utterances: Sequence[Utterance]) -> Manifest:
    """Draw the mixtures of this part and write their manifest."""
    config = experiment.part.mixing
    manifest = make_mixtures(utterances, config, root=experiment.root, seed=experiment.recipe.seed)
    write_manifest(experiment.manifest_path, manifest)
    return manifest


def _system(choice: SystemChoice, manifest: Manifest) -> System:
    """Build a system, or what trains one for each group where the mixtures have groups."""
    make = partial(choice.build, sample_rate=manifest.mixtures[0].sample_rate)
    system = make()
    if manifest.mixtures[0].group is None or hasattr(system, "of"):
        return system
    return cast("System", Grouped(make))


def train_system(experiment: Experiment, name: str, manifest: Manifest) -> None:
    """Train one system on the training mixtures; the test mixtures are not shown to it."""
    system, folder = _system(experiment.recipe.systems[name], manifest), make_folder(experiment.system_folder(name))
    train, valid = manifest.of_split("train"), manifest.of_split("valid")
    shared = make_folder(experiment.out.parent / "models")
    seed, device = experiment.recipe.seed, experiment.device
    system.train(Material(train, valid, experiment.root, seed, device, shared), folder)


def _waves(folder: Path, mixture: Mixture, names: Sequence[str]) -> dict[str, Wave]:
    """Return what a system made of a mixture, by source."""
    return {name: audio.read_mono(folder / mixture.id / f"{name}.wav", mixture.sample_rate) for name in names}


def separate_tests(experiment: Experiment, name: str, manifest: Manifest) -> None:
    """Separate the test mixtures with one system and write an estimate of each source, and what explains them."""
    system, tests = _system(experiment.recipe.systems[name], manifest), manifest.of_split("test")
    system.load(experiment.system_folder(name), device=experiment.device)
    with progress("separate", len(tests), unit="mixtures") as bar:
        for mixture in tests:
            rendered = render(mixture, experiment.root)
            if hasattr(system, "of"):
                derived, names = cast("DerivedSystem", system), list(rendered.sources)
                estimates = derived.derive(_waves(experiment.estimates(derived.of), mixture, names))
            else:
                estimates = system.separate(rendered)
            if set(estimates) != set(rendered.sources):
                raise InputError(
                    f"{mixture.id}: system {name} gives the sources {sorted(estimates)}, the mixture has "
                    f"{sorted(rendered.sources)}: train and test on the same kind of sources"
                )
            order = [list(estimates).index(source) for source in rendered.sources]
            if experiment.recipe.naming == "best_sir":
                order = best_order(rendered.sources, estimates)
            folder, waves = experiment.estimates(name) / mixture.id, list(estimates.values())
            for source, place in zip(rendered.sources, order, strict=True):
                audio.write(folder / f"{source}.wav", waves[place], sample_rate=mixture.sample_rate)
            if hasattr(system, "artefacts") and (found := cast("ExplainingSystem", system).artefacts):
                write_arrays(folder / ARTEFACTS, in_order(found, order))
            bar.advance(1)


def write_references(experiment: Experiment, manifest: Manifest) -> None:
    """Write the test mixtures and their true sources, for listening."""
    for mixture in manifest.of_split("test"):
        rendered = render(mixture, experiment.root)
        folder = experiment.estimates("reference") / mixture.id
        for name, wave in {"mixture": rendered.mixture, **rendered.sources}.items():
            audio.write(folder / f"{name}.wav", wave, sample_rate=mixture.sample_rate)


def score_tasks(experiment: Experiment, manifest: Manifest) -> Iterator[ScoreTask]:
    """Yield what is to be scored: every test mixture under all systems."""
    recipe = experiment.recipe
    for mixture in manifest.of_split("test"):
        names = [source.name for source in mixture.sources]
        rendered = render(mixture, experiment.root)
        yield ScoreTask(
            item=mixture.id,
            references=rendered.sources,
            estimates={system: _waves(experiment.estimates(system), mixture, names) for system in recipe.systems},
            mixture=rendered.mixture,
            sample_rate=mixture.sample_rate,
            noise=rendered.noise,
        )


def evaluate(experiment: Experiment, manifest: Manifest) -> list[ScoreRow]:
    """Score the estimates of all systems, one row for each mixture, system and source."""
    tasks, n_tests = score_tasks(experiment, manifest), len(manifest.of_split("test"))
    rows: list[ScoreRow] = []
    wanted = experiment.recipe.evaluation.sources
    if unknown := set(wanted or ()) - {source.name for mixture in manifest.mixtures for source in mixture.sources}:
        raise ConfigError(f"evaluation.sources: the mixtures have no source {min(unknown)!r}: see mixing.sources")
    scores = score_many(tasks, measures=experiment.recipe.evaluation.measures, jobs=experiment.jobs)
    with contextlib.closing(scores), progress("score", n_tests, unit="mixtures") as bar:
        for found in scores:
            rows += [row for row in found if wanted is None or row.source in wanted]
            bar.advance(1)
    return rows


def _by_voices(manifest: Manifest) -> dict[str, set[str]]:
    """Return the test mixtures by the sexes of who speaks in them, such as `female + male`."""
    groups: dict[str, set[str]] = {}
    for mixture in manifest.of_split("test"):
        sexes = sorted(source.sex for source in mixture.sources if source.speaker)
        groups.setdefault(" + ".join(sexes), set()).add(mixture.id)
    return dict(sorted(groups.items()))


def split_results(experiment: Experiment, manifest: Manifest, rows: Sequence[ScoreRow]) -> dict[str, Any]:
    """Return the summary of each system, by voices too, and the paired tests between those that are no ceilings."""
    seed = experiment.recipe.seed
    systems = experiment.recipe.systems
    told = {name for name, choice in systems.items() if choice.entry.uses_references}
    # What works on the estimates of a ceiling is told as much.
    told |= {name for name, choice in systems.items() if choice.settings.get("of") in told}
    competitors = [row for row in rows if row.system not in told]
    groups = _by_voices(manifest)
    return {
        "voices": {
            voices: summarise([row for row in rows if row.item in items], seed=seed)
            for voices, items in groups.items()
            if len(groups) > 1
        },
        "systems": summarise(rows, seed=seed),
        "comparisons": [
            asdict(test) for test in compare_systems(competitors, measures=experiment.recipe.evaluation.measures)
        ],
        "hypotheses": [
            asdict(test) for test in check_claims(rows, [claim.to_claim() for claim in experiment.recipe.hypotheses])
        ],
    }


def report_split(
    experiment: Experiment, manifest: Manifest, rows: Sequence[ScoreRow], results: Mapping[str, Any]
) -> ReportSplit:
    """Gather what the page shows of one part."""
    from sepvae.report.page import ReportItem, ReportSplit

    items = []
    for mixture in manifest.of_split("test"):
        folder = experiment.estimates("reference") / mixture.id
        names = [source.name for source in mixture.sources]
        estimates = {
            system: {name: experiment.estimates(system) / mixture.id / f"{name}.wav" for name in names}
            for system in experiment.recipe.systems
        }
        who = " + ".join(f"{source.speaker or source.name} ({source.utterance})" for source in mixture.sources)
        references = {name: folder / f"{name}.wav" for name in names}
        explained = {system: experiment.estimates(system) / mixture.id / ARTEFACTS for system in estimates}
        found = {system: path for system, path in explained.items() if path.is_file()}
        mixed = folder / "mixture.wav"
        items.append(ReportItem(mixture.id, who, mixed, references, estimates, room_of(mixture), found))
    return ReportSplit(
        experiment.part.name,
        experiment.part.description,
        results["systems"],
        results["comparisons"],
        results["hypotheses"],
        list(rows),
        items,
    )
