"""A corpus reader of one's own: all recordings in one folder, named by speaker and sentence, such as `anna-07.wav`.

sepvae corpus list DIR --plugin docs/examples/flat_corpus.py
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import sepvae
from sepvae.corpora.listing import file_names
from sepvae.corpora.reader import AudioFile, CorpusReader
from sepvae.formats import is_audio


def is_recording(path: str) -> bool:
    """Say whether a path is that of a recording of this corpus."""
    speaker, dash, sentence = path.partition("-")
    return bool(speaker and dash and sentence) and "/" not in path and is_audio(path)


class FlatFolder(CorpusReader):
    """Reader of a folder of `<speaker>-<sentence>.wav`."""

    name = "flat"
    layout = "<speaker>-<sentence>.wav in one folder, such as anna-07.wav"
    example = dict.fromkeys(("anna-07.wav", "anna-08.wav", "ben-07.wav"))

    @classmethod
    def matches(cls, root: Path) -> bool:
        return any(map(is_recording, file_names(root)))

    def find(self, files: Sequence[str]) -> Iterable[AudioFile]:
        sounds = [path for path in files if is_audio(path)]
        self.report_unrecognised(path for path in sounds if not is_recording(path))
        found = [path for path in sounds if is_recording(path)]
        return [AudioFile(Path(path).stem, path, speaker=path.partition("-")[0]) for path in found]


sepvae.register("corpus", "flat", FlatFolder)
