"""Recipes on other data than their lists are of: people and recordings that are not there by name are drawn instead.

What has more people than folds that share out a whole corpus is other data, too.

A list that names some of the data and not all of it is of this data, and wrong: mixing refuses it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from sepvae.mixing.config import BACKGROUND, MixingConfig


def adapted(mixing: MixingConfig, speakers: Collection[str]) -> tuple[MixingConfig, list[str]]:
    """Return what is mixed of the data at hand, and notes on what of it is drawn because its lists are of other data.

    Args:
        mixing: of a part of a recipe.
        speakers: of the corpus.

    Example:
        >>> mixing = MixingConfig(split="speaker_open", folds=(("FVMH0",), ("MBMA1",)))
        >>> adapted(mixing, ["ann", "bob"])[0].folds, adapted(mixing, ["FVMH0", "MBMA1"]) == (mixing, [])
        (None, True)
        >>> adapted(mixing, ["FVMH0", "MBMA1", "bob"])[1][0][:44]
        "1 of the corpus's speakers are in no fold of"
    """
    changes, notes = dict[str, Any](), list[str]()
    if isinstance(mixing.speakers, tuple) and not _any_of([mixing.speakers], speakers):
        changes["speakers"] = None
        notes.append("the corpus has none of the speakers that this recipe names: all of it takes part")
    # Where they are known folds are not made, but say all the same whom the recipe is of.
    if mixing.folds is not None and not _any_of(mixing.folds, speakers):
        changes["folds"] = None
        notes.append("the corpus has none of the speakers that this recipe tests by name: others are drawn")
    elif mixing.folds is not None and mixing.speakers is None:
        # Folds alone share out a whole corpus: with more people in it the same lists are another experiment.
        n_more = len(set(speakers).difference(*mixing.folds))
        if n_more:
            notes.append(
                f"{n_more} of the corpus's speakers are in no fold of this recipe: they take part as well; "
                "mixing.speakers lists those who are to"
            )
    if isinstance(mixing.pairs, tuple) and not _any_of(mixing.pairs, speakers):
        changes["pairs"] = len(mixing.pairs)
        notes.append("the corpus has none of the speakers that this recipe pairs by name: others are drawn")
    background = mixing.background
    lists = background.recordings if BACKGROUND in mixing.sources else None
    if (
        lists is not None
        and background.folder is None
        and any(lists.of_kind(kind)["test"] for kind in background.kinds)
    ):
        changes["background"] = background.model_copy(update={"recordings": None})
        notes.append("no folder has the recordings that this recipe lists: backgrounds are synthetic")
    elif lists is not None and background.folder is not None:
        folder = Path(background.folder)
        if not any((folder / path).is_file() for path in (*lists.train, *lists.valid, *lists.test)):
            changes["background"] = background.model_copy(update={"recordings": None})
            notes.append(f"{folder} has none of the recordings that this recipe lists: what trains and tests is drawn")
    return mixing.model_copy(update=changes), notes


def _any_of(groups: Iterable[Iterable[str]], speakers: Collection[str]) -> bool:
    return any(name in speakers for group in groups for name in group)
