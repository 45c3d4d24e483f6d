"""How often systems that know speakers name the right one, of clean utterances and of what they separated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sepvae.files import read_arrays
from sepvae.mixing.manifest import Mixture
from sepvae.recipe.separation.folder import PartFolder
from sepvae.systems.voices import read_voices


def named_speakers(folder: PartFolder, systems: Iterable[str], tests: Sequence[Mixture]) -> dict[str, Any]:
    """Return for each system that names speakers how many it named and how many of these rightly, as JSON.

    `clean` are utterances of validation, `separated` the estimates of test sources by speakers whom it knows; `classes`
    how many it chooses from. Groups of models count together.

    Args:
        folder: of the part.
        systems: their names.
        tests: the test mixtures.
    """
    found = {name: _named(folder, name, tests) for name in systems}
    return {name: counts for name, counts in found.items() if counts}


def _named(folder: PartFolder, name: str, tests: Sequence[Mixture]) -> dict[str, Any]:
    groups = sorted({mixture.group or "" for mixture in tests})
    known = {group: found for group in groups if (found := read_voices(folder.system(name) / group))}
    if not known:
        return {}
    right = total = 0
    for mixture in tests:
        arrays, voices = folder.diagnostics(name, mixture.id), known.get(mixture.group or "")
        likely = read_arrays(arrays).get("likely") if arrays.is_file() else None
        if voices is None or likely is None:
            continue
        for source, guess in zip(mixture.sources, likely, strict=True):
            if source.speaker in voices.speakers:
                right, total = right + (str(guess) == source.speaker), total + 1
    return {
        "classes": max(len(voices.speakers) for voices in known.values()),
        "clean": {"right": sum(one.right for one in known.values()), "of": sum(one.of for one in known.values())},
        "separated": {"right": right, "of": total},
    }
