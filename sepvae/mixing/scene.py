"""The records of rooms: how they are drawn (`RoomConfig`), and one with every place in it (`Scene`)."""

from __future__ import annotations

from itertools import combinations
from math import ceil, hypot, log, prod
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.limits import MAX_SOURCES, Gain, Metres, Seconds, check_size
from sepvae.mixing.names import Name, PathInside
from sepvae.settings import MetresRange, SecondsRange

SPEED_OF_SOUND_M_S = 343.0
# More reflections than this on one path are millions of image sources: minutes and gigabytes for one room.
MAX_ORDER = 150
MAX_MICROPHONES = 64
# Image sources of all sources of a room, of 240 bytes each; paths from them to microphones, of 0.2 µs each; and samples
# of all responses: less than a gigabyte and ten seconds together.
_MAX_IMAGES, _MAX_PATHS, _MAX_TAPS = 3e6, 4e7, 1 << 25

Point = tuple[Metres, Metres, Metres]
Azimuth = Annotated[float, Field(ge=-360, le=360)]
RoomKind = Literal["simulated", "measured"]


class RoomConfig(Config):
    """The rooms that mixtures are heard in. A range may be given as one number.

    Of `kind` `simulated`, each mixture has a shoebox room of its own, drawn: its sides `size_m` (length, width, height)
    and `rt60_s`; where the array of microphones stands and where its front looks; how far from it, in which direction
    and how high each talker is. In a `linear` array, with `spacing_m` between neighbours, the talkers are within 90°
    of the front, for it cannot tell front from back; around a `circular` one they are anywhere. All are `margin_m` from
    the walls, and two talkers are seen from the array at least `min_angle_deg` apart.

    Of kind `measured`, each talker has one of the impulse responses in `folder`: a WAV file for each place, a channel
    for each microphone, with the azimuth in its name where that is known (`…az-30.wav`). Nothing in a folder says in
    which direction its names count: `clockwise` says that they do so clockwise from above, towards the last microphone
    of a linear array, as the University of Surrey's. Of the other settings only `min_angle_deg` counts then, between
    files with azimuths.
    """

    kind: RoomKind = "simulated"
    size_m: tuple[MetresRange, MetresRange, MetresRange] = ((4.0, 4.0), (3.5, 3.5), (2.6, 2.6))
    rt60_s: SecondsRange = (0.15, 0.15)
    array: Literal["linear", "circular"] = "linear"
    n_microphones: int = Field(2, ge=1, le=MAX_MICROPHONES)
    spacing_m: Metres = 0.05
    distance_m: MetresRange = (1.0, 1.5)
    height_m: MetresRange = (1.2, 1.5)
    margin_m: Metres = 0.3
    min_angle_deg: float = Field(30.0, ge=0, le=180)
    folder: str | None = None
    clockwise: bool = False

    @model_validator(mode="after")
    def _folder_of_measured_rooms(self) -> RoomConfig:
        if self.kind == "measured" and self.folder is None:
            raise ConfigError(
                "folder: kind = measured needs a folder of impulse responses, WAV files with a channel "
                "for each microphone"
            )
        if self.kind == "simulated" and self.folder is not None:
            raise ConfigError(
                f"folder = {self.folder}: a simulated room takes no impulse responses: set kind = "
                "measured, or folder = null"
            )
        if self.kind == "simulated" and self.clockwise:
            raise ConfigError(
                "clockwise: is of the names of measured impulse responses: set kind = measured, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _can_be_built(self) -> RoomConfig:
        if self.kind == "measured":
            return self
        smallest, largest = [side[0] for side in self.size_m], [side[1] for side in self.size_m]
        reverberation(largest, self.rt60_s[0])
        reverberation(smallest, self.rt60_s[1])
        if min(smallest[:2]) <= 2 * self.margin_m:
            raise ConfigError(
                f"margin_m = {self.margin_m:g}: leaves no place in a room of {describe_size(smallest)}: "
                "ask for a smaller margin_m or a larger size_m"
            )
        if self.height_m[1] >= smallest[2]:
            raise ConfigError(
                f"height_m: {self.height_m[1]:g} m is above the ceiling of a room of "
                f"{describe_size(smallest)}: ask for a lower height_m or a higher room in size_m"
            )
        return self

    def check_angles(self, n_sources: int) -> None:
        """Refuse more sources than there are directions for.

        Raises:
            ConfigError: so many cannot be `min_angle_deg` apart.
        """
        needed = (n_sources - 1 if self.array == "linear" else n_sources) * self.min_angle_deg
        around = 180 if self.array == "linear" else 360
        if self.kind == "simulated" and n_sources > 1 and needed > around:
            raise ConfigError(
                f"room.min_angle_deg = {self.min_angle_deg:g}: {n_sources} sources find no directions so "
                f"far apart within {around} degrees: ask for a smaller angle"
            )

    def check_cost(self, n_sources: int, sample_rate: int) -> None:
        """Raise ConfigError when the rooms that can be drawn cost too much memory or time."""
        if self.kind == "simulated":
            smallest, largest = [side[0] for side in self.size_m], [side[1] for side in self.size_m]
            counts = {"n_sources": n_sources, "n_microphones": self.n_microphones, "sample_rate": sample_rate}
            check_cost(largest, reverberation(smallest, self.rt60_s[1])[1], **counts)


def describe_size(size_m: Any) -> str:
    """Return the sides of a room as text, such as 4 x 3.5 x 2.6 m."""
    return " x ".join(f"{side:g}" for side in size_m) + " m"


def reverberation(size_m: Any, rt60_s: float) -> tuple[float, int]:
    """Return the energy absorption of all walls, and the order of reflections, that give a room its reverberation time.

    The reflections are all those that arrive within `rt60_s`.

    Raises:
        ConfigError: walls that swallow everything would reverberate longer, or the reflections are too many.

    Source: Sabine's formula, 55.3 V / (c S A).

    Example:
        >>> absorption, max_order = reverberation((4.0, 3.5, 2.6), 0.3)
        >>> round(absorption, 3), max_order
        (0.292, 49)
    """
    pairs = list(combinations(size_m, 2))
    surface = 2 * sum(one * two for one, two in pairs)
    shortest = 24 * log(10) * prod(size_m) / (SPEED_OF_SOUND_M_S * surface)
    if shortest > rt60_s:
        raise ConfigError(
            f"rt60_s = {rt60_s:g}: a room of {describe_size(size_m)} reverberates {shortest:.3f} s even "
            "when its walls swallow all sound: ask for a longer rt60_s or a smaller size_m"
        )
    # Images up to an order fill an octahedron; the largest sphere in it has the radius of the path of `rt60_s`.
    radius = min(one * two / hypot(one, two) for one, two in pairs)
    max_order = ceil(SPEED_OF_SOUND_M_S * rt60_s / radius - 1)
    if max_order > MAX_ORDER:
        raise ConfigError(
            f"rt60_s = {rt60_s:g}: in a room of {describe_size(size_m)} that takes {max_order} "
            f"reflections, at most {MAX_ORDER} can be simulated: ask for a shorter rt60_s or a larger "
            "size_m"
        )
    return shortest / rt60_s, max(max_order, 0)


def check_cost(size_m: Any, max_order: int, *, n_sources: int, n_microphones: int, sample_rate: int) -> None:
    """Raise ConfigError when the responses of a simulated room, of sides in metres, cost too much memory or time."""
    advice = "ask for fewer sources or microphones, a shorter rt60_s, or a larger size_m"
    # As many as there are points with whole coordinates whose sizes add up to the order.
    images = n_sources * 4 / 3 * max_order**3
    check_size("image sources of the room", images, _MAX_IMAGES, advice)
    check_size("paths between image sources and microphones", images * n_microphones, _MAX_PATHS, advice)
    taps = (max_order + 1) * hypot(*size_m) / SPEED_OF_SOUND_M_S * sample_rate * n_sources * n_microphones
    check_size("samples of the room's responses", taps, _MAX_TAPS, "ask for a smaller room, or a lower sample_rate")


class Scene(Config):
    """One room with microphones and sources in it: enough to rebuild every impulse response.

    `azimuths_deg`, one for each source in their order, is where the array sees it: from its front, counter-clockwise
    from above (in a linear array towards microphone 0), None where the files of a measured room do not say.
    `reference` is the microphone whose images the sources of a mixture are, `gains` bring these images to their levels
    (all 1 where there are none). The places of a simulated room are in metres from one of its corners. `folder`, and
    `files` with their `sha256` for each source, are those of a measured room.
    """

    kind: RoomKind
    n_microphones: int = Field(ge=1, le=MAX_MICROPHONES)
    azimuths_deg: tuple[Azimuth | None, ...] = Field(min_length=1, max_length=MAX_SOURCES)
    reference: int = Field(0, ge=0, lt=MAX_MICROPHONES)
    gains: tuple[Gain, ...] = Field((), max_length=MAX_SOURCES)
    size_m: Point | None = None
    rt60_s: Seconds | None = None
    absorption: float | None = Field(None, gt=0, le=1)
    max_order: int | None = Field(None, ge=0, le=MAX_ORDER)
    array: str | None = None
    microphones_m: tuple[Point, ...] = Field((), max_length=MAX_MICROPHONES)
    sources_m: tuple[Point, ...] = Field((), max_length=MAX_SOURCES)
    folder: Name | None = None
    files: tuple[PathInside, ...] = ()
    sha256: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] = ()

    @property
    def n_sources(self) -> int:
        """How many sources are in the room."""
        return len(self.azimuths_deg)

    @model_validator(mode="after")
    def _complete(self) -> Scene:
        if self.reference >= self.n_microphones:
            raise ConfigError(f"reference = {self.reference}: there are only {self.n_microphones} microphones")
        if self.gains and len(self.gains) != self.n_sources:
            raise ConfigError(f"gains: {len(self.gains)} of them for {self.n_sources} sources: make the mixtures anew")
        if self.kind == "measured":
            whole = self.folder is not None and len(self.files) == len(self.sha256) == self.n_sources
        else:
            facts = (self.size_m, self.absorption, self.max_order)
            whole = None not in facts and len(self.sources_m) == self.n_sources
            whole = whole and len(self.microphones_m) == self.n_microphones
        if not whole:
            raise ConfigError(
                f"the {self.kind} room is incomplete: it needs a place or file for each of the "
                f"{self.n_sources} sources and {self.n_microphones} microphones: make the mixtures anew"
            )
        for place in (*self.microphones_m, *self.sources_m):
            if self.size_m is None or not all(0 < x < side for x, side in zip(place, self.size_m, strict=True)):
                raise ConfigError(f"the place {place} is outside of the room {self.size_m}: make the mixtures anew")
        return self
