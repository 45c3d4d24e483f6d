"""Settings that were chosen on development data: on which result, and whether that is allowed and true."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sepvae.evaluation.measures import describe
from sepvae.recipe.common import Chosen, Recipe

# The recipes that settings are chosen on.
DEVELOP = "develop"
_ABSENT = object()


def _at(settings: Any, keys: Sequence[str]) -> Any:
    """Return what settings have under keys within keys, `_ABSENT` where they have nothing."""
    for key in keys:
        if not isinstance(settings, Mapping) or key not in settings:
            return _ABSENT
        settings = settings[key]
    return settings


def choices_of(recipe: Recipe) -> list[Chosen]:
    """Return the choices that a recipe makes: not those about systems that it leaves out, and of a setting the last.

    Others come from what it includes.
    """
    last = {chosen.setting: chosen for chosen in recipe.chosen}
    return [chosen for chosen in last.values() if chosen.system in recipe.compared]


def check_chosen(
    recipe: Recipe,
    chosen: Chosen,
    developed: Sequence[Mapping[str, Any]],
    reported: Sequence[Mapping[str, Any]] = (),
) -> list[str]:
    """Return what is wrong with a setting that is said to be chosen.

    Args:
        recipe: has the setting.
        chosen: says on which result it was chosen.
        developed: that result, one for each seed.
        reported: the results of the recipe itself.

    Returns:
        Sentences: it was chosen elsewhere than on development data, or on somebody whom the recipe is tested on, there
        is no such result, it has no two values of the setting, or another one is the best and nobody says why it was
        not taken.
    """
    what = f"{chosen.setting} (chosen on {chosen.result})"
    if not chosen.result.startswith(f"{DEVELOP}/"):
        return [f"{what}: {chosen.result} is reported: settings are chosen on results of recipes in {DEVELOP}/"]
    if not developed:
        return [f"{what}: there are no results of {chosen.result}: run it, and keep what it finds"]
    if shared := next(filter(None, (shared_test(one, other) for one in developed for other in reported)), ""):
        return [f"{what}: was tested there on {shared}, and so is the recipe: choose it on development data"]
    value = _at(recipe.decisive, chosen.keys)
    if value is _ABSENT:
        return [f"{what}: the recipe has no such setting: correct the key"]
    part = chosen.part or next(iter(developed[0]["order"]), "no part")
    means = dict(_candidates(recipe, chosen, developed, part))
    if not means:
        return [f"{what}: {chosen.result} has no {chosen.system} with this setting and a {chosen.measure} in {part}"]
    tried = [_at(developed[0]["settings"][chosen.keys[0]][name], chosen.keys[2:]) for name in means]
    if all(one == tried[0] for one in tried):
        return [f"{what}: {chosen.result} has {chosen.system} with {tried[0]!r:.60} alone: nothing was chosen there"]
    best = (min if describe(chosen.measure).better == "lower" else max)(means, key=lambda name: means[name])
    found = _at(developed[0]["settings"][chosen.keys[0]][best], chosen.keys[2:])
    if found == value or chosen.because:
        return []
    return [
        f"{what}: is {value!r:.60}, and the best there ({best}) has {found!r:.60}: take that, or say because of what"
    ]


def _candidates(
    recipe: Recipe, chosen: Chosen, developed: Sequence[Mapping[str, Any]], part: str
) -> Iterator[tuple[str, float]]:
    """Yield the cells of the system in a development result that have the setting, with their means over the seeds."""
    group, system, *rest = chosen.keys
    kind = _at(recipe.decisive, (group, system, "kind"))
    for name, own in developed[0]["settings"].get(group, {}).items():
        is_cell = name == system or name.startswith(f"{system}_")
        if not is_cell or _at(own, ("kind",)) != kind or _at(own, rest) is _ABSENT:
            continue
        means = [_at(one, ("splits", part, "systems", name, chosen.measure, "mean")) for one in developed]
        known = [mean for mean in means if isinstance(mean, (int, float))]
        if len(known) == len(means):
            yield name, math.fsum(known) / len(known)


def shared_test(developed: Mapping[str, Any], reported: Mapping[str, Any]) -> str:
    """Return who or what was tested both in a development result and in one that is reported; empty when nothing was.

    Speakers are the same who are called alike, whatever copy of a corpus they come from, and utterances and recordings
    of noise those whose files have the same bytes.
    """
    kinds = ("speakers", "utterances", "recordings")
    speakers, utterances, recordings = (_tested(developed, kind) & _tested(reported, kind) for kind in kinds)
    if speakers:
        return f"the speaker {min(speakers)}" + (f" and {len(speakers) - 1} more" if len(speakers) > 1 else "")
    if utterances:
        return f"an utterance (SHA-256 {min(utterances)}…)"
    return f"a recording of noise (SHA-256 {min(recordings)}…)" if recordings else ""


def _tested(results: Mapping[str, Any], key: str) -> set[str]:
    found: set[str] = set()
    for one in results["tested"].values():
        # Results of before recordings were noted have none.
        found |= {*one[key]} if key == "speakers" else {*one.get(key, {}).values()} - {""}
    return found
