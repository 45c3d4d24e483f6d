"""NuisanceBasis: the vectors of all utterances of a corpus, and the directions along which they differ.

Stored beside the weights as `nuisance.safetensors` and `nuisance.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sepvae.augmentation.contract import Target
from sepvae.augmentation.latents import Array, perturbation, principal_directions, spreads
from sepvae.errors import CheckpointError, InputError
from sepvae.estimator.folder import find_model_folder
from sepvae.estimator.folder_names import WEIGHTS
from sepvae.estimator.weights import read_tensors, write_tensors
from sepvae.files import hash_file, read_json, write_json

BASIS, BASIS_FACTS = "nuisance.safetensors", "nuisance.json"
_SHAPES = {"mean": 1, "std": 1, "directions": 2, "vectors": 2}


@dataclass(frozen=True)
class NuisanceBasis:
    """Mean (latent,), σ_d (latent,), e_d as rows (latent, latent), and each utterance's vector (n, latent)."""

    mean: Array
    std: Array
    directions: Array
    vectors: NDArray[np.float32]
    utterances: tuple[Target, ...]

    @classmethod
    def fit(cls, vectors: NDArray[np.float32], utterances: Sequence[Target]) -> NuisanceBasis:
        """Return the basis of utterance vectors (n, latent).

        Raises:
            InputError: fewer than two utterances, which have no directions between them.
        """
        if len(vectors) < 2:
            raise InputError(f"{len(vectors)} utterances that can be used: a nuisance basis needs two or more")
        mean, std, directions = principal_directions(vectors)
        return cls(mean, std, directions, vectors, tuple(utterances))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each utterance by its id."""
        return {utterance.id: number for number, utterance in enumerate(self.utterances)}

    def vector_of(self, utterance_id: str) -> NDArray[np.float32]:
        """Return the vector (latent,) of an utterance; InputError when it was not fitted."""
        if utterance_id not in self.numbers:
            raise InputError(f"the nuisance basis has no utterance {utterance_id!r}: fit it anew with its corpus")
        vector: NDArray[np.float32] = self.vectors[self.numbers[utterance_id]]
        return vector

    def perturbation(self, kind: str, stream: np.random.Generator, *, gamma: float, n_directions: int) -> Array:
        """Draw the shift p (latent,) of one utterance; arguments as of `spreads` and `perturbation`."""
        psi = stream.standard_normal(len(self.std))
        return perturbation(spreads(self.std, kind, n_directions=n_directions), self.directions, psi, gamma=gamma)

    def save(self, folder: str | Path, **facts: Any) -> None:
        """Store the basis in a model folder, with the hash of the weights that it is of.

        Args:
            folder: model folder, or that of its training run.
            facts: what else is known of it, JSON.
        """
        model = find_model_folder(folder)
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _SHAPES}
        write_tensors(model / BASIS, {name: torch.from_numpy(array) for name, array in arrays.items()})
        hashes = {"weights_sha256": hash_file(model / WEIGHTS), "basis_sha256": hash_file(model / BASIS)}
        listed = [list(utterance) for utterance in self.utterances]
        # The facts name the arrays by hash and come last: without them there is no basis.
        write_json(model / BASIS_FACTS, {"schema_version": 1, **hashes, **facts, "utterances": listed})

    @classmethod
    def load(cls, folder: str | Path) -> NuisanceBasis:
        """Load the basis of a model folder.

        Raises:
            CheckpointError: there is none, it is damaged, or of other weights.
        """
        model = find_model_folder(folder)
        again = f"fit it with 'sepvae augment fit CORPUS -m {folder}'"
        if not (model / BASIS).is_file() or not (model / BASIS_FACTS).is_file():
            raise CheckpointError(f"{model}: has no nuisance basis: {again}")
        try:
            facts = read_json(model / BASIS_FACTS)
            utterances = tuple(Target(*map(str, entry)) for entry in facts["utterances"])
            hashes = [facts[name] for name in ("weights_sha256", "basis_sha256")]
        except (InputError, KeyError, TypeError) as error:
            raise CheckpointError(f"{model / BASIS_FACTS}: damaged ({error}): {again}") from error
        if hashes != [hash_file(model / WEIGHTS), hash_file(model / BASIS)]:
            raise CheckpointError(f"{model}: its nuisance basis is of other weights: {again}")
        arrays = {name: tensor.numpy() for name, tensor in read_tensors(model / BASIS).items()}
        if {name: array.ndim for name, array in arrays.items()} != _SHAPES or len(arrays["vectors"]) != len(utterances):
            raise CheckpointError(f"{model / BASIS}: does not hold a nuisance basis: {again}")
        return cls(**arrays, utterances=utterances)
