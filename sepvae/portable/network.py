"""A graph as onnxruntime runs it: loaded from a file of its own, or from a model folder whose weights it has."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np

from sepvae.config import parse_config
from sepvae.errors import CheckpointError, ConfigError, MissingExtra
from sepvae.estimator.folder import find_model_folder
from sepvae.estimator.folder_names import CONFIG, PROVENANCE, WEIGHTS
from sepvae.files import hash_file, hash_json, read_json
from sepvae.json_text import parse_json
from sepvae.limits import MAX_WEIGHTS
from sepvae.portable.facts import KEY, NETWORK, PortableFacts
from sepvae.portable.spectra import Floats
from sepvae.reading import unlisted

_AGAIN = "copy it again, or export it anew with 'sepvae model export'"
# A block of 20 s takes a tenth of a gigabyte in the networks that ship.
_MOST_MEMORY = 3 << 30
_MAX_BYTES = 4 * MAX_WEIGHTS + (1 << 24)


class Network:
    """A graph and what it says of itself.

    Args:
        session: of onnxruntime.
        facts: how it is used.
        where: the file, for messages.
    """

    def __init__(self, session: Any, facts: PortableFacts, *, where: str) -> None:
        self._session, self.facts, self._where = session, facts, where
        (self._input,) = (one.name for one in session.get_inputs())

    @classmethod
    def load(cls, path: str | Path) -> Network:
        """Load an ONNX file, a model folder that has one, or the name of a model that comes with sepvae.

        Raises:
            CheckpointError: it is missing, damaged, or no model of sepvae.
            MissingExtra: onnxruntime is not installed.
        """
        file = _file_at(Path(path))
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtra("a model without torch", "onnx", error) from error
        options = onnxruntime.SessionOptions()
        # Its warnings are of the graph, and nobody who separates can do anything about them.
        options.log_severity_level = 4
        options.intra_op_num_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
        options.add_session_config_entry("session.load_model_format", "ONNX")
        options.add_session_config_entry("session.use_env_allocators", "1")
        _bound_memory(onnxruntime)
        try:
            # A file by itself has its weights in it: from its bytes nothing is read that lies beside it.
            model = str(file) if file.name == NETWORK and _is_ours(file.parent) else file.read_bytes()
            session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            stored = session.get_modelmeta().custom_metadata_map.get(KEY)
        # onnxruntime raises classes of its own, which derive from nothing but Exception.
        except Exception as error:
            raise CheckpointError(f"{file}: is no model that onnxruntime can run: {_AGAIN}") from error
        if stored is None:
            raise CheckpointError(f"{file}: is no model of sepvae: {_AGAIN}")
        try:
            facts = parse_config(PortableFacts, parse_json(stored, str(file)), where=KEY)
            return cls(session, facts, where=str(file))
        except (ConfigError, ValueError) as error:
            raise CheckpointError(f"{file}: {error}: {_AGAIN}") from error

    def __call__(self, values: Floats) -> Floats:
        """Run the graph on each channel; CheckpointError when it cannot run on what its facts say it takes."""
        # By themselves, so that memory does not grow with their number.
        return np.concatenate([self._run(channel[None]) for channel in values], axis=1)

    def _run(self, values: Floats) -> Floats:
        try:
            (found,) = self._session.run(None, {self._input: values})
        except Exception as error:
            raise CheckpointError(f"{self._where}: does not run: {error}: {_AGAIN}") from error
        if not isinstance(found, np.ndarray) or found.dtype != np.float32:
            raise CheckpointError(f"{self._where}: gives no numbers in single precision: {_AGAIN}")
        expected = (len(self.facts.sources), *values.shape[: 3 if self.facts.domain == "spectra" else 2])
        if found.shape != expected:
            raise CheckpointError(f"{self._where}: gives {found.shape}, expected {expected}: {_AGAIN}")
        return found


@functools.cache
def _bound_memory(runtime: Any) -> None:
    """Let graphs have no more memory than this, in the whole process: one of 500 bytes may ask for any amount."""
    place = runtime.OrtMemoryInfo("Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT)
    # Grown by as much as is asked for, and not by doubling.
    settings = {"max_mem": _MOST_MEMORY, "arena_extend_strategy": 1}
    runtime.create_and_register_allocator(place, runtime.OrtArenaCfg(settings))


def _is_ours(folder: Path) -> bool:
    return (folder / PROVENANCE).is_file() and (folder / WEIGHTS).is_file()


def _file_at(path: Path) -> Path:
    """Return the ONNX file that a path, or the name of a shipped model, stands for, checked as far as it can be."""
    try:
        alone = path.is_file() and not (path.name == NETWORK and _is_ours(path.parent))
        if not alone:
            folder = path.parent if path.is_file() else find_model_folder(path)
            if not (folder / NETWORK).is_file():
                raise CheckpointError(
                    f"{path}: has no {NETWORK}, so it needs torch: install sepvae[torch], or where that is installed "
                    f"make a file of it, 'sepvae model export {path} -o model.onnx'"
                )
            _check_folder(folder)
            path = folder / NETWORK
        size = path.stat().st_size
    # A name that is too long, or has a NUL, and folders that may not be entered.
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {unlisted(error)}") from error
    if size > _MAX_BYTES:
        raise CheckpointError(f"{path}: has {size} bytes, at most {_MAX_BYTES} are read: {_AGAIN}")
    return path


def _check_folder(folder: Path) -> None:
    """Raise CheckpointError when the files of a model folder are not those that were written together."""
    facts = read_json(folder / PROVENANCE)
    found = {
        "config_hash": hash_json(read_json(folder / CONFIG)),
        "weights_sha256": hash_file(folder / WEIGHTS),
        "network_sha256": hash_file(folder / NETWORK),
    }
    for key, value in found.items():
        if not isinstance(facts, dict) or facts.get(key) != value:
            raise CheckpointError(f"{folder}: its files do not belong together ({key}): {_AGAIN}")
