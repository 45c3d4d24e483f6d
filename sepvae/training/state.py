"""The state of an unfinished training run, saved so that a resumed run continues bit for bit on the CPU."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, field_validator
from torch import nn

from sepvae.config import Config, parse_config
from sepvae.errors import CheckpointError, ConfigError, InputError
from sepvae.estimator.weights import read_tensors, write_tensors
from sepvae.files import atomic_folder, hash_file, read_json, write_json

# Whole numbers up to it are told apart as doubles.
Count = Annotated[int, Field(ge=0, le=1 << 53)]
Finite = Annotated[float, Field(ge=-sys.float_info.max, le=sys.float_info.max)]
_TENSORS, _PROGRESS = "state.safetensors", "state.json"


class _Stored(Config):
    """What `state.json` holds: a `Progress`, and the hash of the file of tensors beside it."""

    key: str
    epoch: Count
    step: Count
    best_loss: Finite | None
    epochs_since_best: Count
    bad_in_a_row: Count
    finished: bool
    history: list[dict[str, Count | Finite]]
    tensors_sha256: str

    @field_validator("history")
    @classmethod
    def _says_where(cls, history: list[dict[str, float]]) -> list[dict[str, float]]:
        if not all({"epoch", "step"} <= set(row) for row in history):
            raise ConfigError("a row has no epoch or no step")
        return history


@dataclass
class Progress:
    """Where a run stands. There is no state of random generators: every stream follows from seed and step."""

    key: str
    epoch: int = 0
    step: int = 0
    best_loss: float | None = None
    epochs_since_best: int = 0
    bad_in_a_row: int = 0
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


def save_state(
    folder: Path, progress: Progress, *, networks: nn.Module, optimisers: Sequence[torch.optim.Optimizer]
) -> None:
    """Write progress, weights and the optimisers' moments atomically."""
    tensors = {f"weights/{name}": tensor for name, tensor in networks.state_dict().items()}
    for number, optimiser in enumerate(optimisers):
        for index, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{number}/{index}/{name}": torch.as_tensor(v) for name, v in moments.items()}
    with atomic_folder(folder) as part:
        write_tensors(part / _TENSORS, tensors)
        write_json(part / _PROGRESS, {**vars(progress), "tensors_sha256": hash_file(part / _TENSORS)})


def load_state(
    folder: Path, *, key: str, networks: nn.Module, optimisers: Sequence[torch.optim.Optimizer]
) -> Progress | None:
    """Restore networks and optimisers in place and return the progress, or None when there is nothing to resume.

    Raises:
        ConfigError: the folder holds a run with other settings or data.
        CheckpointError: the state is damaged.
    """
    if not (folder / _PROGRESS).is_file():
        return None
    damaged = f"{folder}: damaged training state ({{}}): pass --overwrite to start anew"
    try:
        stored = parse_config(_Stored, read_json(folder / _PROGRESS), where=_PROGRESS)
    except (InputError, ConfigError) as error:
        raise CheckpointError(damaged.format("; ".join(str(error).splitlines()))) from error
    progress = Progress(**stored.model_dump(exclude={"tensors_sha256"}))
    if progress.key != key:
        raise ConfigError(
            f"{folder.parent}: holds a training run with other settings, data or seed: "
            "choose another output folder, or pass --overwrite to start anew"
        )
    tensors = read_tensors(folder / _TENSORS)
    if hash_file(folder / _TENSORS) != stored.tensors_sha256:
        raise CheckpointError(damaged.format(f"{_TENSORS} is not the file that was saved with {_PROGRESS}"))
    weights = {name.removeprefix("weights/"): tensors[name] for name in tensors if name.startswith("weights/")}
    moments: list[dict[int, dict[str, Any]]] = [{} for _ in optimisers]
    try:
        for name in tensors.keys() - {f"weights/{name}" for name in weights}:
            _, number, index, moment = name.split("/")
            moments[int(number)].setdefault(int(index), {})[moment] = tensors[name]
        networks.load_state_dict(weights, strict=True)
        for optimiser, own in zip(optimisers, moments, strict=True):
            optimiser.load_state_dict({"state": own, "param_groups": optimiser.state_dict()["param_groups"]})
    except (RuntimeError, ValueError, IndexError) as error:
        raise CheckpointError(damaged.format(error)) from error
    return progress
