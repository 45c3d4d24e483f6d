"""Settings of trainings by name, a YAML file each: what `sepvae train --preset` takes and recipes include."""

from __future__ import annotations

from importlib import resources


def preset_names() -> list[str]:
    """Return the names of the presets, sorted."""
    entries = (entry.name for entry in resources.files(__name__).iterdir())
    return sorted(name.removesuffix(".yaml") for name in entries if name.endswith(".yaml"))
