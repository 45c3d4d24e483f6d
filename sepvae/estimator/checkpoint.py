"""Model folders: `model.safetensors` + `config.json` + `provenance.json` + a model card; never a pickle.

A folder holds the networks of one or more sources that share a front-end, and everything to rebuild them. What the
training was is provenance: it is shown, and nothing depends on it.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator

from sepvae import plugins
from sepvae.config import Config, parse_config
from sepvae.errors import CheckpointError, ConfigError, InputError
from sepvae.estimator.config import EstimatorConfig
from sepvae.estimator.estimator import Estimator
from sepvae.estimator.folder import find_model_folder, versions
from sepvae.estimator.folder_names import CARD, CONFIG, PROVENANCE, WEIGHTS
from sepvae.estimator.kinds import make_estimator
from sepvae.estimator.shipped import CARD_KEY, read_card
from sepvae.estimator.versions import upgraded
from sepvae.estimator.weights import Storage, pack, packed_like, read_tensors, unpack, write_tensors
from sepvae.files import atomic_folder, hash_file, hash_json, read_json, write_json, write_text
from sepvae.limits import MAX_SOURCES, MAX_STEPS


class CheckpointConfig(Config):
    """What `config.json` holds: enough to rebuild the networks and the front-end, and nothing else.

    The names of the sources become names of files, so they hold nothing that could lead out of a folder. `name` and
    `version` are those of a model that is known by them. `weights` is how they are stored. `likelihood` is that under
    which the networks' spectra were learnt, None where there was none. `alike` are sources whose names mean nothing:
    each may be any of their talkers. `plugins` are modules that register what the estimator is made of; a folder names
    them, and never loads them.
    """

    schema_version: Literal[2] = 2
    name: Annotated[str, Field(pattern=r"^[\w-]+$", max_length=100)] | None = None
    version: int | None = Field(None, ge=1, le=MAX_STEPS)
    sources: tuple[Annotated[str, Field(pattern=r"^[\w-]+$", max_length=100)], ...] = Field(
        min_length=1, max_length=MAX_SOURCES
    )
    estimator: EstimatorConfig
    likelihood: str | None = None
    alike: tuple[str, ...] = Field((), max_length=MAX_SOURCES)
    weights: Storage = "float32"
    plugins: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _alike_are_sources(self) -> CheckpointConfig:
        if strange := [name for name in self.alike if name not in self.sources or self.alike.count(name) > 1]:
            raise ConfigError(f"alike: {strange[0]} is no source, or there twice: copy the folder again")
        return self

    def build(self, *, device: str = "cpu") -> Estimator:
        """Return an estimator with fresh weights from torch's global generator: seed it around the call.

        Raises:
            ConfigError: a source is named twice or as a part of torch's modules, or the front-end is impossible.
        """
        return make_estimator(self.estimator, self.sources, device=device)


@dataclass(frozen=True)
class Checkpoint:
    """An estimator for named sources, the config that rebuilds it, and what is known of how it was made."""

    config: CheckpointConfig
    estimator: Estimator
    provenance: Mapping[str, Any] = field(default_factory=dict)


def save_checkpoint(
    folder: Path,
    checkpoint: Checkpoint,
    *,
    provenance: Mapping[str, Any] | None = None,
    beside: Callable[[Path], Mapping[str, str]] | None = None,
) -> None:
    """Write a model folder atomically.

    Args:
        folder: to write.
        checkpoint: what goes into it.
        provenance: what made it, such as seed, data hash and losses, JSON; that of the checkpoint when None.
        beside: writes more into the folder, whose weights and config are there, and returns facts for the provenance.

    Raises:
        OutputError: the folder cannot be written.
        ConfigError: the weights cannot be stored as the config says.
    """
    made = dict(checkpoint.provenance if provenance is None else provenance)
    used = plugins.needed_by(checkpoint.config)
    config = checkpoint.config.model_copy(update={"plugins": used}).model_dump(mode="json")
    with atomic_folder(folder) as part:
        write_tensors(part / WEIGHTS, pack(checkpoint.estimator.networks.state_dict(), checkpoint.config.weights))
        write_json(part / CONFIG, config)
        hashes = {"config_hash": hash_json(config), "weights_sha256": hash_file(part / WEIGHTS)}
        hashes |= beside(part) if beside else {}
        write_json(part / PROVENANCE, {"versions": versions(), **made, **hashes})
        write_text(part / CARD, _card(checkpoint, made))


def _card(checkpoint: Checkpoint, provenance: Mapping[str, Any]) -> str:
    config = checkpoint.config.estimator
    sources, stft, about = ", ".join(checkpoint.config.sources), config.frontend.stft, checkpoint.estimator.about()
    objective = provenance.get("training", {}).get("objective")
    kind = objective.get("kind") if isinstance(objective, Mapping) else None
    facts = "\n".join(f"- {key}: {value}" for key, value in provenance.items() if key not in ("training", CARD_KEY))
    said = "".join(f"## {key.capitalize()}\n\n{value.strip()}\n\n" for key, value in read_card(provenance).items())
    name = f"{checkpoint.config.name}@{checkpoint.config.version}: " if checkpoint.config.name else ""
    return (
        f"# {name}{config.model.kind} for the sources {sources}\n\n"
        f"Made by sepvae {versions()['sepvae']}. {about.does} at {config.frontend.sample_rate} Hz with "
        f"{checkpoint.estimator.n_weights:,} weights; STFT {stft.window_ms:g}/{stft.hop_ms:g} ms"
        f"{f', objective {kind}' if kind else ''}.\n\n"
        f"```sh\n{about.usage}\n```\n\nIt knows {about.knows}.\n\n{said}## Made from\n\n{facts}\n"
    )


def _read_provenance(folder: Path) -> dict[str, Any]:
    """Return the provenance of a folder, empty where there is none; CheckpointError when it is damaged."""
    if not (folder / PROVENANCE).is_file():
        return {}
    path, wrong = folder / PROVENANCE, ""
    try:
        found = read_json(path)
    except InputError as error:
        raise CheckpointError(f"{path}: damaged ({error}): copy the folder again") from error
    if not isinstance(found, dict):
        wrong = f"it holds {type(found).__name__}"
    elif not isinstance(found.get("training", {}), dict):
        wrong = f"training = {reprlib.repr(found['training'])}"
    if wrong:
        raise CheckpointError(f"{path}: damaged ({wrong}, expected a JSON object): copy the folder again")
    return dict(found)


def _read(path: str | Path) -> tuple[Path, CheckpointConfig, dict[str, Any]]:
    """Return a model folder, its config in the form of today, and its provenance."""
    folder = find_model_folder(path)
    provenance = _read_provenance(folder)
    try:
        stored, training = upgraded(read_json(folder / CONFIG), where=str(folder / CONFIG))
    except (ConfigError, InputError) as error:
        raise CheckpointError(f"{folder}: not a model of this version of sepvae: {error}") from error
    try:
        plugins.check_loaded(stored.get("plugins", ()))
    except ConfigError as error:
        raise CheckpointError(f"{folder}: {error}") from error
    try:
        config = parse_config(CheckpointConfig, stored, where=str(folder / CONFIG))
    except (ConfigError, InputError) as error:
        raise CheckpointError(f"{folder}: not a model of this version of sepvae: {error}") from error
    return folder, config, {**({"training": training} if training else {}), **provenance}


def load_config(path: str | Path) -> CheckpointConfig:
    """Return the config of a model folder, without its weights; CheckpointError when there is none that is ours."""
    return _read(path)[1]


def load_checkpoint(path: str | Path, *, device: str | torch.device = "cpu") -> Checkpoint:
    """Load a model folder with strict checks; no code comes from it.

    Raises:
        CheckpointError: a file is missing or damaged, the config is not ours, the weights belong to another
            architecture, or they hold NaN or infinity.
    """
    folder, config, provenance = _read(path)
    try:
        # Shapes without memory: a config may ask for any size, the weights decide whether it is real.
        expected = config.build(device="meta").networks.state_dict()
    except ConfigError as error:
        raise CheckpointError(f"{folder}: not a model of this version of sepvae: {error}") from error
    tensors = read_tensors(folder / WEIGHTS)
    _check_tensors(folder, tensors, packed_like(expected, config.weights))
    saved = provenance.get("weights_sha256")
    if saved is not None and saved != hash_file(folder / WEIGHTS):
        raise CheckpointError(
            f"{folder}: {WEIGHTS} is not the file that was saved with {PROVENANCE}: copy the folder again, or delete "
            f"{PROVENANCE} when the weights were changed on purpose"
        )
    with torch.random.fork_rng(devices=[]):
        estimator = config.build()
    estimator.networks.load_state_dict(unpack(tensors, expected), strict=True)
    estimator.networks.to(device).eval()
    return Checkpoint(config, estimator, provenance)


def _check_tensors(folder: Path, tensors: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Raise CheckpointError when stored weights have other names, shapes or types, or are no numbers."""
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
