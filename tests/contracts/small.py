"""Settings under which the entries of the tables are small and quick, for those that are not by their defaults."""

from __future__ import annotations

from typing import Any

from sepvae import plugins

# Blocks of a conditional VAE.
BLOCKS = dict.fromkeys(("encoder_blocks", "decoder_blocks", "inference_blocks"), 1)
# Smooth activations, so that gradients can be checked by differences.
MODELS: dict[str, list[dict[str, Any]]] = {
    "dense_vae": [
        {"hidden": [7], "latent": 3, "activation": "tanh"},
        {"hidden": [7, 5], "latent": 3, "activation": "silu", "context_frames": 2, "learned_variance": True},
        {"hidden": [5], "latent": 2, "activation": "silu", "output": "sigmoid", "dropout": 0.5},
        {"hidden": [5], "latent": 2, "activation": "tanh", "deterministic": True},
    ],
    "conv_time_vae": [{"hidden": 4, "latent": 2, "encoder_blocks": 2, "decoder_blocks": 1}],
    "generator": [
        # Without an encoder the latent of any features is 0, and a weight of it has no gradient: see test_generator.
        {"hidden": 5, "encoder": "identity"},
        {"latent": 3, "hidden": 5, "encoder": "dense"},
    ],
    "complex_pair": [
        {"hidden": [5], "latent": 2},
        {"hidden": [4], "latent": 2, "learned_variance": True, "context_frames": 1},
    ],
    "complex_dense": [{"hidden": [4, 3], "latent": 2}],
    "conv_patch": [
        {"filters": [2, 3], "kernel_bins": 3},
        {"filters": [2], "kernel_frames": 1, "deterministic": False},
    ],
    "vrnn": [{"hidden": 4, "latent": 2, "warm_up_frames": 3}, {"hidden": 3, "latent": 2, "warm_up_frames": 0}],
    "temporal_vae": [{"hidden": 4, "latent": 2, "encoder_blocks": 2, "decoder_blocks": 1}],
    "mask_vae": [
        {"hidden": 4, "latent": 2, "encoder_blocks": 2, "decoder_blocks": 1, "cepstrum": 3, "cepstrum_from": 1},
        {"hidden": 3, "latent": 0, "encoder_blocks": 1, "decoder_blocks": 0, "cepstrum": 0},
    ],
    "conditional_vae": [
        # Of one class nothing can be inferred, and the weights that do it have no gradient.
        {"classes": ["a", "b", "c"], "hidden": 3, "latent": 1, **BLOCKS},
        {"classes": ["a", "b"], "hidden": 2, "latent": 2, "dropout": 0.5, **BLOCKS, "decoder_blocks": 2},
    ],
    "chimera_acvae": [{"classes": ["a", "b", "c"], "hidden": 3, "latent": 1, **BLOCKS}],
    "segment_conv": [{"segment_frames": 4, "channels": 2, "hidden": 5, "latent": 3}],
    "segment_lstm": [{"segment_frames": 4, "hidden": 3, "latent": 2}],
    "fhvae": [{"segment_frames": 4, "hidden": 3, "latent": 2, "sequence_latent": 2, "sequences": 3}],
    "conv_tasnet": [{"filters": 8, "filter_samples": 4, "bottleneck": 4, "hidden": 6, "blocks": 2, "repeats": 1}],
}


def on(kind: str = "dense_vae", **settings: Any) -> dict[str, Any]:
    """Return the small network that an objective is tried on."""
    small: dict[str, dict[str, Any]] = {
        "dense_vae": {"hidden": [5], "latent": 3, "activation": "tanh"},
        "fhvae": {"segment_frames": 2, "hidden": 3, "latent": 2, "sequence_latent": 2, "sequences": 4},
        "conditional_vae": {"classes": ["ann", "bob", "cat"], "hidden": 2, "latent": 1, **BLOCKS},
        "chimera_acvae": {"classes": ["ann", "bob", "cat"], "hidden": 2, "latent": 1, **BLOCKS},
        "generator": {"hidden": 5, "critic": 4},
    }
    return {"model": {"kind": kind, "settings": {**small[kind], **settings}}}


OBJECTIVES: dict[str, list[dict[str, Any]]] = {
    "elbo": [
        {},
        {"beta": 0.0, "epsilon_std": 0.01},
        {"beta": 4.0, "annealing": "linear", **on(context_frames=1)},
        {"likelihood": "gaussian_learned", **on(learned_variance=True)},
        {"likelihood": "bernoulli", "annealing": "cyclic", **on(output="sigmoid")},
        {"likelihood": "itakura_saito"},
        {"likelihood": "poisson", "epsilon_std": 0.0},
    ],
    # A fixed kernel: no gradient flows through the median distance, which differences would see.
    "itl": [
        {"kernel_variance": 2.0, **on(deterministic=True)},
        {"kernel_variance": 1.0, "divergence": "euclidean", "prior": "laplace", **on(deterministic=True)},
        {"kernel_variance": 1.0, "weight": 0.1, "prior": "swiss_roll", **on(deterministic=True, context_frames=1)},
        {"kernel_variance": 1.0, "weight": 0.0, **on(deterministic=True)},
    ],
    "weak_class": [{}, {"beta": 0.5, **on(context_frames=1)}],
    "adversarial": [
        {"game": "wgan", **on("generator", latent=3)},
        {"game": "gan", "reconstruction": 2.0, **on("generator", encoder="dense")},
    ],
    "conditional_elbo": [
        on("conditional_vae"),
        {"inference": 0.0, "information": 0.0, "reverberant": 1.0, **on("conditional_vae")},
        {"inference": 0.0, "classification": 0.0, "disturbed": 0.0, "warp": 0.0, **on("conditional_vae")},
    ],
    "chimera_acvae": [on("chimera_acvae"), {"distillation": 0.0, "temperature": 0.3, **on("chimera_acvae")}],
    "hierarchical_elbo": [
        on("fhvae"),
        {"discrimination": 0.0, "likelihood": "gaussian", "epsilon_std": 0.1, **on("fhvae")},
    ],
    "wave_sdr": [{}, {"ratio": "si_sdr", "kl_weight": 0.0}],
}

STFT = {"window_ms": 16, "hop_ms": 4}
# Under these they learn in a second or two.
SYSTEMS: dict[str, list[dict[str, Any]]] = {
    "demixing": [
        {
            # Rounded to bfloat16, what is ten times louder is not quite the same.
            "algorithm": {
                "kind": "fastmvae2",
                "settings": {"precision": "32-true", "iterations": 4, "start_iterations": 8},
            },
            "training": {
                "frontend": {"stft": STFT, "input": {"kind": "power"}, "target": {"kind": "power"}},
                "model": {"kind": "conditional_vae", "settings": {"hidden": 8, "latent": 2, "decoder_blocks": 1}},
                "objective": {"kind": "conditional_elbo", "settings": {"hop_s": 0.004}},
                "optimiser": {"epochs": 3, "batch_size": 8, "segment_frames": 20, "learning_rate": 0.01},
            },
        }
    ],
    "enhancement": [
        {
            "frontend": {"stft": STFT, "input": {"kind": "log_power", "floor": 1e-5}, "target": {"kind": "power"}},
            "model": {"settings": {"hidden": [128], "latent": 16, "activation": "tanh", "output": "exp"}},
            "objective": {"settings": {"likelihood": "itakura_saito"}},
            "optimiser": {"epochs": 10, "batch_size": 64, "learning_rate": 1e-2},
            "enhancement": {"n_iterations": 10, "inference": {"settings": {"n_steps": 3}}},
        }
    ],
    "fastmnmf": [{"n_bases": 2, "iterations": 10, "stft": STFT}],
    "generative": [
        {
            "frontend": {"stft": STFT},
            "model": {"kind": "generator", "settings": {"encoder": "dense", "latent": 32}},
            "objective": {"settings": {"likelihood": "poisson"}},
            "optimiser": {"epochs": 3, "batch_size": 64, "learning_rate": 1e-2},
            "inference": {"n_steps": 10, "n_restarts": 1},
        }
    ],
    "oracle_demixing": [{"iterations": 5, "stft": STFT}],
    "nmf": [{"n_atoms": 8, "train_iterations": 60, "fit_iterations": 60}],
    "ready_model": [{"model": "any-talkers", "any_order": True}],
    "source_models": [
        {
            "model": {"settings": {"hidden": [32], "latent": 8}},
            "objective": {"settings": {"likelihood": "poisson", "beta": 0.01, "epsilon_std": 0.01}},
            "optimiser": {"epochs": 15, "batch_size": 32, "learning_rate": 1e-2},
        }
    ],
}
# Of whatever algorithm has these settings: few iterations, and products that are not rounded.
FEW = {"iterations": 4, "start_iterations": 6, "precision": "32-true"}
SETTINGS = {"model": MODELS, "objective": OBJECTIVES, "system": SYSTEMS}


def settings_of(shelf: str, name: str) -> list[dict[str, Any]]:
    """Return the settings that an entry is tried with, {} where its defaults will do."""
    if shelf == "algorithm":
        known = plugins.table(shelf).resolve(name).Config.model_fields
        return [{key: value for key, value in FEW.items() if key in known}]
    return SETTINGS.get(shelf, {}).get(name, [{}])
