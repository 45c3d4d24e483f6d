"""Names of devices as users give them, made into torch devices."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from sepvae.errors import ConfigError

if TYPE_CHECKING:
    import torch

# What products are made in: single precision, or bfloat16; `auto` is whichever the device is faster at.
FixedPrecision = Literal["32-true", "bf16-mixed"]
Precision = Literal["auto", FixedPrecision]


def resolve_device(name: str) -> torch.device:
    """Return the torch device for `auto` (the best there is), `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        ConfigError: an unknown name, or a device this machine does not have.
    """
    import torch

    if name == "auto":
        found = ("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available()), ("cpu", True)
        return torch.device(next(kind for kind, available in found if available))
    parsed = re.fullmatch(r"(cpu|cuda|mps)(?::([0-9]{1,3}))?", name)
    if parsed is None:
        raise ConfigError(f"unknown device {name!r}: give auto, cpu, cuda, cuda:N or mps")
    kind, number = parsed.groups()
    available = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    if int(number or 0) >= available[kind]:
        raise ConfigError(f"device {name!r}: this machine has {available[kind]} of that kind: give --device cpu")
    return torch.device(name)


def resolve_precision(name: Precision, device: str) -> FixedPrecision:
    """Return the precision to train at; `auto` is bfloat16 where the device multiplies it.

    Of processors, those with AMX and those with AVX-512's BF16 do: forward and back through the temporal VAE then take
    a third as long, and the whole step half (benchmarks/training_step.py). Others take bfloat16 apart into float32,
    which saves none.
    """
    import torch

    if name != "auto":
        return name
    kind = resolve_device(device).type
    if kind == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    # Releases of torch before 2.11 do not say what the processor can do.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    multiplies = capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")
    return "bf16-mixed" if kind == "cpu" and multiplies else "32-true"
