"""Mixtures of one class, such as two women at once, of what is said in mixtures of several."""

from __future__ import annotations

from collections.abc import Sequence

from sepvae.mixing.manifest import Mixture, Source


def mixtures_of_one_class(mixtures: Sequence[Mixture]) -> list[Mixture]:
    """Return, for each source of each mixture, what it is there over what it is in another mixture of the group.

    The two are one source of the new mixture, which has no other: all that is known of it is its class. They keep their
    levels and places, dry and without noise. The other mixture is the next in which somebody else is heard as that
    source, or, where there is nobody else, other speech. Of a class that is heard in one mixture alone there is none.

    Args:
        mixtures: of one split.
    """
    made = []
    for index, mixture in enumerate(mixtures):
        others = [one for one in (*mixtures[index + 1 :], *mixtures[:index]) if one.group == mixture.group]
        for own in mixture.sources:
            same = [one for other in others for one in other.sources if one.name == own.name]
            found = [one for one in same if _who(one) != _who(own)] or [o for o in same if o.utterance != own.utterance]
            if found:
                made.append(_together(mixture, own, found[0]))
    return made


def _who(source: Source) -> str:
    """Return who speaks, or of a background its recording."""
    return source.speaker or source.path


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
