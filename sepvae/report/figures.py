"""Pictures for the page: violin plots of scores (seaborn) and spectrograms (librosa), the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sepvae.errors import MissingExtra
from sepvae.report.labels import COLOURS
from sepvae.report.systems import Systems

# Spectrograms show this much below the loudest bin of the mixture; speech has little further down.
_RANGE_DB = 70.0
# About 20 ms: separates harmonics and still shows syllables.
_WINDOW_S = 0.02
_MOST_UPRIGHT = 7


def violins(scores: Mapping[str, Sequence[float]], heading: str, known: Systems) -> bytes:
    """Draw the scores of each system as a violin with its points, as SVG.

    Args:
        scores: finite values by system.
        heading: of the measure, for the axis.
        known: labels, roles and order of the systems.

    Raises:
        MissingExtra: matplotlib or seaborn is not installed.

    Source: the form of Figs. 21 and 22 of Singh & Ogunfunmi 2022.
    """
    try:
        import matplotlib as mpl
        import seaborn as sns
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("the report page", "report", error) from error
    systems = [name for name in known.ordered(scores) if len(scores[name])]
    # Side by side while their names fit below them; else one below the other.
    upright = len(systems) <= _MOST_UPRIGHT
    across, along = 0.95 * len(systems) + 0.9, 0.32 * len(systems) + 0.9
    # rc_context puts everything back: drawing changes no global state.
    with mpl.rc_context({"svg.hashsalt": heading, "svg.fonttype": "path", "font.size": 9}):
        figure = Figure(figsize=(max(3.2, across), 3.0) if upright else (5.2, along), layout="constrained")
        axes: Any = figure.subplots()
        values = {"system": [s for s in systems for _ in scores[s]], "value": [v for s in systems for v in scores[s]]}
        palette = {system: COLOURS[known[system].role] for system in systems}
        sides = ("system", "value") if upright else ("value", "system")
        style = {"data": values, "x": sides[0], "y": sides[1], "hue": "system", "palette": palette, "order": systems}
        sns.violinplot(
            **style, ax=axes, inner=None, cut=0, linewidth=0.8, alpha=0.35, legend=False, density_norm="width"
        )
        sns.swarmplot(**style, ax=axes, size=2.6 if upright else 1.8, legend=False, warn_thresh=1.0)
        for position, system in enumerate(systems):
            draw_mean = axes.hlines if upright else axes.vlines
            mean = float(np.mean(scores[system]))
            draw_mean(mean, position - 0.28, position + 0.28, color=COLOURS["ink"], linewidth=1.4)
        if upright:
            axes.set_xticks(range(len(systems)), [known[s].label.replace(" ", "\n", 1) for s in systems])
            axes.set(xlabel="", ylabel=heading)
        else:
            axes.set_yticks(range(len(systems)), [known[s].label for s in systems])
            axes.set(xlabel=heading, ylabel="")
        axes.grid(axis="y" if upright else "x", color=COLOURS["rule"], linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def spectrogram_db(wave: NDArray[np.float32], *, sample_rate: int) -> NDArray[np.float32]:
    """Return the level in dB of each bin, (bins, frames), of a wave (time,)."""
    try:
        import librosa
    except ImportError as error:
        raise MissingExtra("the report page", "report", error) from error
    n_fft = max(64, 2 ** round(np.log2(_WINDOW_S * sample_rate)))
    padded = np.pad(wave, (0, max(0, n_fft - len(wave))))
    magnitudes = np.abs(librosa.stft(padded, n_fft=n_fft, hop_length=n_fft // 2))
    levels: NDArray[np.float32] = librosa.amplitude_to_db(magnitudes, ref=1.0, amin=1e-6, top_db=None)
    return levels


def spectrogram_image(levels: NDArray[np.float32], *, top_db: float) -> bytes:
    """Draw levels (bins, frames) as a WebP picture, low frequencies below, black 70 dB under `top_db`."""
    from matplotlib import colormaps
    from PIL import Image

    shares = np.clip((levels[::-1] - top_db) / _RANGE_DB + 1, 0, 1)
    buffer = io.BytesIO()
    Image.fromarray(colormaps["magma"](shares, bytes=True)[..., :3]).save(buffer, "WEBP", quality=55, method=4)
    return buffer.getvalue()
