"""What a test must not share with the training behind it: recordings, sentences and, where it is open, speakers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sepvae.corpora.records import plain_words
from sepvae.errors import InputError
from sepvae.mixing.manifest import Mixture

# Leaks that are named one by one.
_NAMED = 3


def find_leaks(mixtures: Sequence[Mixture], *, speakers: bool) -> list[str]:
    """Return what test mixtures share with those that train or validate models of their group, as sentences.

    Args:
        mixtures: all of an experiment.
        speakers: whether the test promises speakers who are never heard.

    Returns:
        A sentence for each test mixture and what it shares: an utterance by its name or the bytes of its file, a
        sentence by its words, a speaker, and samples of a recording of noise.
    """
    leaks = []
    for group in sorted({mixture.group or "" for mixture in mixtures}):
        own = [mixture for mixture in mixtures if (mixture.group or "") == group]
        known: dict[str, list[tuple[range, str]]] = {}
        for mixture in own:
            if mixture.split != "test":
                for what, samples in _traces(mixture, speakers=speakers):
                    known.setdefault(what, []).append((samples, mixture.id))
        for mixture in own:
            for what, samples in _traces(mixture, speakers=speakers) if mixture.split == "test" else ():
                where = [name for other, name in known.get(what, ()) if _meet(samples, other)]
                leaks += [f"{mixture.id} shares {what} with {where[0]}"] if where else []
    return leaks


def refuse_leaks(mixtures: Sequence[Mixture], *, speakers: bool) -> None:
    """Raise InputError when a test shares what it must not; arguments as of `find_leaks`."""
    if leaks := find_leaks(mixtures, speakers=speakers):
        more = "" if len(leaks) <= _NAMED else f"; and {len(leaks) - _NAMED} more"
        raise InputError(
            f"the test is known from training: {'; '.join(leaks[:_NAMED])}{more}: what is tested on may not be learnt "
            "from: mix anew"
        )


# What is shared whatever part of it is heard.
_ALL = range(1)


def _traces(mixture: Mixture, *, speakers: bool) -> Iterator[tuple[str, range]]:
    """Yield all by which the sources of a mixture, and its noise, are known again, and the samples of it."""
    for source in mixture.everything:
        if not source.speaker:
            # One recording of noise may be cut in three: a part of it trains, and another one is the test.
            start, stop = source.loop or (source.start, source.start + source.n_samples)
            yield f"the recording {source.path}", range(start, stop)
            if source.sha256:
                yield f"a file (of SHA-256 {source.sha256[:12]}…)", range(start, stop)
            continue
        yield f"the utterance {source.utterance}", _ALL
        if source.sha256:
            yield f"a file (of SHA-256 {source.sha256[:12]}…)", _ALL
        if source.text:
            yield f"the sentence {plain_words(source.text)!r}", _ALL
        if speakers:
            yield f"the speaker {source.speaker}", _ALL


def _meet(one: range, other: range) -> bool:
    return max(one.start, other.start) < min(one.stop, other.stop)
