"""How often systems that know speakers name the right one, of clean utterances and of what they separated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sepvae.files import read_arrays
from sepvae.mixing.manifest import Mixture
from sepvae.recipe.separation.folder import PartFolder
from sepvae.recipe.separation.runs import Run
from sepvae.systems.voices import Voices, read_voices


def named_speakers(folder: PartFolder, runs: Iterable[Run], tests: Sequence[Mixture]) -> dict[str, Any]:
    """Return for each system that names speakers how many it named and how many of these rightly, as JSON.

    `clean` are utterances of validation, `separated` the estimates of test sources by speakers whom it knows; `classes`
    how many it chooses from. Groups of models, and runs from several seeds, count together.

    Args:
        folder: of the part.
        runs: of the systems.
        tests: the test mixtures.
    """
    groups, found = sorted({mixture.group or "" for mixture in tests}), dict[str, Any]()
    for run in runs:
        known = {group: voices for group in groups if (voices := read_voices(folder.system(run.name) / group))}
        for group, voices in known.items():
            empty = {"classes": 0, "clean": {"right": 0, "of": 0}, "separated": {"right": 0, "of": 0}}
            counts = found.setdefault(run.system, empty)
            counts["classes"] = max(counts["classes"], len(voices.speakers))
            own = [mixture for mixture in tests if (mixture.group or "") == group]
            rights = _of_separated(folder, run.name, own, voices)
            for kind, right, of in (("clean", voices.right, voices.of), ("separated", sum(rights), len(rights))):
                counts[kind]["right"] += right
                counts[kind]["of"] += of
    return found


def _of_separated(folder: PartFolder, run: str, tests: Sequence[Mixture], voices: Voices) -> list[bool]:
    """Return of each separated source by a speaker who is known whether that one was named."""
    rights = list[bool]()
    for mixture in tests:
        path = folder.diagnostics(run, mixture.id)
        likely = read_arrays(path).get("likely") if path.is_file() else None
        if likely is not None:
            pairs = zip(mixture.sources, likely, strict=True)
            rights += [str(name) == source.speaker for source, name in pairs if source.speaker in voices.speakers]
    return rights
