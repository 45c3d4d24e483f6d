"""How the toolkit trains when nothing else is asked for: for known classes of speakers the temporal VAE.

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

# For augmentation (Hsu, Zhang & Glass 2017): segments of 0.2 s of 80 log-mel features.
_LOG_MEL = {"kind": "log_mel", "n_mels": 80, "floor": 1e-6}
SPEECH_SEGMENTS: dict[str, Any] = {
    "frontend": {"stft": {"window_ms": 25, "hop_ms": 10}, "input": _LOG_MEL, "target": _LOG_MEL},
    "model": {"kind": "segment_conv"},
    "objective": {"kind": "elbo", "settings": {"likelihood": "gaussian_learned"}},
    "optimiser": {
        "kind": "muon",
        "epochs": 20,
        "batch_size": 64,
        "segment_frames": 20,
        "segment_hop_frames": 5,
        "learning_rate": 0.002,
        "weight_decay": 0.01,
        "gradient_clip": 5,
    },
}
