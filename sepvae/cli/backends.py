"""What runs a model: PyTorch, or onnxruntime where that is not installed."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from sepvae.cli.arguments import choice

if TYPE_CHECKING:
    from sepvae.portable.separator import PortableSeparator

BACKENDS = ("auto", "torch", "onnx")
_ENDING = ".onnx"


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add `--backend`."""
    parser.add_argument(
        "--backend",
        **choice(BACKENDS),
        default="auto",
        help="what runs the model: torch, or onnx, for models that come with sepvae and ONNX files; auto: torch where "
        "it is installed, but for ONNX files",
    )


def without_torch(args: argparse.Namespace, models: list[str]) -> bool:
    """Say whether onnxruntime is to run some models.

    Raises:
        ConfigError: torch is asked for, and a model is an ONNX file.
    """
    from sepvae.errors import ConfigError

    files = [model for model in models if Path(model).suffix == _ENDING and not Path(model).is_dir()]
    if files and args.backend == "torch":
        raise ConfigError(f"--backend torch: {files[0]} is an ONNX file: give its model folder, or --backend onnx")
    return bool(files) or args.backend == "onnx" or (args.backend == "auto" and not importlib.util.find_spec("torch"))


def load_portable(args: argparse.Namespace, models: list[str]) -> PortableSeparator:
    """Load the model that onnxruntime is to run.

    Raises:
        ConfigError: several models, or options that need torch.
        CheckpointError: the model is missing, damaged, or needs torch.
    """
    from sepvae.errors import ConfigError
    from sepvae.portable.separator import PortableSeparator

    if len(models) > 1:
        raise ConfigError(f"--backend onnx: runs one model, {len(models)} are given: export them as one, or use torch")
    if getattr(args, "mask", None):
        raise ConfigError("--mask: an ONNX file has the mask of its model: leave it out, or use --backend torch")
    if args.device not in ("auto", "cpu"):
        raise ConfigError(f"--device {args.device}: onnxruntime runs on the cpu here: leave it out, or --backend torch")
    return PortableSeparator.load(models[0])
