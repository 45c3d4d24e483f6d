"""Which file of two folders is which signal of which item: the layout is recognised, and never guessed.

Two layouts are in use: `<item>/<source>.wav`, and `<source>/<item>.wav` as in WSJ0-2mix and LibriMix. The same files
are often both, and scores would come out of either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sepvae import audio
from sepvae.errors import InputError
from sepvae.evaluation import LAYOUTS, MIXTURES, Layout
from sepvae.files import check_folder
from sepvae.formats import is_audio
from sepvae.inputs import PassedOver, Tree

NOISE = "noise"
# What separates, mixes or publishes calls sources so.
_SOURCE = re.compile(r"(s|spk|source)\d+|talker_\d+|(speech|background|noise)|((fe)?male|any)(_\d+)?")
# Names in a message.
_NAMED = 3

# The files of each item by signal.
Items = dict[str, dict[str, Path]]


@dataclass(frozen=True)
class Folder:
    """The audio files of the folders in a folder, by (folder, name without ending), and how many lie elsewhere.

    `passed_over` is what else lies there, folders that cannot be listed among it.
    """

    root: Path
    files: Mapping[tuple[str, str], Path]
    n_elsewhere: int = 0
    passed_over: PassedOver = field(default_factory=PassedOver)
    _shapes: dict[Path, tuple[int, int] | None] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, root: Path, *, advice: str) -> Folder:
        """List a folder; InputError when it is none, cannot be listed, or two files differ in their endings alone."""
        check_folder(root, advice=advice)
        tree, files, n_elsewhere = Tree(root, with_outputs=True), dict[tuple[str, str], Path](), 0
        for prefix, names in tree.walk():
            signals = [name for name in names if is_audio(name)]
            tree.passed_over.others.update(Path(name).suffix.lower() for name in names if not is_audio(name))
            if prefix.count("/") != 1:
                n_elsewhere += len(signals)
                continue
            for path in (root / prefix / name for name in signals):
                key = _printable(path.parent.name), _printable(path.stem)
                if key in files:
                    raise InputError(f"{path}: {files[key]} is there too: leave one of the two out")
                files[key] = path
        if why := tree.passed_over.unread.get(str(root)):
            raise InputError(f"{root}: cannot be listed: {why}")
        return cls(root, files, n_elsewhere, tree.passed_over)

    def items(self, layout: Layout) -> Items:
        """Return the files of each item by signal, as a layout has them."""
        found: Items = {}
        for (folder, name), path in self.files.items():
            item, signal = (folder, name) if layout == "item/source" else (name, folder)
            found.setdefault(item, {})[signal] = path
        return dict(sorted(found.items()))

    def shape(self, path: Path) -> tuple[int, int] | None:
        """Return the number of samples of a file and its rate in Hz; None where it cannot be read."""
        if path not in self._shapes:
            try:
                info = audio.inspect(path)
                self._shapes[path] = info.n_samples, info.sample_rate
            except InputError:
                self._shapes[path] = None
        return self._shapes[path]

    @property
    def folders(self) -> list[str]:
        """The names of the folders."""
        return list(dict.fromkeys(folder for folder, _ in self.files))

    @property
    def names(self) -> list[str]:
        """The names of the files without their endings."""
        return list(dict.fromkeys(name for _, name in self.files))


class Pair(NamedTuple):
    """References and estimates of items, each by signal, and the layout of the references."""

    references: Items
    estimates: Items
    layout: Layout


def pair_folders(
    references: Folder,
    estimates: Folder,
    *,
    layout: Layout | None = None,
    estimates_layout: Layout | None = None,
    mixtures: Sequence[str] = MIXTURES,
) -> Pair:
    """Return what both folders hold, in the one way in which they can be read.

    A layout that is not given is the one that the references speak for: by where mixtures lie, by names that sources
    have in this field, by lengths (the signals of an item are of one length). Where they speak for none, or for both,
    it is the only one in which an item has both references and estimates.

    Args:
        references: folder of the true sources.
        estimates: folder of the estimates.
        layout: of the references.
        estimates_layout: of the estimates.
        mixtures: how a mixture may be called.

    Raises:
        InputError: nothing fits together, or both readings are possible; the message has both, and the option.
    """
    first = [layout] if layout else _spoken_for(references, mixtures)
    fitting = _fitting(references, estimates, first, [estimates_layout] if estimates_layout else LAYOUTS)
    if not fitting:
        raise InputError(_nothing_in_common(references, estimates))
    possible = list(dict.fromkeys(one for one, _ in fitting))
    chosen = _only(references, possible, mixtures, "--layout")
    second = [other for one, other in fitting if one == chosen]
    if len(second) > 1:
        second = [one for one in second if one in _spoken_for(estimates, mixtures)] or second
    known = _only(estimates, second, mixtures, "--estimates-layout")
    return Pair(references.items(chosen), estimates.items(known), chosen)


def _fitting(
    references: Folder, estimates: Folder, first: Sequence[Layout], second: Sequence[Layout]
) -> list[tuple[Layout, Layout]]:
    """Return the layouts of both folders in which some item has references and estimates."""
    return [
        (one, other)
        for one in first
        for other in second
        if references.items(one).keys() & estimates.items(other).keys()
    ]


def _only(folder: Folder, possible: Sequence[Layout], mixtures: Sequence[str], option: str) -> Layout:
    """Return the only possible layout; InputError with all readings where there are two."""
    if len(possible) == 1:
        return possible[0]
    readings = "; ".join(f"{option} {one} takes {_described(folder.items(one), mixtures)}" for one in possible)
    raise InputError(f"{folder.root}: can be read in two ways, with other scores in each: {readings}: say which it is")


def _spoken_for(folder: Folder, mixtures: Sequence[str]) -> tuple[Layout, ...]:
    """Return the layout that a folder itself speaks for, or both where nothing does, or two things contradict."""
    by_mixture = _side(folder, lambda names: any(name in mixtures for name in names))
    votes = {by_mixture} if by_mixture else {_side(folder, _are_sources), _by_lengths(folder)}
    found = votes - {None}
    return tuple(layout for layout in LAYOUTS if found == {layout}) or LAYOUTS


def _side(folder: Folder, speaks: Callable[[Sequence[str]], bool]) -> Layout | None:
    """Return the layout in which the names of signals have what the names of items have not."""
    of_folders, of_files = speaks(folder.folders), speaks(folder.names)
    if of_folders == of_files:
        return None
    return "source/item" if of_folders else "item/source"


def _are_sources(names: Sequence[str]) -> bool:
    """Whether names are those of sources: all of them, or one of them the noise."""
    return NOISE in names or all(_SOURCE.fullmatch(name) for name in names)


def _by_lengths(folder: Folder) -> Layout | None:
    """Return the layout in which the signals of every item are of one length and rate, where they are not in the other.

    An item of one signal says nothing, nor does a file that cannot be read.
    """
    alike = {layout: _are_alike(folder, layout) for layout in LAYOUTS}
    fits = [layout for layout in LAYOUTS if alike[layout]]
    return fits[0] if len(fits) == 1 and False in alike.values() else None


def _are_alike(folder: Folder, layout: Layout) -> bool | None:
    """Whether the signals of every item are of one length and rate; None where no item has two that can be read."""
    found: bool | None = None
    for signals in folder.items(layout).values():
        shapes = [shape for path in signals.values() if (shape := folder.shape(path)) is not None]
        if len(shapes) > 1:
            if len(set(shapes)) > 1:
                return False
            found = True
    return found


def _printable(name: str) -> str:
    r"""Return a name as tables can have it: what is no character becomes `\udcff`, and a control character `\x07`."""
    return name if name.isprintable() else name.encode("unicode_escape").decode("ascii")


def _described(items: Items, mixtures: Sequence[str]) -> str:
    signals = dict.fromkeys(name for own in items.values() for name in own if name not in mixtures)
    return f"the items {listed(items)} with the sources {listed(signals)}"


def listed(names: Iterable[str], most: int = _NAMED) -> str:
    """Return names as text, the first ones of many."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def _nothing_in_common(references: Folder, estimates: Folder) -> str:
    for folder in (references, estimates):
        if not folder.files:
            elsewhere = f" ({folder.n_elsewhere} files lie above or below)" if folder.n_elsewhere else ""
            return f"{folder.root}: no folders of audio files found there{elsewhere}: see 'sepvae evaluate --help'"
    return (
        f"{references.root} and {estimates.root}: no item has both references and estimates: the folders are called "
        f"{listed(references.folders)} and {listed(estimates.folders)}, the files {listed(references.names)} and "
        f"{listed(estimates.names)}: see 'sepvae evaluate --help'"
    )
