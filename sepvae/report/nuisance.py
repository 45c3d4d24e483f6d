"""Pictures of a nuisance space: how far utterances differ along its directions, and a map of cosines."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sepvae.errors import MissingExtra
from sepvae.report.labels import COLOURS

_LINES = ("-", "--", ":", "-.")
# Shares below a ten thousandth are not drawn.
_LEAST_PERCENT = 0.01


@contextmanager
def _drawing(name: str, *, size: tuple[float, float]) -> Iterator[tuple[Any, io.BytesIO]]:
    """Yield axes to draw on and where the SVG will be; the same drawing gives the same bytes."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("the report page", "report", error) from error
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "path", "font.size": 8}):
        figure = Figure(figsize=size, layout="constrained")
        yield figure.subplots(), buffer
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})


def variance_spectrum(shares: Mapping[str, Sequence[float]]) -> bytes:
    """Draw the share of the variance along each principal direction, the largest first, as SVG.

    Args:
        shares: by name of the space, adding up to 1.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    with _drawing("variance", size=(5.2, 3.0)) as (axes, buffer):
        for number, (name, own) in enumerate(shares.items()):
            percents = [max(100 * share, _LEAST_PERCENT) for share in own]
            style = _LINES[number % len(_LINES)]
            axes.plot(range(1, len(own) + 1), percents, style, color=COLOURS["ours"], linewidth=1.2, label=name)
        axes.set(xlabel="Principal direction", ylabel="Share of the variance (%)", yscale="log")
        axes.set_ylim(_LEAST_PERCENT, 100)
        axes.grid(color=COLOURS["rule"], linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return buffer.getvalue()


def cosine_map(cosines: Sequence[Sequence[float]], *, rows: Sequence[str], columns: Sequence[str]) -> bytes:
    """Draw |cos| (rows, columns) between two sets of directions as a map from 0 to 1, rows side by side, as SVG.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    with _drawing("cosines", size=(0.19 * len(rows) + 1.6, 0.24 * len(columns) + 0.9)) as (axes, buffer):
        picture = axes.imshow(list(zip(*cosines, strict=True)), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(rows)), list(rows), rotation=90)
        axes.set_yticks(range(len(columns)), list(columns))
        axes.figure.colorbar(picture, ax=axes, label="|cos|")
    return buffer.getvalue()
