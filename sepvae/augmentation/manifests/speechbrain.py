"""SpeechBrain's manifest of a data set: `manifest.csv`, with paths below `$data_root` or absolute."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sepvae.augmentation.records import Record
from sepvae.files import atomic_file

_COLUMNS = ("ID", "duration", "wav", "spk_id", "sex", "wrd", "phn", "split", "method", "utterance")


@contextmanager
def speechbrain(folder: Path, place: Callable[[str], str]) -> Iterator[Callable[[Record], None]]:
    """Yield what takes the records and writes `manifest.csv`; its column `wav` holds features where those were written.

    Args:
        folder: where.
        place: returns how a path of a record is to be written.
    """
    with atomic_file(folder / "manifest.csv") as part, part.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_COLUMNS)

        def add(one: Record) -> None:
            phones = " ".join(label.label for label in one.phones)
            # A dollar sign would begin a variable, as in $data_root.
            text = (one.text or "").replace("$", "＄")
            rows.writerow(
                [
                    one.id, f"{one.duration_s:.6f}", place(one.path), one.speaker, one.sex, text, phones,
                    one.split or "", one.method, one.utterance,
                ]
            )  # fmt: skip

        yield add
