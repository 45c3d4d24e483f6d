"""How the toolkit trains for known classes of speakers when nothing else is asked for: the temporal VAE.

The recipe `recipes/systems/temporal_vae.yaml` is the same, with its measured scores in `recipes/README.md`.
"""

from __future__ import annotations

from typing import Any

KNOWN_CLASSES: dict[str, Any] = {
    "frontend": {"stft": {"window_ms": 64, "hop_ms": 16}},
    "model": {"kind": "temporal_vae"},
    "objective": {"kind": "wave_sdr"},
    "optimiser": {
        "kind": "muon",
        "epochs": 60,
        "batch_size": 8,
        "learning_rate": 0.002,
        "weight_decay": 0.01,
        "gradient_clip": 5,
        "precision": "auto",
    },
    "waves": {"segment_s": 3.0, "speed": 0.1, "steps_per_epoch": 50},
    "mask": "wiener",
}
