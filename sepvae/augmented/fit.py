"""Fitting a nuisance basis: one pass over the utterances of corpora, whose bad files are named and left out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sepvae.audio import Wave
from sepvae.augmentation.augmenter import Augmenter
from sepvae.augmentation.basis import BASIS_FACTS, NuisanceBasis
from sepvae.augmentation.contract import Target
from sepvae.augmented.config import MIN_DURATION_S
from sepvae.augmented.records import Failure
from sepvae.augmented.usable import read_utterance, reader_failure, usable_utterances
from sepvae.corpora.records import Problem, Utterance, warn_of
from sepvae.corpora.validate import severity
from sepvae.errors import InputError
from sepvae.estimator.checkpoint import load_checkpoint
from sepvae.estimator.folder import find_model_folder
from sepvae.progress import progress

_LOGGER = logging.getLogger(__name__)

Found = Mapping[Path, Sequence[Problem]]


def fit_basis(
    augmenter: Augmenter,
    corpora: Iterable[tuple[Path, Sequence[Utterance]]],
    *,
    found: Found | None = None,
    strict: bool = False,
) -> tuple[NuisanceBasis, list[str]]:
    """Return the basis of all utterances that a run of augmentation would take, and what was wrong with the others.

    Args:
        augmenter: of the model.
        corpora: root and utterances of each; speech like that to be augmented, and like that to become.
        found: what the readers of the corpora have left out, by root.
        strict: stop at the first file that cannot be used.

    Raises:
        InputError: fewer than two utterances that can be used; or the first problem, with `strict`.
    """
    vectors, targets, problems = list[NDArray[np.float32]](), dict[str, Target](), list[str]()

    def leave_out(message: str) -> None:
        problems.append(message)
        if strict:
            raise InputError(message)
        _LOGGER.warning("left out: %s", message)

    for root, utterances in corpora:
        failures = list(_errors((found or {}).get(root, ()), root))
        usable = list(usable_utterances(utterances, augmenter.sample_rate, MIN_DURATION_S, failures))
        for failure in failures:
            leave_out(failure.message)
        with progress("nuisance vectors", len(usable), unit="utterances") as bar:
            for utterance in usable:
                try:
                    if utterance.id in targets:
                        raise InputError(f"{utterance.path}: another corpus has an utterance {utterance.id!r}")
                    vectors.append(_vector(augmenter, read_utterance(utterance, root), utterance))
                    targets[utterance.id] = Target(utterance.id, utterance.path, utterance.speaker, utterance.sex)
                except InputError as error:
                    leave_out(str(error))
                bar.advance(1)
    return NuisanceBasis.fit(
        np.stack(vectors) if vectors else np.zeros((0, 1), np.float32), [*targets.values()]
    ), problems


def _errors(found: Iterable[Problem], root: Path) -> Iterator[Failure]:
    """Yield the problems that cost an utterance; of the others the log tells."""
    others = []
    for problem in found:
        if severity(problem) == "error":
            yield reader_failure(problem, root)
        else:
            others.append(problem)
    warn_of(others, root)


def _vector(augmenter: Augmenter, wave: Wave, utterance: Utterance) -> NDArray[np.float32]:
    try:
        return np.asarray(augmenter.vector(wave, utterance.sample_rate), np.float32)
    except InputError as error:
        raise InputError(f"{utterance.path}: {error}") from error


def fit_and_save(
    model: str | Path,
    corpora: Iterable[tuple[Path, Sequence[Utterance]]],
    *,
    found: Found | None = None,
    device: str = "cpu",
    strict: bool = False,
) -> tuple[NuisanceBasis, list[str]]:
    """Fit a basis to the model in a folder and store it there; arguments, results and errors as of `fit_basis`.

    Raises:
        CheckpointError: no model of segments.
    """
    basis, problems = fit_basis(Augmenter(load_checkpoint(model), device=device), corpora, found=found, strict=strict)
    facts = find_model_folder(model) / BASIS_FACTS
    if facts.is_file():
        _LOGGER.info("%s: replaces the nuisance basis that was there", facts)
    basis.save(model, problems=problems)
    return basis, problems
