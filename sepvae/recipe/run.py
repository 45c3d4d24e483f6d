"""Runs a recipe stage by stage, skipping what has not changed, and leaves `results.json` and `report.html`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sepvae.corpora.records import Utterance, open_corpus
from sepvae.devices import resolve_device
from sepvae.errors import ConfigError, InputError, OutputError
from sepvae.estimator.checkpoint import versions
from sepvae.evaluation import read_rows, write_rows
from sepvae.files import hash_json, make_folder, read_json, read_jsonl, write_json
from sepvae.mixing.manifest import Manifest, read_manifest
from sepvae.processes import run_side_by_side
from sepvae.recipe.augmentation.run import rebuild_page, run_augmented
from sepvae.recipe.augmentation.schema import AugmentRecipe
from sepvae.recipe.corpus import corpus_state, locate_corpus, prepare
from sepvae.recipe.kinds import parse_recipe
from sepvae.recipe.ledger import Ledger
from sepvae.recipe.separation import stages
from sepvae.recipe.separation.schema import Recipe
from sepvae.recipe.separation.stages import Experiment

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecipeRun:
    """Where a finished run left its results, and what they are."""

    results: dict[str, Any]
    results_path: Path
    report_path: Path


def run_recipe(
    recipe: Recipe | AugmentRecipe,
    *,
    out: str | Path,
    data: str | Path | None = None,
    device: str = "auto",
    jobs: int = 1,
) -> RecipeRun:
    """Run a recipe and return its results; a killed or repeated run continues where something is still to do.

    Args:
        recipe: from `load_recipe`.
        out: folder of the results.
        data: folder of the corpus; the recipe's demo corpus when None.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        jobs: processes, each of which trains and runs one system at a time, and then scores one mixture at a time.

    Raises:
        ConfigError: impossible settings, or another process runs in `out`.
        InputError: the corpus cannot serve the recipe.
        OutputError: results cannot be written.
    """
    resolve_device(device)
    if jobs < 1:
        raise ConfigError(f"jobs = {jobs}: at least 1 process is needed")
    folder = make_folder(out)
    lock = FileLock(folder / ".lock")
    try:
        with lock.acquire(timeout=0):
            write_json(folder / "recipe.json", recipe.model_dump(mode="json"))
            place = (folder, None if data is None else Path(data), device, jobs)
            results = _run(recipe, *place) if isinstance(recipe, Recipe) else run_augmented(recipe, *place)
            return RecipeRun(results, folder / "results.json", folder / "report.html")
    except Timeout:
        raise ConfigError(f"{folder}: another run is writing here: wait for it, or choose another --out") from None
    except PermissionError as error:
        raise OutputError(f"cannot write into {folder}: permission denied: choose another --out") from error


def _run(recipe: Recipe, out: Path, data: Path | None, device: str, jobs: int) -> dict[str, Any]:
    ledger = Ledger(out / "stages")
    root = locate_corpus(recipe.corpus, data, out)
    corpus, listing = open_corpus(root, recipe.corpus.kind), out / "utterances.jsonl"
    prepared = ledger.run(
        "prepare",
        [recipe.corpus.model_dump(mode="json"), corpus_state(root)],
        [listing],
        lambda: prepare(corpus, listing),
    )
    results: dict[str, Any] = {"splits": {}, "notes": list(recipe.notes)}
    pages = []
    parts = recipe.parts
    for part in parts:
        experiment = Experiment(recipe, root, part, out / part.name, device, jobs)
        try:
            mixed = _mix(ledger, experiment, listing, prepared)
        except InputError as error:
            if part is parts[0]:
                raise
            # The first part is the experiment; another one that this corpus cannot give is reported as missing.
            _LOGGER.warning("%s left out: %s", part.name, error)
            results["notes"].append(f"{part.name} is missing: {error}")
            continue
        manifest = read_manifest(experiment.manifest_path)
        results["notes"] += [note for note in manifest.header.notes if note not in results["notes"]]
        results["splits"][part.name], page = _run_part(ledger, experiment, manifest, mixed)
        pages.append(page)
    results["systems"] = results["splits"][parts[0].name]["systems"]
    results |= {"config": recipe.model_dump(mode="json"), "versions": versions(), "seed": recipe.seed}
    # JSON keeps no order, and the first part is the main result.
    results |= {"data_hash": hash_json(prepared), "order": list(results["splits"])}
    write_json(out / "results.json", results)
    report_path = out / "report.html"
    ledger.run("report", results, [report_path], lambda: _report(recipe, results, pages, report_path))
    return results


def rebuild_report(out: str | Path) -> Path:
    """Write the page of a finished run again, from the scores and the audio in its folder.

    Raises:
        InputError: the folder holds no finished run.
    """
    folder = Path(out)
    results_path = folder / "results.json"
    if not results_path.is_file():
        raise InputError(f"{folder}: holds no results.json: give the --out folder of a finished 'sepvae recipe run'")
    results = read_json(results_path)
    recipe = parse_recipe(results["config"], where=str(results_path))
    if not isinstance(recipe, Recipe):
        return rebuild_page(recipe, results, folder)
    pages = []
    parts = {part.name: part for part in recipe.parts}
    for part in (parts[name] for name in results.get("order", results["splits"])):
        experiment = Experiment(recipe, folder, part, folder / part.name, "cpu", 1)
        manifest = read_manifest(experiment.manifest_path)
        pages.append(
            stages.report_split(experiment, manifest, read_rows(experiment.scores_path), results["splits"][part.name])
        )
    _report(recipe, results, pages, folder / "report.html")
    return folder / "report.html"


def _mix(ledger: Ledger, experiment: Experiment, listing: Path, prepared: Mapping[str, str]) -> dict[str, str]:
    def work() -> None:
        utterances = [Utterance.from_json(record) for record in read_jsonl(listing)]
        stages.mix(experiment, utterances)

    mixing = experiment.part.mixing
    noises = [corpus_state(folder) for folder in mixing.folders]
    inputs = [mixing.model_dump(mode="json"), experiment.recipe.seed, prepared, noises]
    return ledger.run(f"{experiment.part.name}-mix", inputs, [experiment.manifest_path], work)


def _run_part(
    ledger: Ledger, experiment: Experiment, manifest: Manifest, mixed: Mapping[str, str]
) -> tuple[dict[str, Any], Any]:
    """Train, separate and evaluate one part; return its results and its part of the page."""
    recipe, part = experiment.recipe, experiment.part.name
    references = experiment.estimates("reference")
    separated: dict[str, Any] = {
        "reference": ledger.run(
            f"{part}-reference", mixed, [references], lambda: stages.write_references(experiment, manifest)
        )
    }
    # Systems that work on another's estimates come after it.
    behind = {name: choice.settings["of"] for name, choice in recipe.systems.items() if "of" in choice.settings}
    first = {name: (ledger, experiment, name, manifest, mixed, None) for name in recipe.systems if name not in behind}
    separated |= run_side_by_side(_run_system, first, jobs=experiment.jobs, what="system")
    second = {name: (ledger, experiment, name, manifest, mixed, separated[of]) for name, of in behind.items()}
    separated |= run_side_by_side(_run_system, second, jobs=experiment.jobs, what="system")
    scores, summary = experiment.scores_path, experiment.out / "results.json"

    def work() -> None:
        rows = stages.evaluate(experiment, manifest)
        write_rows(scores, rows)
        write_json(summary, stages.split_results(experiment, manifest, rows))

    ledger.run(f"{part}-evaluate", [recipe.evaluation.model_dump(mode="json"), separated], [scores, summary], work)
    results: dict[str, Any] = read_json(summary)
    return results, stages.report_split(experiment, manifest, read_rows(scores), results)


def _run_system(
    ledger: Ledger, experiment: Experiment, name: str, manifest: Manifest, mixed: Mapping[str, str], behind: Any
) -> dict[str, str]:
    """Train one system and separate the test mixtures with it; return the hashes of the estimates."""
    recipe, part = experiment.recipe, experiment.part.name
    settings: list[Any] = [recipe.systems[name].model_dump(mode="json"), recipe.seed, mixed]
    naming = [] if recipe.naming == "given" else [recipe.naming]
    trained = ledger.run(
        f"{part}-train-{name}",
        settings,
        [experiment.system_folder(name)],
        lambda: stages.train_system(experiment, name, manifest),
    )
    return ledger.run(
        f"{part}-separate-{name}",
        [settings, trained, behind, *naming],
        [experiment.estimates(name)],
        lambda: stages.separate_tests(experiment, name, manifest),
    )


def _report(recipe: Recipe, results: Mapping[str, Any], pages: list[Any], path: Path) -> None:
    from sepvae.report.page import write_report

    write_report(
        path,
        title=recipe.title,
        splits=pages,
        config=results["config"],
        versions=results["versions"],
        seed=recipe.seed,
        notes=[recipe.description, *results["notes"]],
        published=[figure.model_dump(mode="json") for figure in recipe.published if figure.system in recipe.systems],
    )
