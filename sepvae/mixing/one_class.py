"""Mixtures of one class, such as two women at once, of what is said in mixtures of several."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import itemgetter

from sepvae.mixing.manifest import Mixture, Source


def mixtures_of_one_class(mixtures: Sequence[Mixture]) -> list[Mixture]:
    """Return, for each source of each mixture, what it is there over what it is in another mixture of the group.

    The two are one source of the new mixture, which has no other: all that is known of it is its class. They keep their
    levels and places, dry and without noise. The other mixture is the next in which somebody else is heard as that
    source, or, where there is nobody else, other speech. Of a class that is heard in one mixture alone there is none.

    Args:
        mixtures: of one split.
    """
    heard = dict[tuple[str | None, str], list[tuple[int, Source]]]()
    for index, mixture in enumerate(mixtures):
        for own in mixture.sources:
            heard.setdefault((mixture.group, own.name), []).append((index, own))
    # What tells two sources of a class apart: who speaks, or what is said where it is always the same person.
    tells = {key: _who if len({_who(one) for _, one in sources}) > 1 else _what for key, sources in heard.items()}
    made = []
    for index, mixture in enumerate(mixtures):
        for own in mixture.sources:
            key = (mixture.group, own.name)
            other = _next_other(heard[key], index, own, tells[key])
            if other is not None:
                made.append(_together(mixture, own, other))
    return made


def _next_other(
    sources: Sequence[tuple[int, Source]], index: int, own: Source, tell: Callable[[Source], str]
) -> Source | None:
    """Return the next source that is another one, behind the mixture of a number and then from the first on."""
    first = bisect_right(sources, index, key=itemgetter(0))
    behind = (sources[(first + step) % len(sources)] for step in range(len(sources)))
    return next((one for number, one in behind if number != index and tell(one) != tell(own)), None)


def _who(source: Source) -> str:
    """Return who speaks, or of a background its recording."""
    return source.speaker or source.path


def _what(source: Source) -> str:
    """Return what is said."""
    return source.utterance


def _together(mixture: Mixture, one: Source, other: Source) -> Mixture:
    """Return a mixture of two sources of one class, under the name of that class."""
    return mixture.model_copy(
        update={
            "id": f"{mixture.id}-{one.name}",
            "n_samples": max(source.offset + source.n_samples for source in (one, other)),
            "sources": (one.model_copy(update={"layers": (*one.layers, other)}),),
            "noise": None,
            "mixture_path": None,
            "scene": None,
        }
    )
