"""What the page tells about a mixture beside its sound: the room it was heard in, and what the systems found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sepvae.errors import InputError
from sepvae.files import write_arrays
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.scene import SPEED_OF_SOUND_M_S

if TYPE_CHECKING:
    from sepvae.report.rooms import Room

ARTEFACTS = "demixing.npz"


def write_artefacts(folder: Path, mixture: Mixture, system: str, artefacts: Mapping[str, NDArray[Any]]) -> None:
    """Write what a system found in a mixture beside its estimates.

    Args:
        folder: of the estimates of this mixture.
        mixture: its record.
        system: name of the system, for the errors.
        artefacts: see `ExplainingSystem`.

    Raises:
        InputError: the demixing matrices or the objective are not of this mixture's shape.
        OutputError: the file cannot be written.
    """
    demixing, objective = artefacts.get("demixing"), artefacts.get("objective")
    if demixing is not None:
        n_channels = mixture.scene.n_microphones if mixture.scene else None
        wanted = (len(mixture.sources), n_channels or demixing.shape[-1])
        if demixing.ndim != 3 or len(demixing) < 2 or demixing.shape[1:] != wanted:
            raise InputError(
                f"{mixture.id}: system {system} gives demixing matrices of shape {demixing.shape}, allowed is (bins, "
                f"{wanted[0]} sources, {wanted[1]} microphones): give them in terms of the microphones"
            )
    if objective is not None and objective.ndim != 1:
        raise InputError(
            f"{mixture.id}: system {system} gives an objective of shape {objective.shape}, allowed is (iterations + 1,)"
            ": give that of one mixture"
        )
    write_arrays(folder / ARTEFACTS, artefacts)


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
