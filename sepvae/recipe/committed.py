"""Results beside the recipes: `results/<recipe>.json`, with what tables and claims need of a run, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sepvae.errors import ConfigError, InputError, SepvaeError
from sepvae.evaluation import IMPROVEMENT
from sepvae.files import hash_json, read_json, to_json, write_text
from sepvae.recipe.catalogue import find_recipe
from sepvae.recipe.kinds import load_recipe
from sepvae.report.labels import read_measures
from sepvae.report.systems import read_systems

# What is kept as it is.
_KEPT = (
    *("title", "settings", "settings_hash", "seed", "seeds", "quick", "plugins", "versions", "processors", "device"),
    *("date", "core_seconds", "core_seconds_of", "data", "tested", "notes", "order", "system_facts", "measure_facts"),
)
_FIGURES = 5
_WIDTH = 120
# Of settings that differ, so many are named.
_NAMED = 5


def results_path(recipe: str, seed: int | None = None) -> PurePosixPath:
    """Return where the results of a recipe lie in the folder of recipes, those of another seed than its own by `seed`.

    Example:
        >>> str(results_path("timit/vae")), str(results_path("timit/vae", 1))
        ('timit/results/vae.json', 'timit/results/vae.seed_1.json')
    """
    name = PurePosixPath(recipe)
    return name.parent / "results" / f"{name.name}{'' if seed is None else f'.seed_{seed}'}.json"


def recipe_of(path: PurePosixPath) -> tuple[str, int | None]:
    """Return the recipe and seed of results, as `results_path` takes them; InputError for another name of a file."""
    stem, dot, seed = path.stem.partition(".seed_")
    if path.parent.name != "results" or (dot and not seed.isdecimal()):
        raise InputError(f"{path}: no name of results: results/RECIPE.json, or results/RECIPE.seed_N.json")
    return (path.parent.parent / stem).as_posix(), int(seed) if dot else None


def slim(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return of `results.json` what tables and claims need; InputError for results of another version."""
    try:
        kept = {key: results[key] for key in _KEPT}
        splits = {}
        for part, found in results["splits"].items():
            splits[part] = {
                "systems": _of_systems(found["systems"], intervals=True),
                "voices": {group: _of_systems(own, intervals=False) for group, own in found.get("voices", {}).items()},
                "hypotheses": _rounded(found["hypotheses"]),
                **{key: _rounded(found[key]) for key in ("named_speakers", "gains") if found.get(key)},
            }
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"results of another version ({error!r}): run the recipe again with this one") from error
    # Where there are any: of recipes of augmentation what was recognised after replacement and what training has heard
    # of each condition, and what was drawn of other data than the lists of a recipe are of.
    optional = ("checks", "voice_check", "heard", "mismatched", "drawn")
    more = {key: _rounded(results[key]) for key in optional if key in results}
    return {**kept, **more, "splits": splits}


def _of_systems(found: Mapping[str, Any], *, intervals: bool) -> dict[str, Any]:
    """Return the summaries of systems without what no table shows; intervals only of what is no improvement."""
    return {
        system: {
            measure: _rounded(_of_measure(one, interval=intervals and not measure.endswith(IMPROVEMENT)))
            for measure, one in own.items()
            if intervals or not measure.endswith(IMPROVEMENT)
        }
        for system, own in found.items()
    }


def _of_measure(summary: Mapping[str, Any], *, interval: bool) -> dict[str, Any]:
    unseen = {"median", "n_valid"} if interval else {"median", "n_valid", "ci95"}
    return {key: value for key, value in summary.items() if key not in unseen}


def _rounded(value: Any) -> Any:
    """Return JSON with as many figures of each number as a table can show."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.{_FIGURES}g}") if isinstance(value, float) else value


def _lines(value: Any, indent: int = 0) -> str:
    """Return JSON in which whatever fits on a line stands on one, so that changes of it can be read."""
    text, inner = to_json(value), " " * (indent + 1)
    if len(text) + indent <= _WIDTH or not value or not isinstance(value, (dict, list)):
        return text
    if isinstance(value, dict):
        parts = [f"{inner}{to_json(key)}: {_lines(one, indent + 1)}" for key, one in sorted(value.items())]
        return "{\n" + ",\n".join(parts) + f"\n{' ' * indent}}}"
    return "[\n" + ",\n".join(inner + _lines(one, indent + 1) for one in value) + f"\n{' ' * indent}]"


def write_committed(path: Path, results: Mapping[str, Any]) -> None:
    """Write results in the form that they are committed in."""
    write_text(path, _lines(results) + "\n")


def read_committed(path: Path) -> dict[str, Any]:
    """Read results; InputError when they are damaged, or somebody has changed their settings by hand."""
    results = read_json(path)
    if not isinstance(results, dict) or any(key not in results for key in (*_KEPT, "splits")):
        raise InputError(f"{path}: holds no results of this version: keep a finished run there")
    if not _is_whole(results):
        raise InputError(f"{path}: its parts are not of the form of results: keep the finished run there again")
    if results["settings_hash"] != hash_json(results["settings"]):
        raise InputError(f"{path}: its settings are not those of its hash: keep the finished run there again")
    return results


def _is_whole(results: Mapping[str, Any]) -> bool:
    """Return whether every part that results name has systems, claims, and who was tested, and facts of all."""
    splits, tested, order = (results[key] for key in ("splits", "tested", "order"))
    if not (isinstance(splits, dict) and isinstance(tested, dict) and isinstance(order, list)):
        return False
    try:
        read_systems(results["system_facts"])
        read_measures(results["measure_facts"])
    except (SepvaeError, TypeError):
        return False
    forms = {"systems": dict, "voices": dict, "hypotheses": list}
    return {*splits} == {*tested} == {*map(str, order)} and all(
        isinstance(one, dict) and all(isinstance(one.get(key), form) for key, form in forms.items())
        for one in splits.values()
    )


def refuse_unfit(results: Mapping[str, Any], recipe: str, *, seed: int | None = None) -> None:
    """Raise ConfigError for results that may not be shown as those of a recipe.

    They are of its quick form or of other data than its lists are of, need plug-ins that are not released, or were made
    with other settings, of which nothing but the seed may differ, where `seed` gives another one.
    """
    if results["quick"]:
        raise ConfigError(f"{recipe}: the results are of its quick form: run it without --quick")
    if results["plugins"]:
        raise ConfigError(f"{recipe}: the results need plug-ins, {', '.join(results['plugins'])}: nobody else has them")
    if results.get("drawn"):
        raise ConfigError(
            f"{recipe}: the results are of other data than the recipe is for: {'; '.join(results['drawn'])}"
        )
    overrides = [] if seed is None else [f"seed={seed}"]
    today = load_recipe(find_recipe(recipe), overrides=overrides)
    wanted = today.decisive
    if found := differences(today.completed(results["settings"]), wanted):
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        hashes = f"{results['settings_hash'][:12]}, not {hash_json(wanted)[:12]}"
        raise ConfigError(
            f"{recipe}: the results were made with other settings than the recipe has ({hashes}): "
            f"{'; '.join(found[:_NAMED])}{more}: run it again"
        )


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Return what differs between settings, each with its key.

    Example:
        >>> differences({"a": {"x": 1, "y": 2}}, {"a": {"x": 1, "y": 3}, "b": 4})
        ['a.y is 2, not 3', 'b is missing']
    """
    if isinstance(one, dict) and isinstance(other, dict):
        found = []
        for key in sorted({*one, *other}):
            place = f"{where}.{key}".lstrip(".")
            if key not in one or key not in other:
                found.append(f"{place} is {'missing' if key not in one else 'new'}")
            else:
                found += differences(one[key], other[key], place)
        return found
    return [] if one == other else [f"{where} is {one!r:.40}, not {other!r:.40}"]
