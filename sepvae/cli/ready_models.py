"""The model that a verb takes where none is given."""

from __future__ import annotations

import logging
from pathlib import Path

_LOGGER = logging.getLogger(__name__)


def comes_with_sepvae(name: str) -> bool:
    """Say whether a model of a name comes with this copy."""
    from sepvae.estimator.shipped import find_shipped

    return find_shipped(name) is not None


def usually(name: str) -> str:
    """Return what help says of the model that is taken where none is given; nothing where there is none."""
    return f" (default: {name})" if comes_with_sepvae(name) else ""


def shipped_model(name: str) -> Path:
    """Return the folder of a model that comes with sepvae, whatever lies here by its name, and say which it is.

    Raises:
        ConfigError: it does not come with this copy.
    """
    from sepvae.errors import ConfigError
    from sepvae.estimator.shipped import find_shipped, pinned_name

    folder = find_shipped(name)
    if folder is None:
        raise ConfigError(
            f"the model {name} does not come with this copy of sepvae: train one with 'sepvae train', and give it "
            "with -m"
        )
    _LOGGER.info(
        "model: %s (sepvae model show %s); one of the same voices or sounds is better: sepvae train, then -m DIR",
        pinned_name(folder),
        name,
    )
    return folder
