"""The page of a run of separation, from `results.json` and the scores and sounds in its folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.evaluation.failures import count_failures
from sepvae.evaluation.rows import read_rows
from sepvae.evaluation.runs import average_runs
from sepvae.mixing.manifest import Mixture, read_manifest
from sepvae.recipe.separation.explanations import room_of
from sepvae.recipe.separation.folder import PartFolder
from sepvae.recipe.separation.runs import run_name
from sepvae.recipe.separation.schema import name_parts
from sepvae.report.labels import read_measures
from sepvae.report.page import ReportItem, ReportSplit, write_report
from sepvae.report.systems import ShownSystem, Systems, read_systems
from sepvae.systems.contract import SystemChoice, describe_systems

# Mixtures of a part whose sounds are on the page; each costs a megabyte.
_HEARD = 12


def write_page(results: Mapping[str, Any], folder: Path) -> None:
    """Write the page of a finished run; errors as of `Kind.write_page`."""
    config = results["config"]
    cases = {name: case["description"] for name, case in config["cases"].items()}
    described = {part.name: part.description for part in name_parts(config["splits"], cases)}
    shown = _shown(results)
    runs = _runs(results)
    splits = []
    for name in results.get("order", results["splits"]):
        part, found = PartFolder(folder / name), results["splits"][name]
        tests = read_manifest(part.manifest).of_split("test")
        items = [_item(part, mixture, shown) for mixture in to_hear(tests)]
        outcome = (found["systems"], found["comparisons"], found["hypotheses"])
        of_runs, n_more = read_rows(part.scores), len(tests) - len(items)
        rows = average_runs(count_failures(of_runs, runs=runs), runs).rows
        # What is heard is the run from the first seed, which goes by the name of its system.
        named = found.get("named_speakers", {})
        splits.append(ReportSplit(name, described[name], *outcome, rows, items, n_more, of_runs, named))
    write_report(
        folder / "report.html",
        title=config["title"],
        systems=Systems(shown),
        measures=read_measures(results.get("measure_facts", ())),
        splits=splits,
        config=config,
        versions=results["versions"],
        seed=results["seed"],
        notes=[config["description"], *results["notes"]],
        published=[figure for figure in config["published"] if figure["system"] in config["systems"]],
    )


def to_hear(tests: Sequence[Mixture]) -> list[Mixture]:
    """Return the mixtures whose sounds are on the page, of all people first; with those of all it would not open."""
    seen: Counter[tuple[str, ...]] = Counter()
    turns = {}
    for mixture in tests:
        company = tuple(sorted(source.speaker for source in mixture.sources))
        turns[mixture.id] = seen[company]
        seen[company] += 1
    chosen = {mixture.id for mixture in sorted(tests, key=lambda mixture: turns[mixture.id])[:_HEARD]}
    return [mixture for mixture in tests if mixture.id in chosen]


def _shown(results: Mapping[str, Any]) -> list[ShownSystem]:
    """Return the systems of a run; of one that was made before they said what they are, from its settings."""
    if "system_facts" in results:
        return read_systems(results["system_facts"])
    choices = {name: _choice(name, stored) for name, stored in results["config"]["systems"].items()}
    return [ShownSystem(name, one.label, one.role, one.needs) for name, one in describe_systems(choices).items()]


def _runs(results: Mapping[str, Any]) -> dict[str, str]:
    """Return the runs that the scores are of, and whose they are; before systems had seeds each had one."""
    seeds = {one["name"]: one.get("seeds", 1) for one in results.get("system_facts", ())}
    return {run_name(name, number): name for name, n_seeds in seeds.items() for number in range(n_seeds)}


def _choice(name: str, stored: Mapping[str, Any]) -> SystemChoice:
    try:
        return parse_config(SystemChoice, stored, where=name)
    except ConfigError:
        # Settings of another version: what the class is by itself.
        return parse_config(SystemChoice, {"kind": stored["kind"], "label": name}, where=name)


def _item(part: PartFolder, mixture: Mixture, shown: list[ShownSystem]) -> ReportItem:
    names = [source.name for source in mixture.sources]
    references = part.references / mixture.id
    explained = {one.name: part.diagnostics(one.name, mixture.id) for one in shown}
    return ReportItem(
        mixture.id,
        " + ".join(f"{source.speaker or source.name} ({source.utterance})" for source in mixture.sources),
        references / "mixture.wav",
        {name: references / f"{name}.wav" for name in names},
        {one.name: {name: part.estimates(one.name) / mixture.id / f"{name}.wav" for name in names} for one in shown},
        room_of(mixture),
        {name: path for name, path in explained.items() if path.is_file()},
    )
