"""What a demixing system found, on the page: the directivity of its filters, and how its objective fell."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sepvae.report import svg
from sepvae.report.rooms import Room, angle_text
from sepvae.report.systems import Systems

# Directivity is shown down to this far below its maximum, in a picture of so many directions and bands.
_RANGE_DB = 30.0
_DIRECTIONS, _BANDS = 91, 96
_PALETTE = 8


def directions_of(room: Room) -> NDArray[np.float64]:
    """Return the azimuths of the picture in degrees; a linear array cannot tell front from back."""
    widest = 90.0 if room.array == "linear" else 180.0
    return np.linspace(-widest, widest, _DIRECTIONS)


def directivity_db(filters: NDArray[np.complexfloating], room: Room) -> NDArray[np.float64]:
    """Return the response of demixing filters to plane waves of each direction and frequency.

    Args:
        filters: W, complex (bins, sources, microphones), in which y = W x; bins evenly from 0 Hz to half the rate.
        room: a simulated one.

    Returns:
        |w_j(f)ᵀ d(f, azimuth)| in dB under its maximum over the azimuths of `directions_of`, not below -30 dB,
        (sources, bins, azimuths), where d is what reaches the microphones from a far talker at their height.
    """
    azimuths = np.deg2rad(directions_of(room)) + (room.front_rad or 0.0)
    # How much shorter than to the centre the way to each microphone is, (microphones, azimuths).
    ahead = (room.microphones_m[:, :2] - room.centre_m) @ np.stack([np.cos(azimuths), np.sin(azimuths)])
    frequencies = np.linspace(0, room.sample_rate / 2, len(filters))
    steering = np.exp(2j * np.pi * frequencies[:, None, None] * ahead / room.speed_of_sound_m_s)
    response = np.abs(filters @ steering)
    largest = response.max(axis=-1, keepdims=True)
    shares = np.divide(response, largest, out=np.zeros_like(response), where=largest > 0)
    levels: NDArray[np.float64] = 20 * np.log10(np.maximum(shares, 10 ** (-_RANGE_DB / 20)))
    return levels.transpose(1, 0, 2)


def directivity_picture(levels: NDArray[np.float64], room: Room, *, source: int, label: str) -> str:
    """Draw the directivity (bins, azimuths) of the filter of one source, as SVG markup, with the talkers as lines.

    The line of the source itself is whole, those of the others are dashed.
    """
    left, top, width, height = 24.0, 4.0, 178.0, 100.0
    azimuths = directions_of(room)
    widest = float(azimuths[-1])

    def across(azimuth: float) -> float:
        return left + width * (azimuth + widest) / (2 * widest)

    data = f"data:image/webp;base64,{base64.b64encode(_heat(levels)).decode('ascii')}"
    parts = [
        svg.element("image", x=left, y=top, width=width, height=height, preserveAspectRatio="none", href=data),
    ]
    for index, azimuth in enumerate(room.azimuths_deg):
        if azimuth is not None and abs(azimuth) <= widest:
            x, dashed = across(azimuth), "" if index == source else " other"
            parts += [svg.line(x, top, x, top + height, f"{kind}{dashed}") for kind in ("casing", "truth-line")]
    for tick in np.linspace(-widest, widest, 5):
        parts.append(svg.words(across(tick), top + height + 12, angle_text(tick), anchor="middle"))
    top_khz = room.sample_rate / 2000
    for share, text in ((0.0, "0"), (0.5, f"{top_khz / 2:g}"), (1.0, f"{top_khz:g}")):
        parts.append(svg.words(left - 4, top + height * (1 - share) + (3 if share < 1 else 7), text, anchor="end"))
    return svg.drawing(*parts, width=left + width + 10, height=top + height + 17, label=label, class_="directivity")


def _heat(levels: NDArray[np.float64]) -> bytes:
    """Return levels (bins, azimuths) as a WebP picture, low frequencies below; neighbouring bins share a row."""
    from matplotlib import colormaps
    from PIL import Image

    edges = np.unique(np.linspace(0, len(levels), min(len(levels), _BANDS) + 1).round().astype(int))
    rows = np.stack([levels[low:high].mean(axis=0) for low, high in pairwise(edges)])
    buffer = io.BytesIO()
    picture = colormaps["viridis"](rows[::-1] / _RANGE_DB + 1, bytes=True)[..., :3]
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "WEBP", quality=60, method=4)
    return buffer.getvalue()


def usable(objective: NDArray[np.floating] | None) -> bool:
    """Return whether there is a trace to draw: finite, and of two iterations at least."""
    return objective is not None and objective.ndim == 1 and len(objective) > 2 and bool(np.isfinite(objective).all())


def trace(objectives: Mapping[str, NDArray[np.floating]], known: Systems, *, item: str) -> str:
    """Draw how the objective of each system changed since its first iteration, as SVG markup.

    Objectives of different source models differ by constants, so that only their changes compare. The first iteration
    falls so far from the start that nothing else could be seen beside it.

    Args:
        objectives: negative log-likelihood per bin and frame, (iterations + 1,), by system.
        known: labels and order of the systems.
        item: the mixture.
    """
    ordered = {name: np.asarray(objectives[name], np.float64) for name in known.ordered(objectives)}
    changes = {name: values[1:] - values[1] for name, values in ordered.items()}
    last = max(len(values) for values in changes.values())
    low = min(float(values.min()) for values in changes.values())
    high = max(0.0, *(float(values.max()) for values in changes.values()))
    span = high - low or 1.0
    left, top, width, height = 42.0, 8.0, 230.0, 120.0

    def place(step: int, value: float) -> tuple[float, float]:
        return left + width * (step - 1) / (last - 1), top + height * (high - value) / span

    parts = [svg.line(*place(1, 0.0), *place(last, 0.0), "sight"), svg.line(left, top, left, top + height, "bar")]
    parts.append(svg.line(left, top + height, left + width, top + height, "bar"))
    parts += [
        svg.words(left - 5, place(0, value)[1] + 4, f"{value:.3g}".replace("-", "−"), anchor="end")
        for value in sorted({high, low, 0.0})
    ]
    parts += [
        svg.words(place(step, low)[0], top + height + 14, str(step), anchor="middle")
        for step in sorted({1, (last + 1) // 2, last})
    ]
    parts.append(svg.words(left + width / 2, top + height + 28, "iterations", anchor="middle"))
    for number, (name, values) in enumerate(changes.items()):
        style = f"line-{number % _PALETTE}" + (" other" if number >= _PALETTE else "")
        points = " ".join("{:.1f},{:.1f}".format(*place(step, float(value))) for step, value in enumerate(values, 1))
        parts.append(svg.element("polyline", points=points, class_=f"trace {style}"))
        row = top + 6 + 15 * number
        parts.append(svg.line(left + width + 14, row, left + width + 34, row, f"trace {style}"))
        parts.append(svg.words(left + width + 40, row + 4, known[name].label))
    ends = "; ".join(f"{known[name].label} {values[-1]:.3g} after {len(values)}" for name, values in changes.items())
    label = f"Change of the objective of {item} since the first iteration, per bin and frame: {ends}".replace(
        " -", " −"
    )
    needed = max(top + height + 34, top + 15 * len(changes) + 6)
    return svg.drawing(*parts, width=left + width + 190, height=needed, label=label)
