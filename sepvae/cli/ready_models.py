"""The model that a verb takes where none is given."""

from __future__ import annotations

import logging
from pathlib import Path

_LOGGER = logging.getLogger(__name__)


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
