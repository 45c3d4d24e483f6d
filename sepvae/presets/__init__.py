"""Settings of trainings by name, a YAML file each: what `sepvae train --preset` takes and recipes include."""

from __future__ import annotations

from importlib import resources

# What is trained on all speech of a corpus, without labels, when nothing else is asked for.
OF_SPEECH = "segment_conv"


def preset_names() -> list[str]:
    """Return the names of the presets, sorted."""
    entries = (entry.name for entry in resources.files(__name__).iterdir())
    return sorted(name.removesuffix(".yaml") for name in entries if name.endswith(".yaml"))
