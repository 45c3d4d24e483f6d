"""The log of a training run: a CSV table and TensorBoard events, both rewritten from the saved history on resume."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sepvae.errors import MissingExtra
from sepvae.files import write_text

_FIRST = ("epoch", "step", "learning_rate", "seconds", "frames_per_s")


def _place(name: str) -> tuple[bool, int, bool, str]:
    """Return where a loss stands: those of training before those of validation, a total before its terms."""
    split, _, term = name.partition("/")
    return split != "train", len(term.split("/")), term != "total", name


class TrainingLog:
    """Writes `log.csv` whole after every epoch and adds scalars under `tensorboard/`.

    Args:
        out: folder of the run.
        history: rows of the epochs before a resume.
        enabled: False on all processes but the first.
    """

    def __init__(self, out: Path, history: list[dict[str, float]], *, enabled: bool) -> None:
        self._out, self._enabled, self._writer = out, enabled, None
        self._next_step = int(history[-1]["step"]) + 1 if history else 0

    def __enter__(self) -> Self:
        if self._enabled:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise MissingExtra("the TensorBoard log", "train", error) from error
            # Events after the resumed step belong to the run that was killed: TensorBoard hides them.
            writer: Any = SummaryWriter(str(self._out / "tensorboard"), purge_step=self._next_step)
            self._writer = writer
        return self

    def write(self, history: list[dict[str, float]]) -> None:
        """Log the last row of the history, and the whole table as CSV."""
        if self._writer is None:
            return
        # Rows that were read back have their keys in another order.
        names = {name for row in history for name in row}
        columns = [*(name for name in _FIRST if name in names), *sorted(names.difference(_FIRST), key=_place)]
        text = io.StringIO()
        table = csv.DictWriter(text, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(history)
        write_text(self._out / "log.csv", text.getvalue())
        for name, value in history[-1].items():
            if name not in ("epoch", "step"):
                self._writer.add_scalar(name, value, int(history[-1]["step"]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()
