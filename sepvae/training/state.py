"""The state of an unfinished training run, saved so that a resumed run continues bit for bit on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sepvae.errors import CheckpointError, ConfigError, InputError
from sepvae.estimator.weights import read_tensors, write_tensors
from sepvae.files import atomic_folder, read_json, write_json

_TENSORS, _PROGRESS = "state.safetensors", "state.json"


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
        write_json(part / _PROGRESS, vars(progress))


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
        progress = Progress(**read_json(folder / _PROGRESS))
    except (InputError, TypeError) as error:
        raise CheckpointError(damaged.format(error)) from error
    if progress.key != key:
        raise ConfigError(
            f"{folder.parent}: holds a training run with other settings, data or seed: "
            "choose another output folder, or pass --overwrite to start anew"
        )
    tensors = read_tensors(folder / _TENSORS)
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
