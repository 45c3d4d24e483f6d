"""Manifests of single sources, for models of clean speech: a mixture of one source is that source.

No model of a source sees another source, or a mixture (Subakan & Smaragdis 2018).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from sepvae.batch import one_of_many
from sepvae.corpora.damaged_files import shifted, unusable_files
from sepvae.corpora.records import Utterance
from sepvae.errors import InputError, SepvaeError
from sepvae.mixing.manifest import Mixture, Source, make_mixture
from sepvae.mixing.mixture import load_source
from sepvae.mixing.noise import rms
from sepvae.mixing.pools import sentence
from sepvae.seeds import derive_seed

# One sentence in so many is kept to validate on.
_VALID_SHARE = 10
_LEVEL_RMS = 0.05
# Files left out that are named one by one.
_NAMED = 10
_LOGGER = logging.getLogger(__name__)


def source_mixtures(mixtures: Sequence[Mixture], name: str) -> list[Mixture]:
    """Return what some mixtures hold of the source called `name`: each utterance once, its longest stretch, alone.

    A mixture in a room gives the dry utterance that goes into it.
    """
    longest: dict[str, tuple[Mixture, Source]] = {}
    for mixture in mixtures:
        for source in mixture.sources:
            if source.name != name:
                continue
            known = longest.get(source.utterance)
            if known is None or source.n_samples > known[1].n_samples:
                longest[source.utterance] = mixture, source
    return [
        mixture.model_copy(
            update={
                "id": f"{mixture.id}-{name}",
                "n_samples": source.n_samples,
                "sources": (source.model_copy(update={"offset": 0}),),
                "noise": None,
                "mixture_path": None,
                "scene": None,
            }
        )
        for mixture, source in longest.values()
    ]


def speech_mixtures(mixtures: Sequence[Mixture], root: Path) -> list[Mixture]:
    """Return all that is said in some mixtures: each utterance once, whole and alone, as a source called `speech`.

    Args:
        mixtures: of one split; whatever is taken of an utterance, all of it is in that split.
        root: folder of the corpus; the files are read for their lengths.
    """
    found: dict[str, Mixture] = {}
    for mixture in mixtures:
        for source in mixture.sources:
            if source.utterance in found or not source.speaker:
                continue
            wave, _ = load_source(root / source.path, mixture.sample_rate)
            gain = _LEVEL_RMS / rms(wave, root / source.path)
            update = {"name": "speech", "start": 0, "n_samples": len(wave), "offset": 0, "gain": gain}
            whole = source.model_copy(update=update)
            name = f"{mixture.split}-{derive_seed(0, source.utterance):016x}"
            changes = {"id": name, "n_samples": len(wave), "sources": (whole,), "group": None}
            dry = {"noise": None, "mixture_path": None, "scene": None, "seed": None}
            found[source.utterance] = mixture.model_copy(update={**changes, **dry})
    return [found[name] for name in sorted(found)]


def _of_utterance(
    utterance: Utterance, root: Path, split: str, sample_rate: int, *, name: str | None = None
) -> Mixture:
    """Return one whole utterance as a mixture of one source, named by its speaker when `name` is None."""
    wave, digest = load_source(root / utterance.path, sample_rate)
    source = Source(
        name=name or utterance.speaker,
        utterance=utterance.id,
        path=utterance.path,
        speaker=utterance.speaker,
        sex=utterance.sex,
        text=utterance.text,
        sha256=digest,
        start=0,
        n_samples=len(wave),
        offset=0,
        gain=_LEVEL_RMS / rms(wave, root / utterance.path),
    )
    item = f"{split}-{derive_seed(0, utterance.id):016x}"
    path, facts = str(root / utterance.path), {"sample_rate": sample_rate, "n_samples": len(wave)}
    return make_mixture(path, [source], id=item, split=split, **facts)


def speaker_mixtures(
    utterances: Sequence[Utterance], speaker: str, *, root: str | Path, sample_rate: int, seed: int
) -> tuple[list[Mixture], list[Mixture]]:
    """Return the utterances of one speaker to train and to validate on, one sentence in ten to validate.

    Args:
        utterances: of the corpus; files that cannot be used are left out, with warnings.
        speaker: whose.
        root: folder of the corpus.
        sample_rate: Hz that the model works at.
        seed: of the choice of sentences.

    Raises:
        InputError: no such speaker, nothing of theirs that can be used, or a name that cannot name a source.
    """
    if not re.fullmatch(r"[\w-]+", speaker):
        raise InputError(f"the speaker {speaker!r} cannot name a source: only letters, digits, _ and - may be in it")
    own = sorted((u for u in utterances if u.speaker == speaker), key=lambda u: u.id)
    if not own:
        known = sorted({u.speaker for u in utterances})
        more = f" and {len(known) - 20} more" if len(known) > 20 else ""
        close = [name for name in known if name.casefold() == speaker.casefold()]
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise InputError(f"no utterances of the speaker {speaker!r}: {hint}there are {', '.join(known[:20])}{more}")
    unusable = unusable_files(own, Path(root))
    own = [u for u in own if u.id not in unusable]
    if not own:
        raise InputError(f"all files of the speaker {speaker!r} are damaged or empty: see 'sepvae corpus validate'")
    held_out = _held_out(own, seed)
    splits = [("train", [u for u in own if sentence(u) not in held_out])]
    splits.append(("valid", [u for u in own if sentence(u) in held_out]))
    train, valid = ([_of_utterance(u, Path(root), split, sample_rate) for u in part] for split, part in splits)
    return train, valid


def _held_out(utterances: Sequence[Utterance], seed: int) -> set[str]:
    """Return the sentences to validate on."""
    sentences = sorted({sentence(u) for u in utterances}, key=lambda text: derive_seed(seed, "solo", text))
    return set(sentences[: len(sentences) // _VALID_SHARE])


def corpus_mixtures(
    utterances: Sequence[Utterance], *, root: str | Path, sample_rate: int, seed: int
) -> tuple[list[Mixture], list[Mixture]]:
    """Return all utterances of a corpus to train and to validate on, each whole and alone as a source `speech`.

    One sentence in ten is to validate on. Files that cannot be used, such as silent ones, are left out with a warning.

    Args:
        utterances: of the corpus, whoever speaks.
        root: folder of the corpus.
        sample_rate: Hz that the model works at.
        seed: of the choice of sentences.

    Raises:
        InputError: nothing that can be used.
    """
    held_out, folder = _held_out(utterances, seed), Path(root)
    train, valid, left_out = list[Mixture](), list[Mixture](), list[SepvaeError]()
    for utterance in sorted(utterances, key=lambda u: u.id):
        split, kept = ("valid", valid) if sentence(utterance) in held_out else ("train", train)
        try:
            with one_of_many(str(folder / utterance.path)):
                if shifted(folder / utterance.path):
                    raise InputError(f"{folder / utterance.path}: noise from where a byte was lost on")
                kept.append(_of_utterance(utterance, folder, split, sample_rate, name="speech"))
        except SepvaeError as error:
            left_out.append(error)
    for reason in left_out[:_NAMED]:
        _LOGGER.warning("left out: %s", reason)
    if len(left_out) > _NAMED:
        _LOGGER.warning("left out: %d more files", len(left_out) - _NAMED)
    if not train:
        raise InputError(f"{root}: none of {len(utterances)} files can be learnt from: see 'sepvae corpus validate'")
    return train, valid
