"""Recordings of noise and places in a room that both training and test would hear: a recipe that has any is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sepvae.errors import InputError
from sepvae.files import hash_file
from sepvae.mixing.noise import BackgroundConfig, list_backgrounds, list_noises
from sepvae.recipe.augmentation.heard import links
from sepvae.recipe.augmentation.schema import AugmentationSettings

# Leaks that are named one by one.
_NAMED = 3


def find_leaks(training: Mapping[str, AugmentationSettings], test: Mapping[str, AugmentationSettings]) -> list[str]:
    """Return which recordings of noise or rooms training and test share, by name or by their bytes, as sentences.

    Args:
        training: augmentations that speech for training goes through, by name.
        test: those of the test conditions.
    """
    known = {trace: f"{name}: {what}" for name, one in training.items() for trace, what in _recordings(one)}
    leaks = {}
    for name, one in test.items():
        for trace, what in _recordings(one):
            if trace in known:
                leaks[f"condition {name} has {what}"] = known[trace]
    return [f"{here}, which training has too ({there})" for here, there in leaks.items()]


def refuse_leaks(training: Mapping[str, AugmentationSettings], test: Mapping[str, AugmentationSettings]) -> None:
    """Raise InputError when training and test share a recording; arguments as of `find_leaks`."""
    if leaks := find_leaks(training, test):
        more = "" if len(leaks) <= _NAMED else f"; and {len(leaks) - _NAMED} more"
        raise InputError(
            f"the test is known from training: {'; '.join(leaks[:_NAMED])}{more}: leave folder and only out of the "
            "settings, and recordings are shared out"
        )


def _recordings(augmentation: AugmentationSettings) -> Iterator[tuple[str, str]]:
    """Yield what each recording of an augmentation is known again by, and its name."""
    for name, config in links(augmentation):
        if not hasattr(config, "only"):
            continue
        folder: str | None = getattr(config, "folder", None)
        only: tuple[str, ...] = config.only
        if folder is None:
            # Rooms that are drawn are never the same twice.
            kinds = list_backgrounds(BackgroundConfig()) if name == "noise" else {}
            listed = [one.path for own in kinds.values() for one in own]
            yield from ((f"synthetic {path}", f"the synthetic recording {path}") for path in only or listed)
            continue
        listed = [one.path for own in list_noises(Path(folder)).values() for one in own]
        for path in only or listed:
            yield hash_file(Path(folder) / path), f"the recording {path}"
