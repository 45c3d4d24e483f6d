"""Weights as a file of safetensors, in single precision, half of it, or bytes with a scale for each row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from sepvae.errors import CheckpointError, ConfigError
from sepvae.estimator.folder import AGAIN, check_weights_file
from sepvae.estimator.folder_names import SCALE
from sepvae.files import write_bytes

Storage = Literal["float32", "float16", "int8"]
_MOST = 127


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file atomically; OutputError when it cannot be written."""
    from safetensors.torch import save

    write_bytes(path, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; CheckpointError when its header or data are damaged, or it is too large."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_weights_file(path)
    try:
        return load_file(path)
    # KeyError, AttributeError: types of numbers that torch, or the library, does not have.
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{path}: damaged weights file ({error}): {AGAIN}") from error


def pack(tensors: Mapping[str, Tensor], storage: Storage) -> dict[str, Tensor]:
    """Return weights in the form in which they are stored.

    Of `int8`, matrices and higher are whole numbers from -127 to 127 times a scale for each row (the first axis); what
    has fewer axes is in half precision. What is no floating-point number stays as it is.

    Raises:
        ConfigError: a weight is too large for half precision.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if storage == "float32" or not tensor.is_floating_point():
            packed[name] = tensor
        elif storage == "int8" and tensor.ndim >= 2:
            rows = tensor.detach().flatten(1)
            scale = rows.abs().amax(1).float() / _MOST
            codes = (rows / torch.where(scale > 0, scale, 1.0)[:, None]).round().to(torch.int8)
            packed |= {name: codes.view(tensor.shape), name + SCALE: scale}
        else:
            packed[name] = tensor.detach().half()
            if not torch.isfinite(packed[name]).all():
                raise ConfigError(f"weights {name}: are beyond half precision: store them as float32")
    return packed


def packed_like(expected: Mapping[str, Tensor], storage: Storage) -> dict[str, Tensor]:
    """Return what a file of weights has to hold, shapes and types, for weights like `expected` (may be on `meta`)."""
    like: dict[str, Tensor] = {}
    for name, tensor in expected.items():
        if storage == "float32" or not tensor.is_floating_point():
            like[name] = tensor
        elif storage == "int8" and tensor.ndim >= 2:
            # Not `empty_like`, which on `meta` imports a second's worth of torch's compiler.
            codes = torch.empty(tensor.shape, dtype=torch.int8, device=tensor.device)
            like |= {name: codes, name + SCALE: torch.empty(len(tensor), device=tensor.device)}
        else:
            like[name] = torch.empty(tensor.shape, dtype=torch.float16, device=tensor.device)
    return like


def unpack(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a file in the types of `expected`, whose names they are to have."""
    found: dict[str, Tensor] = {}
    for name, like in expected.items():
        tensor = tensors[name]
        if tensor.dtype == torch.int8 and like.is_floating_point():
            tensor = tensor.to(like.dtype) * tensors[name + SCALE].view(-1, *[1] * (tensor.ndim - 1))
        found[name] = tensor.to(like.dtype)
    return found
