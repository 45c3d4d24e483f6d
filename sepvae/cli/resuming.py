"""How the verbs that make something of each of many files go on when the same command is given again."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sepvae.unfinished import Unfinished

_LOGGER = logging.getLogger(__name__)
# What changes nothing about the outputs, or is told otherwise.
_ASIDE = {
    "run",
    "quiet",
    "verbose",
    "version",
    "json",
    "overwrite",
    "jobs",
    "device",
    "out",
    "files",
    "model",
    "config",
}


def unfinished(
    args: argparse.Namespace, paths: Sequence[Path], folder: Path, places: Iterable[Path] = (), **more: Any
) -> Unfinished:
    """Return what an earlier call of the same command has left to do in the folder of its outputs.

    It is the same while arguments, models, settings files and what is listed on stdin are the same; folders of inputs
    may have grown.

    Args:
        args: of the verb.
        paths: the inputs; of a verb without `files`, the folders they are in.
        folder: of the outputs.
        places: other folders that are written into.
        more: JSON of what else makes it another command.

    Raises:
        OutputError: another process runs the same command.
    """
    from sepvae.unfinished import Unfinished

    given = list(getattr(args, "files", ()))
    # A list on stdin is known by what it lists.
    inputs = [*(Path(name) for name in given if name != "-"), *(paths if "-" in given or not given else ())]
    command = {
        "sepvae": metadata.version("sepvae"),
        "inputs": [str(path.absolute()) for path in inputs],
        "models": [_hash_model(folder) for folder in _models(args)],
        "voices": [_hash_voice(Path(folder)) for folder in getattr(args, "keep", None) or ()],
        "config": _hash(getattr(args, "config", None)),
        "arguments": {key: repr(value) for key, value in sorted(vars(args).items()) if key not in _ASIDE},
        **more,
    }
    found = Unfinished(folder, command, places)
    if found.n_done:
        _LOGGER.info("going on: %d are done", found.n_done)
    return found


def _models(args: argparse.Namespace) -> list[Path]:
    given: Any = getattr(args, "model", None) or []
    return [Path(one) for one in given] if isinstance(given, list) else [given]


def _hash_model(folder: Path) -> list[str]:
    """Return what decides what a model makes; errors of a folder that is none come when it is loaded."""
    from sepvae.estimator.folder import find_model_folder
    from sepvae.estimator.folder_names import CONFIG, WEIGHTS
    from sepvae.files import hash_file

    if folder.is_file():
        return [hash_file(folder)]
    place = find_model_folder(folder)
    return [hash_file(place / name) for name in (CONFIG, WEIGHTS)]


def _hash_voice(folder: Path) -> str:
    from sepvae.separation.enrolment import VOICE

    return _hash(folder / VOICE)


def _hash(path: Path | None) -> str:
    from sepvae.files import hash_file

    return "" if path is None else hash_file(path)
