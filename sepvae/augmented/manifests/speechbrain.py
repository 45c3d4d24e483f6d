"""SpeechBrain's manifest of a data set: `manifest.csv`, with paths below `$data_root` or absolute."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sepvae.augmented.records import Record
from sepvae.files import atomic_file

_COLUMNS = ("ID", "duration", "wav", "spk_id", "sex", "wrd", "phn", "split", "method", "utterance")


@contextmanager
def speechbrain(folder: Path, place: Callable[[str], str]) -> Iterator[Callable[[Record], None]]:
    """Yield what takes the records and writes `manifest.csv`; its column `wav` holds features where those were written.

    A dollar sign would begin a variable, as in `$data_root`: in ids, speakers, texts and labels it becomes the
    full-width one, U+FF04. Records keep it.

    Args:
        folder: where.
        place: returns how a path of a record is to be written.
    """
    with (
        atomic_file(folder / "manifest.csv") as part,
        part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_COLUMNS)

        def add(one: Record) -> None:
            phones = " ".join(label.label for label in one.phones)
            said = (one.speaker, one.sex, one.text or "", phones, one.split or "", one.method, one.utterance)
            row = [one.id, f"{one.duration_s:.6f}", place(one.path), *said]
            rows.writerow(
                value if column == "wav" else value.replace("$", "＄")
                for column, value in zip(_COLUMNS, row, strict=True)
            )

        yield add
