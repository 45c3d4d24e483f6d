"""Model folders as files: where they are, and what can be said of them without loading torch."""

from __future__ import annotations

import math
import os
import platform
from importlib import metadata
from pathlib import Path

from sepvae.errors import CheckpointError
from sepvae.estimator.folder_names import CONFIG, SCALE, WEIGHTS
from sepvae.estimator.shipped import find_shipped, shipped_models
from sepvae.limits import MAX_WEIGHTS
from sepvae.reading import unlisted

AGAIN = "copy it again, or train anew"
# Weights, and two moments of each in the state of a training, with names and shapes.
_MAX_BYTES = 3 * 4 * MAX_WEIGHTS + (1 << 20)


def versions() -> dict[str, str]:
    """Return the versions of what a result depends on."""
    found = {"python": platform.python_version()}
    for package in ("sepvae", "torch", "numpy", "scipy", "soundfile", "soxr", "safetensors"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "missing"
    return found


def find_model_folder(path: str | Path) -> Path:
    """Return the model folder at `path`: the folder itself, or the `model` folder of a training run.

    Where there is no folder, `path` may be the name of a model that comes with sepvae.

    Raises:
        CheckpointError: there is none; the message says what is missing.
    """
    try:
        return _find(Path(path))
    # A folder that may be listed and not entered, a name that is too long, or a NUL in it.
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {unlisted(error)}") from error


def _find(folder: Path) -> Path:
    if not folder.exists():
        if shipped := find_shipped(str(folder)):
            return shipped
        names = ", ".join(shipped_models())
        also = f", or take one that comes with sepvae: {names}" if names else ""
        raise CheckpointError(f"{folder}: no such model folder: train one with 'sepvae train'{also}")
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: is a file, expected a model folder with {WEIGHTS} and {CONFIG}")
    if not (folder / CONFIG).is_file() and (folder / "model" / CONFIG).is_file():
        folder = folder / "model"
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if len(missing) == 2:
        raise CheckpointError(f"{folder}: is no model folder, which has {CONFIG} and {WEIGHTS}: see 'sepvae train'")
    if missing:
        raise CheckpointError(f"{folder}: the model folder has no {missing[0]}: copy it again, or train anew")
    for weights in folder.glob("*.safetensors"):
        check_weights_file(weights)
    return folder


def check_weights_file(path: Path) -> None:
    """Raise CheckpointError when a file of weights is larger than any that is made: a sparse one is of any size."""
    try:
        # The library says of a file that may not be read that there is none.
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise CheckpointError(f"{path}: damaged weights file ({error.strerror}): {AGAIN}") from error
    if size > _MAX_BYTES:
        raise CheckpointError(f"{path}: has {size} bytes, at most {_MAX_BYTES} are read: {AGAIN}")


def count_weights(path: Path) -> int:
    """Return how many numbers a file of weights holds that were learnt; CheckpointError when it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged weights file ({error}): {AGAIN}") from error
    return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(SCALE))
