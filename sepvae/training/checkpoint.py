"""Model folders: `model.safetensors` + `config.json` + `provenance.json` + a model card; never a pickle.

A folder holds the networks of one or more sources that share a front-end, and everything to rebuild them.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from sepvae.config import Config, parse_config
from sepvae.errors import CheckpointError, ConfigError, InputError
from sepvae.files import atomic_folder, hash_file, hash_json, read_json, write_bytes, write_json, write_text
from sepvae.frontend.frontend import Frontend
from sepvae.separation.estimator import Estimator
from sepvae.training.config import TrainingConfig

WEIGHTS, CONFIG, PROVENANCE, CARD = "model.safetensors", "config.json", "provenance.json", "README.md"
# Of speakers, in a model card.
_MOST_NAMES = 20


class CheckpointConfig(Config):
    """What `config.json` holds: enough to rebuild the networks and the front-end, and how they were trained.

    The names of the sources become names of files, so they hold nothing that could lead out of a folder.
    """

    schema_version: Literal[1] = 1
    sources: tuple[Annotated[str, Field(pattern=r"^[\w-]+$", max_length=100)], ...] = Field(
        min_length=1, max_length=1000
    )
    training: TrainingConfig


@dataclass(frozen=True)
class SourceModels:
    """An estimator for named sources, with the config that rebuilds it."""

    config: CheckpointConfig
    estimator: Estimator

    @property
    def networks(self) -> nn.ModuleDict:
        """The networks, whose weights are what is stored."""
        return self.estimator.networks

    @property
    def frontend(self) -> Frontend:
        """The front-end the networks were trained with."""
        return self.estimator.frontend


def build_models(config: CheckpointConfig, *, device: str = "cpu") -> SourceModels:
    """Return fresh networks for a config; weights come from torch's global generator, so seed it around the call.

    Raises:
        ConfigError: a source is named twice or as a part of torch's modules, or the front-end is impossible.
    """
    return SourceModels(config, Estimator(config.training, config.sources, device=device))


def versions() -> dict[str, str]:
    """Return the versions of what a result depends on."""
    found = {"python": platform.python_version()}
    for package in ("sepvae", "torch", "numpy", "scipy", "soundfile", "soxr", "safetensors"):
        found[package] = metadata.version(package)
    return found


def save_checkpoint(folder: Path, models: SourceModels, *, provenance: dict[str, Any]) -> None:
    """Write a model folder atomically.

    Args:
        provenance: what made it, such as seed, data hash, and the losses reached; JSON.

    Raises:
        OutputError: the folder cannot be written.
    """
    config = models.config.model_dump(mode="json")
    with atomic_folder(folder) as part:
        write_tensors(part / WEIGHTS, models.networks.state_dict())
        write_json(part / CONFIG, config)
        hashes = {"config_hash": hash_json(config), "weights_sha256": hash_file(part / WEIGHTS)}
        write_json(part / PROVENANCE, {"versions": versions(), **hashes, **provenance})
        write_text(part / CARD, _card(models, provenance))


def _card(models: SourceModels, provenance: dict[str, Any]) -> str:
    training, sources = models.config.training, ", ".join(models.config.sources)
    stft, n_weights = training.frontend.stft, sum(p.numel() for p in models.networks.parameters())
    facts = "\n".join(f"- {key}: {value}" for key, value in provenance.items())
    about, mask = f"Separates mixtures of {sources}", f", mask {training.mask}"
    usage = "sepvae separate FILE -m THIS_FOLDER -o OUT"
    knows = "the kind of voices and recordings it was trained on and no others"
    if models.estimator.interface == "segment":
        about, mask = "Codes segments of speech", ""
        usage = "sepvae augment fit THIS_FOLDER CORPUS\nsepvae augment run CORPUS --model THIS_FOLDER --out OUT"
    elif models.estimator.interface == "conditional":
        about, mask = "Separates recordings of several microphones", ""
        usage = "sepvae separate FILE -m THIS_FOLDER --algorithm fastmvae2 -o OUT"
        speakers = training.model.settings["classes"]
        more = f" and {len(speakers) - _MOST_NAMES} more" if len(speakers) > _MOST_NAMES else ""
        knows = f"the speakers {', '.join(speakers[:_MOST_NAMES])}{more} by name, and others less well"
    return (
        f"# {training.model.kind} for the sources {sources}\n\n"
        f"Made by sepvae {metadata.version('sepvae')}. {about} at {training.frontend.sample_rate} Hz with "
        f"{n_weights:,} weights; STFT {stft.window_ms:g}/{stft.hop_ms:g} ms, objective {training.objective.kind}{mask}."
        f"\n\n```sh\n{usage}\n```\n\nIt knows {knows}.\n\n## Made from\n\n{facts}\n"
    )


def find_model_folder(path: str | Path) -> Path:
    """Return the model folder at `path`: the folder itself, or the `model` folder of a training run.

    Raises:
        CheckpointError: there is none; the message says what is missing.
    """
    folder = Path(path)
    try:
        exists = folder.exists()
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be read ({error.strerror})") from error
    if not exists:
        raise CheckpointError(f"{folder}: no such model folder: train one with 'sepvae train'")
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: is a file, expected a model folder with {WEIGHTS} and {CONFIG}")
    if not (folder / CONFIG).is_file() and (folder / "model" / CONFIG).is_file():
        folder = folder / "model"
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder}: the model folder has no {name}: copy it again, or train anew")
    return folder


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file atomically; OutputError when it cannot be written."""
    from safetensors.torch import save

    write_bytes(path, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; CheckpointError when its header or data are damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged weights file ({error}): copy it again, or train anew") from error


def _check_hash(folder: Path) -> None:
    """Raise CheckpointError when the weights are not those that were saved; a folder without provenance is believed."""
    if not (folder / PROVENANCE).is_file():
        return
    try:
        saved = dict(read_json(folder / PROVENANCE)).get("weights_sha256")
    except (InputError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / PROVENANCE}: damaged ({error}): copy the folder again") from error
    if saved is not None and saved != hash_file(folder / WEIGHTS):
        raise CheckpointError(
            f"{folder}: {WEIGHTS} is not the file that was saved with {PROVENANCE}: copy the folder again, or delete "
            f"{PROVENANCE} when the weights were changed on purpose"
        )


def load_config(path: str | Path) -> CheckpointConfig:
    """Return the config of a model folder, without its weights; CheckpointError when there is none that is ours."""
    folder = find_model_folder(path)
    try:
        return parse_config(CheckpointConfig, read_json(folder / CONFIG), where=str(folder / CONFIG))
    except (ConfigError, InputError) as error:
        raise CheckpointError(f"{folder}: not a model of this version of sepvae: {error}") from error


def load_checkpoint(path: str | Path, *, device: str | torch.device = "cpu") -> SourceModels:
    """Load a model folder with strict checks; no code comes from it.

    Raises:
        CheckpointError: a file is missing or damaged, the config is not ours, the weights belong to another
            architecture, or they hold NaN or infinity.
    """
    folder, config = find_model_folder(path), load_config(path)
    try:
        # Shapes without memory: a config may ask for any size, the weights decide whether it is real.
        expected = build_models(config, device="meta").networks.state_dict()
    except ConfigError as error:
        raise CheckpointError(f"{folder}: not a model of this version of sepvae: {error}") from error
    tensors = read_tensors(folder / WEIGHTS)
    wrong = [f"{name} is missing" for name in expected if name not in tensors]
    wrong += [f"{name} is not expected" for name in tensors if name not in expected]
    for name, tensor in expected.items():
        if name in tensors and (tensors[name].shape != tensor.shape or tensors[name].dtype != tensor.dtype):
            found = f"{tensors[name].dtype} {tuple(tensors[name].shape)}"
            wrong.append(f"{name} is {found}, expected {tensor.dtype} {tuple(tensor.shape)}")
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise CheckpointError(
            f"{folder}: the weights belong to another architecture than {CONFIG} says: {'; '.join(wrong[:3])}{more}"
        )
    bad = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if bad:
        raise CheckpointError(f"{folder}: the weights {bad[0]} hold NaN or infinity: copy it again, or train anew")
    _check_hash(folder)
    with torch.random.fork_rng(devices=[]):
        models = build_models(config)
    models.networks.load_state_dict(tensors, strict=True)
    models.networks.to(device).eval()
    return models
