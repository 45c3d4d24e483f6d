"""What the page tells about a mixture beside its sound: the room it was recorded in, and what the systems found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sepvae.mixing.manifest import Mixture
from sepvae.mixing.scene import SPEED_OF_SOUND_M_S

if TYPE_CHECKING:
    from sepvae.report.rooms import Room


def in_order(diagnostics: Mapping[str, NDArray[Any]], order: Sequence[int]) -> dict[str, NDArray[Any]]:
    """Return what a system found with its sources in another order: `order` has the place of each in what it gave.

    Args:
        diagnostics: see `System`.
        order: of the estimates, (sources,).
    """
    ordered = dict(diagnostics)
    if "demixing" in ordered:
        ordered["demixing"] = ordered["demixing"][:, list(order)]
    if "likely" in ordered:
        ordered["likely"] = ordered["likely"][list(order)]
    return ordered


def room_of(mixture: Mixture) -> Room | None:
    """Return the room of a mixture as the page draws it, None when it was mixed in none."""
    from sepvae.report.rooms import Room

    scene = mixture.scene
    if scene is None:
        return None
    names = tuple(source.name for source in mixture.sources)
    return Room(
        kind=scene.kind,
        names=names,
        azimuths_deg=scene.azimuths_deg,
        n_microphones=scene.n_microphones,
        reference=scene.reference,
        sample_rate=mixture.sample_rate,
        speed_of_sound_m_s=SPEED_OF_SOUND_M_S,
        array=scene.array,
        size_m=scene.size_m,
        rt60_s=scene.rt60_s,
        microphones_m=np.array(scene.microphones_m, np.float64).reshape(-1, 3),
        sources_m=np.array(scene.sources_m, np.float64).reshape(-1, 3),
        place=Path(scene.folder).name if scene.folder else None,
    )
