"""Fitting a nuisance basis: one pass over the utterances of corpora, whose bad files are named and left out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sepvae import audio
from sepvae.augmentation.augmenter import Augmenter
from sepvae.augmentation.basis import NuisanceBasis
from sepvae.augmentation.contract import Target
from sepvae.corpora.records import Utterance
from sepvae.errors import InputError
from sepvae.mixing.protocol import shifted
from sepvae.progress import progress
from sepvae.training.checkpoint import load_checkpoint

_LOGGER = logging.getLogger(__name__)


def fit_basis(
    augmenter: Augmenter, corpora: Iterable[tuple[Path, Sequence[Utterance]]], *, strict: bool = False
) -> tuple[NuisanceBasis, list[str]]:
    """Return the basis of all utterances of some corpora, and what was wrong with those left out.

    Args:
        augmenter: of the model.
        corpora: root and utterances of each; speech like that to be augmented, and like that to become.
        strict: stop at the first file that cannot be used.

    Raises:
        InputError: fewer than two utterances that can be used; or the first problem, with `strict`.
    """
    vectors, targets, problems = list[NDArray[np.float32]](), dict[str, Target](), list[str]()
    for root, utterances in corpora:
        with progress("nuisance vectors", len(utterances), unit="utterances") as bar:
            for utterance in utterances:
                try:
                    if utterance.id in targets:
                        raise InputError("another utterance has this id")
                    if shifted(root / utterance.path):
                        raise InputError("noise from where a byte was lost on: see 'sepvae corpus validate'")
                    wave, rate = audio.read(root / utterance.path)
                    vectors.append(np.asarray(augmenter.vector(wave, rate), np.float32))
                    targets[utterance.id] = Target(utterance.id, utterance.path, utterance.speaker, utterance.sex)
                except InputError as error:
                    problems.append(f"{utterance.id} ({utterance.path}): {error}")
                    if strict:
                        raise InputError(problems[-1]) from error
                    _LOGGER.warning("left out: %s", problems[-1])
                bar.advance(1)
    return NuisanceBasis.fit(
        np.stack(vectors) if vectors else np.zeros((0, 1), np.float32), [*targets.values()]
    ), problems


def fit_and_save(
    model: str | Path,
    corpora: Iterable[tuple[Path, Sequence[Utterance]]],
    *,
    device: str = "cpu",
    strict: bool = False,
) -> NuisanceBasis:
    """Fit a basis to the model in a folder and store it there; arguments and errors as of `fit_basis`.

    Raises:
        CheckpointError: no model of segments.
    """
    basis, problems = fit_basis(Augmenter(load_checkpoint(model), device=device), corpora, strict=strict)
    basis.save(model, problems=problems)
    return basis
