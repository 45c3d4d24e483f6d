"""`sepvae info`: versions, optional parts and devices, or what is in a model folder."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Any

from sepvae.cli.arguments import flat, path_argument

# The optional parts, and what each is recognised by.
_PARTS = {
    "torch": "torch",
    "onnx": "onnxruntime",
    "export": "onnxscript",
    "train": "lightning_fabric",
    "eval": "pystoi",
    "pesq": "pesq",
    "report": "seaborn",
    "mel": "librosa",
    "classical": "pywt",
    "demo": "espeakng_loader",
    "rooms": "pyroomacoustics",
    "augment": "audiomentations",
    "cluster": "distributed",
    "torchaudio": "torchaudio",
}


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("info", help="show versions, optional parts and devices, or a model", **options)
    parser.add_argument("model", nargs="?", type=path_argument, metavar="MODEL", help="a model folder")
    parser.add_argument("--json", action="store_true", help="for programs: JSON on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what is asked for."""
    from sepvae.files import to_json

    facts = _model(args.model) if args.model else _environment()
    if args.json:
        sys.stdout.write(to_json(facts, indent=2) + "\n")
        return 0
    for name, value in facts.items():
        if not isinstance(value, dict):
            sys.stdout.write(f"{name:14} {value}\n")
            continue
        lines = dict(flat(value))
        width = max(map(len, lines), default=0)
        sys.stdout.write("".join([f"{name}\n", *(f"    {key:{width}} {text}\n" for key, text in lines.items())]))
    return 0


def _environment() -> dict[str, Any]:
    from sepvae.estimator.folder import versions

    device = "cpu, by onnxruntime: PyTorch is missing"
    if importlib.util.find_spec("torch"):
        from sepvae.devices import resolve_device

        device = str(resolve_device("auto"))
    parts = {part: "yes" if importlib.util.find_spec(module) else "missing" for part, module in _PARTS.items()}
    return {"versions": versions(), "optional parts": parts, "device": device}


def _model(folder: Path) -> dict[str, Any]:
    from sepvae.estimator.checkpoint import load_checkpoint

    found = load_checkpoint(folder)
    config, estimator, provenance = found.config, found.estimator, found.provenance
    stft = estimator.frontend.stft.config
    speakers = config.estimator.model.settings.get("classes")
    return {
        **({"name": f"{config.name}@{config.version}"} if config.name else {}),
        "sources": ", ".join(config.sources),
        **({"speakers": ", ".join(speakers)} if speakers else {}),
        "model": config.estimator.model.kind,
        "sample rate": f"{estimator.frontend.config.sample_rate} Hz",
        "stft": f"{stft.window_ms:g}/{stft.hop_ms:g} ms",
        "mask": config.estimator.mask,
        "weights": estimator.n_weights,
        "stored as": config.weights,
        "levels": estimator.frontend.config.levels,
        "made by": {name: value for name, value in provenance.items() if name != "training"},
        "training": provenance.get("training", {}),
    }
