"""What a run of separation says of itself: who was tested, the seeds of each system, and what each stage took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sepvae.mixing.manifest import Manifest
from sepvae.recipe.ledger import Ledger
from sepvae.recipe.provenance import Heard, Tested, tested_set, time_of
from sepvae.recipe.separation.schema import SeparationRecipe

# System -> its runs by name, such as it has in stages, and the seed of each.
Runs = Mapping[str, Mapping[str, int]]


def runs_of(recipe: SeparationRecipe) -> dict[str, dict[str, int]]:
    """Return the runs of each system, with the seeds that they are trained from."""
    found: dict[str, dict[str, int]] = {}
    for run in recipe.runs:
        found.setdefault(run.system, {})[run.name] = run.seed
    return found


def tested_in(manifest: Manifest) -> Tested:
    """Return who speaks, which utterances, and which recordings of noise are in the test mixtures."""
    sources = [source for mixture in manifest.of_split("test") for source in mixture.everything]
    return tested_set(Heard(one.speaker, one.utterance if one.speaker else one.path, one.sha256) for one in sources)


def _of_system(part: str, runs: Mapping[str, int]) -> dict[str, list[str]]:
    """Return the stages of a system by what is done in them."""
    return {work: [f"{part}-{work}-{run}" for run in runs] for work in ("train", "separate")}


def time_of_systems(ledger: Ledger, part: str, runs: Runs) -> dict[str, dict[str, float | None]]:
    """Return the CPU seconds of training and of separation of each system, over all its runs.

    A model that several systems learn alike is in the time of the one that learnt it first.
    """
    return {name: time_of(ledger, _of_system(part, own)) for name, own in runs.items()}


def stages_of(parts: Sequence[str], runs: Runs) -> tuple[str, ...]:
    """Return all stages of a run but the page, in order."""
    stages = ["prepare", "data"]
    for part in parts:
        of_systems = [stage for own in runs.values() for names in _of_system(part, own).values() for stage in names]
        stages += [f"{part}-mix", f"{part}-reference", *of_systems, f"{part}-evaluate", f"{part}-summarise"]
    return tuple(stages)
