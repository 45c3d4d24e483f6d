"""The room of a mixture on the page: a plan to scale with walls, microphones and talkers, and the same in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sepvae.report import svg

_WIDEST, _HIGHEST, _MARGIN = 300.0, 230.0, 8.0
_LENS = 62.0  # radius of the enlarged array
_SMALL = 60.0  # an array that is smaller in the plan is enlarged beside it
_LINE, _CHARACTER = 13.0, 6.2  # height of a line of text and mean width of a letter
_LONGEST_NAME = 14
_BARS_M = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Room:
    """Where a mixture was recorded.

    `kind` is `simulated` or `measured`; `azimuths_deg`, for each talker of `names`, are from the front of the array,
    counter-clockwise from above (in a `linear` array towards microphone 0); in measured rooms they are those of the
    names of the recordings, None where these do not say. `microphones_m` (microphones, 3) and `sources_m`
    (talkers, 3), in metres from a corner, are known of simulated rooms only. `place` names a measured room.
    """

    kind: str
    names: tuple[str, ...]
    azimuths_deg: tuple[float | None, ...]
    n_microphones: int
    reference: int
    sample_rate: int
    speed_of_sound_m_s: float
    microphones_m: NDArray[np.float64]
    sources_m: NDArray[np.float64]
    array: str | None = None
    size_m: tuple[float, float, float] | None = None
    rt60_s: float | None = None
    place: str | None = None

    @property
    def simulated(self) -> bool:
        """Whether the places are known."""
        return self.kind == "simulated"

    @property
    def centre_m(self) -> NDArray[np.float64]:
        """The middle of the array from above, (2,)."""
        centre: NDArray[np.float64] = self.microphones_m[:, :2].mean(axis=0)
        return centre

    @property
    def front_rad(self) -> float | None:
        """Where the array looks, counter-clockwise from the x axis; None when that is not known."""
        known = self.azimuths_deg[0] if self.simulated else None
        if known is None:
            return None
        x, y = self.sources_m[0, :2] - self.centre_m
        return float(np.arctan2(y, x) - np.deg2rad(known))


def angle_text(degrees: float | None) -> str:
    """Return an azimuth as the page writes it.

    Example:
        >>> angle_text(-23.4), angle_text(-0.2), angle_text(None)
        ('−23°', '0°', 'unknown')
    """
    return "unknown" if degrees is None else f"{round(degrees)}°".replace("-", "−")


def describe_room(room: Room) -> str:
    """Return size, reverberation and array in words, and what the sign of an azimuth means."""
    if room.simulated and room.size_m:
        what = f"Simulated room of {' × '.join(f'{side:.3g}' for side in room.size_m)} m (length × width × height)"
    else:
        what = "Measured impulse responses" + (f" ({room.place})" if room.place else "")
    rt60 = f", RT60 {room.rt60_s:.2g} s" if room.rt60_s else ", RT60 not stated"
    if room.n_microphones == 1:
        array = "one microphone"
    else:
        kind = f"{room.array} array of " if room.array else ""
        array = f"{kind}{room.n_microphones} microphones"
        if len(room.microphones_m) > 1:
            array += f", {100 * np.linalg.norm(room.microphones_m[1] - room.microphones_m[0]):.3g} cm apart"
        array += f", reference microphone {room.reference}"
    sign = "the names of the responses, counter-clockwise from above where these count so or room.clockwise was set"
    if room.simulated:
        sign = "the front of the array, positive "
        sign += "towards microphone 0" if room.array == "linear" else "counter-clockwise from above"
    return f"{what}{rt60}; {array}. Azimuths are from {sign}."


def describe_talkers(room: Room) -> list[str]:
    """Return where each talker is in words."""
    found = []
    for index, (name, azimuth) in enumerate(zip(room.names, room.azimuths_deg, strict=True)):
        text = f"{name}: azimuth {angle_text(azimuth)}"
        if room.simulated:
            place = room.sources_m[index]
            text += f", {np.linalg.norm(place[:2] - room.centre_m):.2f} m away, {place[2]:.2f} m high"
        found.append(text)
    return found


def plan(room: Room, *, item: str) -> str:
    """Draw the room from above, as SVG markup; empty when nothing is known about where the talkers are.

    A simulated room is to scale, with the array enlarged beside it where it would be too small; of a measured one the
    azimuths are drawn on a circle around the microphones.
    """
    label = f"Room of {item}. {describe_room(room)} Talkers: {'; '.join(describe_talkers(room))}"
    if room.simulated and room.size_m:
        return _to_scale(room, room.size_m, label)
    known = [
        (name, azimuth) for name, azimuth in zip(room.names, room.azimuths_deg, strict=True) if azimuth is not None
    ]
    return _around(known, label) if known else ""


def _name(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _to_scale(room: Room, size_m: tuple[float, float, float], label: str) -> str:
    scale = min(_WIDEST / size_m[0], _HIGHEST / size_m[1])
    wide, high = size_m[0] * scale, size_m[1] * scale

    def seen(places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return places (any, 2 or 3) in pixels: the y axis of a plan points up."""
        return np.stack([_MARGIN + places[:, 0] * scale, _MARGIN + high - places[:, 1] * scale], axis=1)

    microphones, talkers = seen(room.microphones_m), seen(room.sources_m)
    x, y = seen(room.centre_m[None])[0]
    parts = [
        svg.element("rect", x=_MARGIN, y=_MARGIN, width=wide, height=high, class_="wall"),
        *(svg.line(x, y, tx, ty, "sight") for tx, ty in talkers),
    ]
    small = np.ptp(microphones, axis=0).max() < _SMALL
    width = 2 * _MARGIN + wide
    if small:
        width += 2 * _LENS + 2 * _MARGIN
        centre = (width - _LENS - _MARGIN, _MARGIN + _LENS)
        parts += [svg.line(x, y, centre[0] - _LENS, centre[1], "lens"), svg.dot(x, y, 6, "lens open")]
        parts += [svg.dot(x, y, 2.5, "microphone")]
        parts += _enlarged(room, centre)
    else:
        for index, (mx, my) in enumerate(microphones):
            parts += [_microphone(room, index, mx, my), svg.words(mx + 5, my - 5, str(index))]
    parts += [svg.dot(tx, ty, 5, "talker") for tx, ty in talkers]
    parts += _labels(room, talkers, _MARGIN + wide)
    foot = 2 * _MARGIN + high
    parts += [
        svg.line(_MARGIN, foot + 4, _MARGIN + scale, foot + 4, "bar"),
        svg.words(_MARGIN + scale + 6, foot + 8, "1 m"),
    ]
    return svg.drawing(*parts, width=width, height=max(foot + 14, 2 * _LENS + 62 if small else 0), label=label)


def _microphone(room: Room, index: int, x: float, y: float) -> str:
    return svg.dot(x, y, 4, "reference" if index == room.reference else "microphone")


def _labels(room: Room, talkers: NDArray[np.float64], right: float) -> list[str]:
    """Return name and azimuth of each talker beside its dot; where two would cover one another, one goes down."""
    placed: list[tuple[float, float, float]] = []
    parts = []
    for index in np.argsort(talkers[:, 1]):
        text = f"{_name(room.names[index])} {angle_text(room.azimuths_deg[index])}"
        long = len(text) * _CHARACTER
        x, y = talkers[index] + (9.0, 4.0)
        if x + long > right:
            x = max(talkers[index, 0] - 9 - long, _MARGIN + 2)
        for left, end, above in placed:
            if x < end and left < x + long and y < above + _LINE:
                y = above + _LINE
        placed.append((x, x + long, y))
        parts.append(svg.words(x, y, text, class_="name"))
    return parts


def _enlarged(room: Room, centre: tuple[float, float]) -> list[str]:
    """Return the array as through a lens, where it looks, the directions of the talkers, and a bar of its scale."""
    offsets = (room.microphones_m[:, :2] - room.centre_m) * (1, -1)
    extent = max(float(np.linalg.norm(offsets, axis=1).max()), 0.005)
    scale = 0.55 * _LENS / extent
    x, y = centre
    parts = [svg.dot(x, y, _LENS, "lens")]
    behind = np.zeros(2)
    for place in room.sources_m:
        toward = (place[:2] - room.centre_m) * (1, -1)
        toward = toward / max(float(np.linalg.norm(toward)), 1e-9) * _LENS
        parts.append(svg.line(x, y, x + toward[0], y + toward[1], "sight"))
    if room.front_rad is not None:
        front = np.array([np.cos(room.front_rad), -np.sin(room.front_rad)])
        behind = -11 * front
        tip, side = front * (_LENS - 3) + centre, 4 * np.array([-front[1], front[0]])
        corners = [tip, tip - 8 * front + side, tip - 8 * front - side]
        parts.append(svg.element("polygon", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in corners), class_="front"))
    for index, offset in enumerate(offsets):
        mx, my = x + offset[0] * scale, y + offset[1] * scale
        away = 11 * offset / max(float(np.linalg.norm(offset)), 1e-9) if room.array == "circular" else behind
        parts += [_microphone(room, index, mx, my)]
        parts += [svg.words(mx + away[0], my + away[1] + 3.5, str(index), anchor="middle")]
    bar = max((length for length in _BARS_M if length * scale <= _LENS), default=_BARS_M[0])
    below = y + _LENS + 12
    text = f"{100 * bar:g} cm"
    parts += [svg.line(x - _LENS, below, x - _LENS + bar * scale, below, "bar")]
    parts += [svg.words(x - _LENS + bar * scale + 6, below + 4, text)]
    legend = [("reference", "reference microphone")]
    parts += [svg.dot(x - _LENS + 4, below + 15, 4, legend[0][0]), svg.words(x - _LENS + 13, below + 19, legend[0][1])]
    arrow = [(x - _LENS, below + 34), (x - _LENS, below + 26), (x - _LENS + 8, below + 30)]
    parts += [svg.element("polygon", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in arrow), class_="front")]
    return [*parts, svg.words(x - _LENS + 13, below + 34, "front of the array")]


def _around(known: list[tuple[str, float]], label: str) -> str:
    """Return azimuths on a circle around the microphones, 0° above and positive to the left; half of it if all fit."""
    radius, half = 96.0, all(abs(azimuth) <= 90 for _, azimuth in known)
    width, x, y = 420.0, 210.0, 30 + radius
    arc = f"M {x - radius} {y} A {radius} {radius} 0 0 1 {x + radius} {y}"
    if not half:
        arc += f" A {radius} {radius} 0 0 1 {x - radius} {y}"

    def at(azimuth: float, distance: float) -> tuple[float, float]:
        turn = np.deg2rad(azimuth)
        return x - distance * float(np.sin(turn)), y - distance * float(np.cos(turn))

    parts = [svg.element("path", d=arc, class_="wall open")]
    for tick in range(-90, 91, 30) if half else range(-150, 181, 30):
        parts.append(svg.line(*at(tick, radius - 5), *at(tick, radius), "bar"))
        tx, ty = at(tick, radius - 17)
        parts.append(svg.words(tx, ty + 4, angle_text(tick), anchor="middle"))
    for name, azimuth in known:
        tx, ty = at(azimuth, radius)
        parts += [svg.line(x, y, tx, ty, "sight"), svg.dot(tx, ty, 5, "talker")]
        lx, ly = at(azimuth, radius + 11)
        anchor = "middle" if abs(lx - x) < 12 else "start" if lx > x else "end"
        parts.append(svg.words(lx, ly + 3, f"{_name(name)} {angle_text(azimuth)}", anchor=anchor, class_="name"))
    parts += [svg.dot(x, y, 4, "microphone"), svg.words(x, y + 17, "microphones", anchor="middle")]
    return svg.drawing(*parts, width=width, height=y + (26 if half else radius + 22), label=label)
