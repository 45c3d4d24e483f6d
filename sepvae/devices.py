"""Names of devices as users give them, made into torch devices."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from sepvae.errors import ConfigError

if TYPE_CHECKING:
    import torch

# What products are made in: single precision, or bfloat16; `auto` is whichever the device is faster at.
FixedPrecision = Literal["32-true", "bf16-mixed"]
Precision = Literal["auto", FixedPrecision]


class Processor(TypedDict):
    """A processor: model, cores that may be used, and whether it has units for bfloat16; None where it is not known."""

    model: str | None
    cores: int | None
    amx_bf16: bool | None
    avx512_bf16: bool | None


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
    capabilities = _capabilities()
    multiplies = capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")
    return "bf16-mixed" if kind == "cpu" and multiplies else "32-true"


def _capabilities() -> dict[str, Any]:
    """Return what the processor can do; nothing with releases of torch before 2.11, which do not say it."""
    import torch

    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return found


def describe_processor() -> Processor:
    """Return what is known of the processor of this machine."""
    units = _capabilities()
    return {
        "model": _model() or None,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "amx_bf16": units.get("amx_bf16"),
        "avx512_bf16": units.get("avx512_bf16"),
    }


def _model() -> str:
    """Return the name of the processor; Linux alone tells it in a file."""
    try:
        facts = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    found = re.search(r"^model name\s*: (.+)$", facts, re.MULTILINE)
    return found[1].strip() if found else platform.processor()
