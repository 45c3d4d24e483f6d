"""References and estimates of two folders as items to score: which permutation, what is missing, what is left over."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sepvae import audio
from sepvae.audio import Audio
from sepvae.batch import one_of_many
from sepvae.errors import InputError, SepvaeError
from sepvae.evaluation import MIXTURES, Layout, Permutation
from sepvae.evaluation.layouts import NOISE, Pair, listed
from sepvae.evaluation.many import ScoreTask
from sepvae.evaluation.naming import N_TAPS, best_names
from sepvae.evaluation.unusable import TOO_SHORT_TO_ORDER, UnusableSignalError, check_like, read_signal
from sepvae.files import hash_json

# Names that say nothing of who it is, as blind separation gives.
_NUMBERED = re.compile(r"(talker|speaker|spk|source|s|est|output)_?\d+")
# Estimates without references that are named one by one.
_NAMED = 10


@dataclass(frozen=True)
class ItemFiles:
    """The files of one item; a reference without its file is there with None, estimates are under their own names.

    Of several `channels` of a reference one is taken. `permutation` says which estimate is scored against a reference:
    the one that is called alike, or that of the best permutation; the noise is always that of its name.
    """

    item: str
    system: str
    references: Mapping[str, Path | None]
    estimates: Mapping[str, Path]
    permutation: Permutation
    has_mixture: bool
    mixture: Path | None
    noise: Path | None
    channel: int | None

    @property
    def sources(self) -> dict[str, tuple[str, ...]]:
        """The sources that the system has a row for."""
        return {self.system: tuple(self.references)}

    @property
    def files(self) -> list[Path]:
        """All files that are there."""
        paths = (*self.references.values(), self.mixture, self.noise, *self.estimates.values())
        return [path for path in paths if path is not None]

    @property
    def mark(self) -> str:
        """What changes when any of this does: a file, a name, or what other items decide for all."""
        return hash_json({key: _plain(value) for key, value in vars(self).items()})

    def load(self) -> ScoreTask:
        """Read the files: estimates that cannot be used are left out, with a reason for each.

        Raises:
            UnusableSignalError: a reference, the mixture or the noise cannot be used, and so nothing of the item.
        """
        truth, mixture, noise = self._read_references()
        found, faults, messages = self._read_estimates(mixture)
        names = {source: source for source in self.references if source in self.estimates}
        if self.permutation == "best":
            blind = {name: wave for name, wave in found.items() if name != NOISE}
            names = self._best(truth, blind)
            if NOISE in truth and NOISE in self.estimates:
                names[NOISE] = NOISE
        unusable = {source: self._fault(source, names, faults) for source in truth if names.get(source) not in found}
        if lacking := [source for source, reason in unusable.items() if reason == "estimate_missing"]:
            messages.append(f"item {self.item!r}: there is no estimate of {', '.join(lacking)}")
        # By elimination, where one estimate cannot be used and one source is left.
        if self.permutation == "best" and len(faults) == 1 and len(unusable) == 1:
            names[next(iter(unusable))] = next(iter(faults))
        if self.permutation == "best" and (extra := sorted(found.keys() - set(names.values()))):
            messages.append(f"item {self.item!r}: no source is left for {', '.join(extra)}")
        return ScoreTask(
            item=self.item,
            references=truth,
            estimates={self.system: {source: found[names[source]] for source in truth if source not in unusable}},
            mixture=mixture.wave[0],
            sample_rate=mixture.sample_rate,
            noise=noise,
            unusable={self.system: unusable},
            names={self.system: names},
            messages=tuple(messages),
        )

    def _fault(self, source: str, names: Mapping[str, str], faults: Mapping[str, str]) -> str:
        """Return why a source has no estimate."""
        if self.permutation == "fixed" or source == NOISE:
            return faults.get(names.get(source, ""), "estimate_missing")
        # Whichever it was: the estimates that can be used belong to other sources.
        return next(iter(faults.values()), "estimate_missing")

    def _read_references(self) -> tuple[dict[str, NDArray[np.float32]], Audio, NDArray[np.float32] | None]:
        """Return the true sources (time,), the mixture (1, time), and the noise (time,)."""
        read = {
            name: read_signal(path, "reference", where=f"{self.item}/{name}", channel=self.channel)
            for name, path in self.references.items()
        }
        noise = mixture = None
        if self.noise is not None:
            noise = read_signal(self.noise, "noise", where=f"{self.item}/{NOISE}", channel=self.channel)
        if self.has_mixture:
            mixture = read_signal(self.mixture, "mixture", where=self.item, channel=self.channel)
        usual, of = mixture, "the mixture"
        if usual is None:
            # The shape that most have, or the first one.
            shapes = Counter((one.wave.shape, one.sample_rate) for one in read.values())
            shape = max(shapes, key=lambda one: shapes[one])
            name, usual = next((key, one) for key, one in read.items() if (one.wave.shape, one.sample_rate) == shape)
            of = f"the reference of {name}"
        for name, one in read.items():
            check_like(self.references[name], one, usual, "reference", of=of)
        if noise is not None:
            check_like(self.noise, noise, usual, "noise", of=of)
        if mixture is None:
            parts = [one.wave for one in (*read.values(), *([noise] if noise else []))]
            mixture = Audio(np.sum(parts, axis=0), usual.sample_rate)
        return {name: one.wave[0] for name, one in read.items()}, mixture, None if noise is None else noise.wave[0]

    def _read_estimates(self, mixture: Audio) -> tuple[dict[str, NDArray[np.float32]], dict[str, str], list[str]]:
        """Return the estimates (time,) that can be used, why others cannot, and what is told of these."""
        found, faults, messages = dict[str, NDArray[np.float32]](), dict[str, str](), list[str]()
        for name, path in self.estimates.items():
            try:
                signal = read_signal(path, "estimate", where=f"{self.item}/{name}")
                check_like(path, signal, mixture, "estimate", of="the mixture")
                found[name] = signal.wave[0]
            except UnusableSignalError as error:
                faults[name] = error.reason
                messages.append(f"item {self.item!r}: {error}")
        return found, faults, messages

    def _best(
        self, truth: Mapping[str, NDArray[np.float32]], blind: Mapping[str, NDArray[np.float32]]
    ) -> dict[str, str]:
        """Return which estimate is which source, by the best permutation."""
        sources = {name: wave for name, wave in truth.items() if name != NOISE or NOISE not in self.estimates}
        n_samples, needed = next(iter(truth.values())).size, N_TAPS * len(sources)
        if n_samples < needed:
            raise UnusableSignalError(
                TOO_SHORT_TO_ORDER,
                f"{n_samples} samples are too few to find the best permutation of {len(sources)} sources, which takes "
                f"{needed}: name the estimates as the references, and give --permutation fixed",
            )
        return best_names(sources, blind)


def _plain(value: Any) -> Any:
    """Return a field of an item as JSON."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return str(value) if isinstance(value, Path) else value


def tell_of_headers(items: Iterable[ItemFiles]) -> None:
    """Look at the header of each file, so that what is odd about one is told here, once, and not in the processes.

    A file that cannot be read is left to the scoring, which has a reason for it.
    """
    for one in items:
        for path in one.files:
            with contextlib.suppress(SepvaeError), one_of_many(str(path)):
                audio.inspect(path)


class Found(NamedTuple):
    """The items to score, and notes for people: how they are read, and which files belong to none."""

    items: list[ItemFiles]
    notes: list[str]


def find_items(
    pair: Pair,
    *,
    system: str,
    permutation: Permutation | None = None,
    mixtures: Sequence[str] = MIXTURES,
    channel: int | None = None,
) -> Found:
    """Return every item that has references, with its estimates.

    Args:
        pair: the files of both folders.
        system: name in the rows.
        permutation: `fixed` takes the estimate that is called as the reference, `best` the permutation with the highest
            mean SIR of each item. None is `best` where all estimates have mere numbers and no source is called so.
        mixtures: how a mixture may be called.
        channel: of references with several.

    Raises:
        InputError: an item has several mixtures; or no estimate is called as a source, and nothing says that any order
            will do.
    """
    sources = {name for signals in pair.references.values() for name in signals} - set(mixtures)
    own = {item: _without(pair.estimates.get(item, {}), mixtures) for item in pair.references}
    found = {name for estimates in own.values() for name in estimates}
    rule = permutation or _permutation(sources, found)
    mixture_of = {item: _mixture(item, signals, mixtures) for item, signals in pair.references.items()}
    items = list[ItemFiles]()
    for item, signals in pair.references.items():
        references = _references(signals, sources, own[item] if rule == "fixed" else {}, pair.layout, mixtures)
        noise = None if NOISE in found or len(references) < 2 else references.pop(NOISE, None)
        name, mixture = mixture_of[item]
        items.append(
            ItemFiles(
                item=item, system=system, references=references, estimates=own[item], permutation=rule,
                has_mixture=any(path for _, path in mixture_of.values()), mixture=mixture, channel=channel,
                noise=None if name == "mix_clean" else noise,
            )
        )  # fmt: skip
    notes = _left_over(pair, items)
    if permutation is None and rule == "best":
        notes.append("the estimates have numbers for names: each item is scored by its best permutation")
    return Found(items, notes)


def _without(signals: Mapping[str, Path], mixtures: Sequence[str]) -> dict[str, Path]:
    return {name: path for name, path in signals.items() if name not in mixtures}


def _references(
    signals: Mapping[str, Path],
    sources: AbstractSet[str],
    estimated: Mapping[str, Path],
    layout: Layout,
    mixtures: Sequence[str],
) -> dict[str, Path | None]:
    """Return the references of an item, with None for those that are missing: others have them."""
    there: dict[str, Path | None] = dict(_without(signals, mixtures))
    # A folder for each source has all items; in a folder for each item the sources are its own, but for those that are
    # estimated here and are sources elsewhere.
    lacking = sources - {NOISE} if layout == "source/item" else sources & estimated.keys()
    if not there:
        lacking = sources - {NOISE}
    return there | dict.fromkeys(sorted(lacking - there.keys()))


def _permutation(sources: AbstractSet[str], found: AbstractSet[str]) -> Permutation:
    """Return what the names of estimates allow; InputError where they are neither those of sources nor numbers."""
    wanted, names = sources - {NOISE} or sources, found - {NOISE} or found
    if wanted & names or not names:
        return "fixed"
    if all(_NUMBERED.fullmatch(name) for name in names):
        return "best"
    raise InputError(
        f"no estimate is called as a source: the sources are {listed(sorted(wanted))}, the estimates "
        f"{listed(sorted(names))}: rename them, or give --permutation best where any order will do"
    )


def _mixture(item: str, signals: Mapping[str, Path], mixtures: Sequence[str]) -> tuple[str, Path | None]:
    """Return the name and file of the mixture of an item."""
    there = [name for name in mixtures if name in signals]
    if len(there) > 1:
        raise InputError(f"item {item!r} has several mixtures, {', '.join(there)}: say which it is with --mixture")
    return (there[0], signals[there[0]]) if there else ("", None)


def _left_over(pair: Pair, items: Sequence[ItemFiles]) -> list[str]:
    """Return sentences on estimates that belong to nothing; those of a best permutation are found when it is."""
    extra = [f"{item}/{name}" for item, own in pair.estimates.items() if item not in pair.references for name in own]
    for one in items:
        if one.permutation == "fixed":
            extra += [f"{one.item}/{name}" for name in one.estimates if name not in one.references]
    if not extra:
        return []
    return [f"{len(extra)} estimates have no reference, and are not scored: {listed(extra, _NAMED)}"]
