"""Which utterances of a corpus can be augmented, by their headers, labels and samples, and why the others cannot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from sepvae import audio
from sepvae.audio import Wave
from sepvae.augmented.records import Failure, within
from sepvae.corpora.damaged_files import SILENCE_RMS, level, shifted
from sepvae.corpora.records import Problem, Utterance
from sepvae.errors import InputError

# TIMIT itself has last phones and sentences that end one or two samples after the audio.
_OVERHANG_SAMPLES = 2


class UnusableError(InputError):
    """An utterance whose samples cannot be used; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def reader_failure(problem: Problem, root: Path) -> Failure:
    """Return what the reader of the corpus found; a file that it reads under another id would be heard twice."""
    message = problem.message.partition("; read under")[0] if problem.code == "duplicate_id" else problem.message
    return Failure(problem.code, problem.item, within(message, root, root.resolve()))


def usable_utterances(
    utterances: Iterable[Utterance], rate: int, min_duration_s: float, left_out: list[Failure]
) -> Iterator[Utterance]:
    """Yield the utterances whose header and labels are as they have to be; the others become failures.

    Args:
        utterances: of a corpus.
        rate: Hz that all must have.
        min_duration_s: how long they must last at least.
        left_out: failures so far; more are added.
    """
    seen: set[str] = set()
    twice = {one.item for one in left_out if one.code == "duplicate_id"}
    for one in utterances:
        if one.path in twice:
            continue
        failure = _unfit(one, rate, min_duration_s, seen)
        if failure is not None:
            left_out.append(failure)
            continue
        seen.add(one.id)
        yield one


def _unfit(one: Utterance, rate: int, min_duration_s: float, seen: set[str]) -> Failure | None:
    """Return why an utterance cannot be augmented, if so."""
    if one.id in seen:
        return Failure("duplicate_id", one.path, f"{one.path}: a second utterance with the id {one.id!r}: rename one")
    if one.sample_rate != rate:
        what = f"sampled at {one.sample_rate} Hz, the rest at {rate} Hz: resample it first"
        return Failure("sample_rate", one.path, f"{one.path}: {what}")
    if one.duration_s < min_duration_s:
        what = f"lasts {1000 * one.duration_s:.0f} ms, less than a segment ({1000 * min_duration_s:.0f} ms)"
        return Failure("too_short", one.path, f"{one.path}: {what}: leave it out")
    for tier, labels in (("word", one.words), ("phone", one.phones)):
        for label in labels:
            if label.start < 0 or label.stop > one.n_samples + _OVERHANG_SAMPLES or label.stop <= label.start:
                what = f"{tier} {label.label!r} spans samples {label.start} to {label.stop}"
                message = f"{one.path}: {what}, the audio has {one.n_samples}: correct the alignment"
                return Failure("labels", one.path, message)
    return None


def read_utterance(utterance: Utterance, root: Path, *, skip_damaged: bool = True) -> Wave:
    """Return the samples (channels, time) of an utterance of the corpus at `root`.

    Raises:
        UnusableError: they are silent, or, with `skip_damaged`, noise from where a byte was lost on.
        InputError: the file cannot be read, or has changed since its header was read.
    """
    path = root / utterance.path
    wave, rate = audio.read(path)
    if (rate, wave.shape[1]) != (utterance.sample_rate, utterance.n_samples):
        raise InputError(f"{utterance.path}: has changed since the run began: start again in another folder")
    if level(wave) < SILENCE_RMS:
        what = "silent: leave it out ('sepvae corpus validate' lists such files)"
        raise UnusableError("silent", f"{utterance.path}: {what}")
    if skip_damaged and shifted(path, wave):
        what = "noise from where a byte was lost on: copy the file again in binary mode ('sepvae corpus validate')"
        raise UnusableError("shifted_bytes", f"{utterance.path}: {what}")
    return wave
