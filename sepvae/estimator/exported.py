"""Models in another form: stored smaller, under a name and a version, with other names of their sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.estimator.checkpoint import Checkpoint, CheckpointConfig
from sepvae.estimator.shipped import CARD_KEY
from sepvae.estimator.weights import Storage


def exported(
    checkpoint: Checkpoint,
    *,
    weights: Storage,
    known_as: tuple[str, int] | None = None,
    sources: Sequence[str] | None = None,
    card: Mapping[str, str] | None = None,
) -> Checkpoint:
    """Return a model in another form.

    Args:
        checkpoint: the model.
        weights: how they are to be stored.
        known_as: its name and version.
        sources: other names of its sources, in their order.
        card: what its card is to say, by heading.

    Raises:
        ConfigError: a name or version that no model can have, names that no source can, or another number of them.
    """
    changes: dict[str, Any] = {"weights": weights}
    if known_as:
        changes |= {"name": known_as[0], "version": known_as[1]}
    stored = checkpoint.config.model_dump(mode="json")
    config = parse_config(CheckpointConfig, {**stored, **changes}, where="the exported model")
    provenance = {**checkpoint.provenance, **({CARD_KEY: dict(card)} if card else {})}
    found = replace(checkpoint, config=config, provenance=provenance)
    return _renamed(found, sources) if sources else found


def _renamed(checkpoint: Checkpoint, sources: Sequence[str]) -> Checkpoint:
    before = checkpoint.config.sources
    if len(sources) != len(before):
        raise ConfigError(f"the sources {', '.join(sources)}: the model has {len(before)}: {', '.join(before)}")
    renamed = dict(zip(before, sources, strict=True))
    stored = checkpoint.config.model_dump(mode="json")
    changes = {"sources": list(sources), "alike": [renamed[name] for name in stored["alike"]]}
    config = parse_config(CheckpointConfig, {**stored, **changes}, where="the sources")
    estimator = config.build()
    # Networks are built in the order of their sources: weights that are called after them keep their places.
    weights = checkpoint.estimator.networks.state_dict()
    names = estimator.networks.state_dict()
    estimator.networks.load_state_dict(dict(zip(names, weights.values(), strict=True)), strict=True)
    return replace(checkpoint, config=config, estimator=estimator.eval())
