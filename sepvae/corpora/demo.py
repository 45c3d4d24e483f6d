"""The demo corpus: our own sentences spoken by espeak-ng, in the exact layout of the LDC's TIMIT.

Two sentences all speakers say (SA), and eight of each speaker's own (5 SX, 3 SI); the same bytes every time.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from sepvae import audio, sphere
from sepvae.corpora.espeak import SILENCE, EspeakVoice, SpokenSentence, speak
from sepvae.corpora.records import Interval
from sepvae.errors import ConfigError, OutputError
from sepvae.files import atomic_folder, output_error, read_json, resource, write_text
from sepvae.processes import run
from sepvae.progress import progress
from sepvae.seeds import derive_seed

SAMPLE_RATE = 16000
# Silence before and after each sentence, as in recorded prompts.
_MARGIN_SAMPLES = SAMPLE_RATE // 10
_N_SX, _N_SI = 5, 3
_NOTICE = "demo corpus of sepvae"
_ENTRIES = {"README.TXT", "DOC", "TRAIN", "TEST"}


@dataclass(frozen=True)
class DemoSpeaker:
    """A speaker of `data/demo_voices.json`: LDC-style id such as FANO0, TRAIN or TEST, dialect 1 to 8, and voice."""

    id: str
    usage: str
    dialect: int
    voice: EspeakVoice

    @property
    def folder(self) -> str:
        """The speaker's folder below the corpus."""
        return f"{self.usage}/DR{self.dialect}/{self.id}"


@dataclass(frozen=True)
class Prompt:
    """A sentence for a speaker: its name, such as SX17, and its text."""

    speaker: DemoSpeaker
    name: str
    text: str


@lru_cache(maxsize=8)
def _data(name: str) -> Any:
    return read_json(resource(f"data/{name}"))


def demo_speakers() -> list[DemoSpeaker]:
    """Return the speakers, women and men in turn, so that the first few hold both sexes and both splits."""
    facts = _data("demo_voices.json")
    accents = {accent["dialect"]: accent["voice"] for accent in facts["accents"]}
    speakers = []
    for entry in facts["speakers"]:
        settings = {key: entry[key] for key in ("rate", "pitch", "pitch_range", "volume")}
        voice = EspeakVoice(f"{accents[entry['dialect']]}+{entry['variant']}", **settings)
        speakers.append(DemoSpeaker(entry["id"], entry["usage"], entry["dialect"], voice))
    return speakers


def demo_prompts() -> list[Prompt]:
    """Return what each speaker says: the SA sentences, and five SX and three SI sentences that no one else says."""
    sentences = _data("demo_sentences.json")
    prompts = []
    for number, speaker in enumerate(demo_speakers()):
        parts = {"SA": (0, len(sentences["SA"])), "SX": (number * _N_SX, _N_SX), "SI": (number * _N_SI, _N_SI)}
        prompts += [
            Prompt(speaker, f"{kind}{index + 1}", sentences[kind][index])
            for kind, (first, count) in parts.items()
            for index in range(first, first + count)
        ]
    return prompts


def make_demo_corpus(folder: str | os.PathLike[str], *, speakers: int = 16, jobs: int | None = None) -> Path:
    """Synthesise the demo corpus.

    Args:
        folder: folder to make; one that holds an earlier demo corpus and nothing else is replaced, any other must be
            empty or missing.
        speakers: how many of the 16 speakers, women and men in turn; at least 4.
        jobs: sentences spoken at the same time, as many as there are cores by default.

    Returns:
        The folder.

    Raises:
        MissingExtra: the extra `demo` (espeakng-loader) is not installed.
        ConfigError: fewer than 4 or more than 16 speakers.
        OutputError: the folder holds something else, or cannot be written.
    """
    everyone = demo_speakers()
    if not 4 <= speakers <= len(everyone):
        raise ConfigError(f"{speakers} speakers: the demo corpus has 4 to {len(everyone)}")
    root = Path(folder)
    _check_replaceable(root)
    chosen = everyone[:speakers]
    prompts = [prompt for prompt in demo_prompts() if prompt.speaker in chosen]
    # Resolved, because the current folder cannot be replaced under the name ".".
    with atomic_folder(root.resolve()) as part:
        _write_documents(part, chosen)
        # Each sentence is a process of espeak-ng's, which a thread waits for.
        spoken = run(_speak, prompts, jobs=jobs or os.cpu_count() or 1, name=attrgetter("name"), workers="threads")
        with closing(spoken), progress("speak", len(prompts), unit="sentences") as bar:
            for prompt, speech in zip(prompts, spoken, strict=True):
                _write_utterance(part / prompt.speaker.folder, prompt, speech.value())
                bar.advance(1)
    return root


def _check_replaceable(folder: Path) -> None:
    """Refuse a folder with anything that another run could not make again."""
    notice = folder / "README.TXT"
    try:
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        made_here = notice.is_file() and _NOTICE.encode() in notice.read_bytes()
    except OSError as error:
        raise output_error(folder, error) from error
    if names and not made_here:
        raise OutputError(f"{folder}: is not empty and holds no demo corpus: choose another folder")
    if names - _ENTRIES:
        others = ", ".join(sorted(names - _ENTRIES))
        raise OutputError(
            f"{folder}: holds more than a demo corpus ({others}): move that away or choose another folder"
        )


def _speak(prompt: Prompt) -> SpokenSentence:
    seed = derive_seed(0, "espeak", prompt.speaker.id, prompt.name) % (1 << 31)
    return speak(prompt.text, prompt.speaker.voice, labels=_data("demo_phones.json"), seed=seed)


def _write_utterance(folder: Path, prompt: Prompt, speech: SpokenSentence) -> None:
    """Write one sentence as .WAV (SPHERE), .TXT, .WRD and .PHN, with its times at 16 kHz."""
    wave = audio.resample(speech.wave, from_rate=speech.sample_rate, to_rate=SAMPLE_RATE)
    samples = np.clip(np.rint(np.pad(wave, _MARGIN_SAMPLES).astype(np.float64) * 32768), -32768, 32767).astype(np.int16)
    sphere.write_pcm16(
        folder / f"{prompt.name}.WAV",
        samples,
        SAMPLE_RATE,
        database="SEPVAE_DEMO",
        utterance=f"{prompt.speaker.id[1:]}_{prompt.name}".lower(),
    )
    shift = SAMPLE_RATE / speech.sample_rate

    def at_16_khz(interval: Interval) -> Interval:
        start, stop = (round(sample * shift) + _MARGIN_SAMPLES for sample in (interval.start, interval.stop))
        return Interval(start, min(stop, len(wave) + _MARGIN_SAMPLES), interval.label)

    phones = [at_16_khz(phone) for phone in speech.phones]
    _write_labels(folder / f"{prompt.name}.PHN", _with_margins(phones, len(samples)))
    _write_labels(folder / f"{prompt.name}.WRD", [at_16_khz(word) for word in speech.words])
    _write_labels(folder / f"{prompt.name}.TXT", [Interval(0, len(samples), prompt.text)])


def _with_margins(phones: list[Interval], n_samples: int) -> list[Interval]:
    """Let the silence at both ends reach the ends of the file."""
    first, last = phones[0], phones[-1]
    inner = phones[first.label == SILENCE : len(phones) - (last.label == SILENCE)]
    return [Interval(0, inner[0].start, SILENCE), *inner, Interval(inner[-1].stop, n_samples, SILENCE)]


def _write_labels(path: Path, intervals: list[Interval]) -> None:
    write_text(path, "".join(f"{entry.start} {entry.stop} {entry.label}\n" for entry in intervals))


def _write_documents(folder: Path, speakers: list[DemoSpeaker]) -> None:
    """Write DOC/SPKRINFO.TXT in the LDC's columns, and a notice of what this is."""
    lines = ["; Speakers of the demo corpus. They are voices of a synthesiser: dates and origins mean nothing.", ";"]
    lines += [";ID   Sex  DR  Use  RecDate   BirthDate  Ht     Race  Edu  Comments"]
    for speaker in speakers:
        use = "TRN" if speaker.usage == "TRAIN" else "TST"
        row = f"{speaker.id[1:]}  {speaker.id[0]}    {speaker.dialect}   {use}  01/01/26  01/01/00  5'09\"  ???   ??"
        lines.append(f"{row}   {speaker.voice.name}")
    write_text(folder / "DOC" / "SPKRINFO.TXT", "\n".join(lines) + "\n")
    write_text(
        folder / "README.TXT",
        f"This is the {_NOTICE}, in the layout of the LDC's TIMIT (LDC93S1), of which it holds nothing.\n"
        "The sentences are sepvae's own (MIT). They were spoken by eSpeak NG, https://github.com/espeak-ng/espeak-ng,\n"
        "which is GPL-3 and no part of this corpus; for the recordings themselves sepvae's authors ask for nothing.\n"
        "Phones and times in .WRD and .PHN are the synthesiser's own reports, in samples at 16 kHz.\n",
    )
