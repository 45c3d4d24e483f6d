"""Speech from espeak-ng with the time of every word and phone: loaded at run time from its wheel, never bundled.

Each utterance is spoken by a process of its own (`espeak_worker.py` says why), so it depends on its text, voice and
seed alone, and neither espeak-ng's state nor a crash of it touches this process.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sepvae.corpora.espeak_worker import DOES_NOT_LOAD, REFUSED
from sepvae.corpora.records import Interval
from sepvae.errors import ConfigError, MissingExtra, OutputError

SILENCE = "h#"
PAUSE = "pau"

_FEATURE = "speech synthesis for the demo corpus"
_WORKER = Path(__file__).with_name("espeak_worker.py")
_TIMEOUT_S = 60.0
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_STRESS_MARKS = "',%="


@dataclass(frozen=True)
class EspeakVoice:
    """A voice of espeak-ng: an accent with a variant, as `en-us+f2`, and its settings on espeak-ng's own scales.

    `rate` is in words a minute (80 to 450), `volume`, `pitch` and `pitch_range` run from 0 to 99 (50 = the
    variant's own pitch and range). The default volume leaves headroom: at 100 some variants saturate.
    """

    name: str
    rate: int = 150
    pitch: int = 50
    pitch_range: int = 50
    volume: int = 60


@dataclass(frozen=True)
class SpokenSentence:
    """A spoken sentence: samples (time,) float32 in [-1, 1]; phones tile it from 0 to its end, words lie inside."""

    wave: NDArray[np.float32]
    sample_rate: int
    words: tuple[Interval, ...]
    phones: tuple[Interval, ...]


class EspeakEvent(NamedTuple):
    """Something espeak-ng reports: `word` or `phone`; its sample, 1-based character, and phoneme mnemonic."""

    kind: str
    sample: int
    character: int
    mnemonic: str


class Segment(NamedTuple):
    """A stretch between two reports: its first and last sample, its label, and the word (by number) it belongs to."""

    start: int
    stop: int
    label: str
    word: int


def speak(text: str, voice: EspeakVoice, *, labels: Mapping[str, str], seed: int = 0) -> SpokenSentence:
    """Speak one sentence.

    Args:
        text: one sentence of plain words; its words are those of `SpokenSentence.words`, in lower case.
        labels: espeak-ng's phoneme mnemonic -> label of the phone; "" joins a phoneme to the one before. A mnemonic
            that is not listed is its own label.
        seed: of espeak-ng's breath noise, from 0 to 2**31 - 1.

    Returns:
        The speech at espeak-ng's own rate (22 050 Hz).

    Raises:
        MissingExtra: espeakng-loader is not installed or its library does not load.
        ConfigError: this espeak-ng does not have the voice.
        OutputError: espeak-ng fails, or says nothing.
    """
    library, data = _locate()
    _check_variant(voice, data)
    job = {"library": str(library), "data": str(data), "text": text, "seed": seed, "voice": voice.name}
    job |= {name: value for name, value in asdict(voice).items() if name != "name"}
    head, _, samples = _run_worker(job).partition(b"\n")
    facts = json.loads(head)
    wave = np.frombuffer(samples, np.int16).astype(np.float32) / np.float32(1 << 15)
    segments = segment([EspeakEvent(*event) for event in facts["events"]], text, len(wave), labels)
    if not wave.any() or not any(entry.word >= 0 for entry in segments):
        raise OutputError(f"espeak-ng said nothing for {text!r} with the voice {voice.name}: check the text")
    phones = tuple(Interval(entry.start, entry.stop, entry.label) for entry in segments)
    return SpokenSentence(wave, facts["sample_rate"], words(segments, text), phones)


def _locate() -> tuple[Path, Path]:
    """Return the paths of espeak-ng's library and data in its wheel."""
    try:
        import espeakng_loader

        library, data = Path(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path())
    except (ImportError, RuntimeError) as error:
        raise MissingExtra(_FEATURE, "demo", error) from error
    if not library.is_file():
        raise MissingExtra(_FEATURE, "demo", FileNotFoundError(f"no {library.name} in {library.parent}"))
    return library, data


def _check_variant(voice: EspeakVoice, data: Path) -> None:
    """Refuse an unknown variant: espeak-ng itself speaks it in the plain voice without a word."""
    _, _, variant = voice.name.partition("+")
    folder = data / "voices" / "!v"
    if variant and not (folder / variant).is_file():
        known = ", ".join(sorted(path.name for path in folder.glob("*"))) or "none"
        raise ConfigError(f"espeak-ng has no variant {variant!r} for the voice {voice.name!r}: it has {known}")


def _run_worker(job: Mapping[str, object]) -> bytes:
    """Run one job in a fresh isolated interpreter and return what it writes."""
    command = [sys.executable, "-I", "-S", str(_WORKER)]
    try:
        # The command is this interpreter and our own file; the text travels through stdin, not the command line.
        done = subprocess.run(  # noqa: S603
            command, input=json.dumps(job).encode(), capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OutputError(f"espeak-ng could not be run ({error}): try again, or reinstall espeakng-loader") from error
    reason = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode == 0:
        return done.stdout
    if done.returncode == DOES_NOT_LOAD:
        raise MissingExtra(_FEATURE, "demo", OSError(reason))
    if done.returncode == REFUSED:
        raise ConfigError(f"{reason}: choose another voice or text")
    raise OutputError(f"espeak-ng stopped with code {done.returncode} ({reason or 'no message'})")


def segment(events: Sequence[EspeakEvent], text: str, n_samples: int, labels: Mapping[str, str]) -> list[Segment]:
    """Return the segments that tile [0, n_samples): phones, pauses between them, and silence at both ends.

    A word begins at its own report, a little before that of its first phone: the closure of an initial stop is part
    of the word. Segments without length are left out.
    """
    first_characters = [match.start() for match in _WORD.finditer(text)]
    starts: list[tuple[int, str, int]] = []
    word, word_start = -1, None
    for event in events:
        if event.kind == "word":
            # Two words that espeak-ng speaks as one have one report, which may point inside the first of them.
            position = event.character - 1
            word = first_characters.index(position) if position in first_characters else max(word, 0)
            word_start = event.sample if word_start is None else word_start
        elif event.kind == "phone":
            mnemonic = event.mnemonic.lstrip(_STRESS_MARKS)
            pause = mnemonic.startswith("_")
            label = PAUSE if pause else labels.get(mnemonic, mnemonic)
            if label:
                start = event.sample if word_start is None or pause else word_start
                word_start = word_start if pause else None
                starts.append((start, label, -1 if pause else word))
    stops = [start for start, _, _ in starts[1:]] + [n_samples]
    found = [Segment(start, stop, label, of) for (start, label, of), stop in zip(starts, stops, strict=True)]
    return _with_silent_ends([entry for entry in _joined(found) if entry.stop > entry.start], n_samples)


def _joined(segments: Sequence[Segment]) -> list[Segment]:
    """Join neighbouring pauses."""
    joined: list[Segment] = []
    for entry in segments:
        if joined and entry.label == joined[-1].label == PAUSE:
            joined[-1] = joined[-1]._replace(stop=entry.stop)
        else:
            joined.append(entry)
    return joined


def _with_silent_ends(segments: list[Segment], n_samples: int) -> list[Segment]:
    """Name the pauses at both ends silence, and add silence where the first phone begins late."""
    if not segments:
        return [Segment(0, n_samples, SILENCE, -1)]
    if segments[-1].label == PAUSE:
        segments[-1] = segments[-1]._replace(label=SILENCE)
    if segments[0].label == PAUSE:
        segments[0] = segments[0]._replace(start=0, label=SILENCE)
    elif segments[0].start > 0:
        segments.insert(0, Segment(0, segments[0].start, SILENCE, -1))
    return segments


def words(segments: Sequence[Segment], text: str) -> tuple[Interval, ...]:
    """Return one interval for each word of `text`, in lower case.

    Words that espeak-ng speaks as one ("in the") are parted at the phone boundary nearest above the share of their
    letters.
    """
    spelled = [match.group().lower() for match in _WORD.finditer(text)]
    reported = sorted({entry.word for entry in segments if entry.word >= 0})
    intervals: list[Interval] = []
    for word, following in zip(reported, [*reported[1:], len(spelled)], strict=True):
        phones = [entry for entry in segments if entry.word == word]
        names = spelled[word:following]
        letters = np.cumsum([len(name) for name in names])
        cuts = [0, *(-(-len(phones) * int(count) // int(letters[-1])) for count in letters)]
        for name, begin, end in zip(names, cuts, cuts[1:], strict=False):
            if end > begin:
                intervals.append(Interval(phones[begin].start, phones[end - 1].stop, name))
    return tuple(intervals)
