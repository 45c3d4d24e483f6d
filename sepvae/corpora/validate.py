"""Check a whole corpus: every file is read once, and everything doubtful is named, in a fixed order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sepvae.batch import one_of_many
from sepvae.corpora.damage import Damage
from sepvae.corpora.reader import LEFT_OUT, CorpusReader, corpus_class
from sepvae.corpora.records import Corpus, Interval, Problem, Utterance
from sepvae.corpora.sound import scan
from sepvae.errors import InputError, SepvaeError
from sepvae.progress import counting

Severity = Literal["error", "warning"]

# Every code that a reader or `validate` uses, worst first: the order of the report.
MEANINGS: dict[str, tuple[Severity, str]] = {
    "no_utterances": ("error", "nothing can be read"),
    "unreadable": ("error", "folders that cannot be listed"),
    "broken": ("error", "audio that cannot be read"),
    "empty": ("error", "audio without samples"),
    "shifted_bytes": ("error", "samples torn apart by a lost byte: a transfer in text mode"),
    "missing_audio": ("error", "labels without their audio"),
    "silent": ("error", "silence"),
    "channels": ("error", "more than one channel"),
    "sample_rate": ("error", "another sample rate than the rest"),
    "speaker_leak": ("error", "speakers in several splits"),
    "audio_leak": ("error", "the same audio in several splits"),
    "duplicate_audio": ("error", "the same audio twice"),
    "duplicate_id": ("error", "the same speaker and sentence twice"),
    "sex_mismatch": ("error", "sex differs from the table of speakers"),
    "split_mismatch": ("error", "split differs from the table of speakers"),
    "alignment_outside": ("error", "labels outside the audio"),
    "alignment_reversed": ("error", "labels that end before they start"),
    "broken_alignment": ("error", "alignments that cannot be read"),
    "broken_text": ("error", "texts that cannot be read"),
    "broken_speaker_table": ("error", "the table of speakers cannot be read in full"),
    "clipped": ("warning", "clipped audio"),
    "text_mode": ("warning", "bytes 13 turned into 10 by a transfer in text mode: clicks"),
    "header_length": ("warning", "a header that says another length, or none"),
    "short": ("warning", "very short audio"),
    "dc_offset": ("warning", "a constant offset in the audio"),
    "unusual_sample_rate": ("warning", "the whole corpus was resampled"),
    "incomplete_copy": ("warning", "fewer or more files than the published corpus"),
    "unrecognised": ("warning", "audio outside the layout"),
    "missing_text": ("warning", "no text"),
    "missing_words": ("warning", "no word alignment"),
    "missing_phones": ("warning", "no phone alignment"),
    "missing_microphone": ("warning", "another microphone than the rest"),
    "text_without_audio": ("warning", "texts without audio"),
    "missing_speaker_table": ("warning", "no table of speakers"),
    "unknown_speaker": ("warning", "speakers missing from the table"),
    "speaker_without_audio": ("warning", "speakers without audio"),
    "alignment_overhang": ("warning", "labels that end one or two samples after the audio"),
}

_SHORT_S = 0.1
_SILENT_AMPLITUDE = 1e-3  # -60 dBFS
_OFFSET_TO_RMS = 0.3
# TIMIT itself has last phones and sentences that end one or two samples after the audio.
_OVERHANG_SAMPLES = 2


@dataclass(frozen=True)
class ValidationReport:
    """What a corpus holds and what is wrong with it."""

    corpus: str
    root: str
    counts: dict[str, Any]
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that make items unusable or results wrong."""
        return tuple(problem for problem in self.problems if severity(problem) == "error")

    @property
    def ok(self) -> bool:
        """Whether there is no error; there may be warnings."""
        return not self.errors

    def to_json(self) -> dict[str, Any]:
        """Return everything as a JSON value: corpus, root, ok, counts, and the problems with their severity."""
        problems = [{**asdict(problem), "severity": severity(problem)} for problem in self.problems]
        return {"corpus": self.corpus, "root": self.root, "ok": self.ok, "counts": self.counts, "problems": problems}

    def text(self, *, limit: int = 10) -> str:
        """Return the report for people, with at most `limit` problems of a kind."""
        lines = [f"{self.corpus} corpus in {self.root}", *_describe(self.counts), ""]
        by_code = Counter(problem.code for problem in self.problems)
        for code, number in by_code.items():
            mine = [problem for problem in self.problems if problem.code == code]
            lines.append(f"{severity(mine[0])}: {MEANINGS.get(code, ('', code))[1]} ({code}, {number})")
            lines += [f"  {problem.message}" for problem in mine[:limit]]
            lines += [f"  ... and {number - limit} more"] if number > limit else []
        n_errors = len(self.errors)
        lines.append(f"{n_errors} errors, {len(self.problems) - n_errors} warnings")
        return "\n".join(lines)


def severity(problem: Problem) -> Severity:
    """Return how bad a problem is; an unknown code counts as an error."""
    return MEANINGS.get(problem.code, ("error", ""))[0]


def validate(corpus: Corpus) -> ValidationReport:
    """Read every file of a corpus once and report what is missing, broken, clipped, silent, duplicate or leaking.

    Args:
        corpus: an open corpus.

    Returns:
        Counts and problems; among these are those of the reader (`corpus.problems`).

    Raises:
        InputError: the folder holds nothing that the reader knows, not even files that cannot be read.
    """
    utterances: list[Utterance] = []
    problems: list[Problem] = []
    by_digest: dict[str, Utterance] = {}
    try:
        utterances += corpus.utterances()
    except InputError as error:
        if utterances or not any(problem.code in LEFT_OUT for problem in corpus.problems):
            raise
        problems.append(Problem("no_utterances", str(corpus.root), str(error)))
    for utterance in counting("validate", utterances, unit="files"):
        problems += _check_alignments(utterance)
        problems += _check_audio(corpus, utterance, by_digest)
    reader = corpus_class(corpus.name)
    problems += _check_rates(reader, utterances)
    if not reader.splits_share_speakers:
        problems += _check_splits(utterances)
    problems += check_complete(reader, utterances)
    order = {code: place for place, code in enumerate(MEANINGS)}
    found = {*problems, *corpus.problems}
    ranked = sorted(found, key=lambda one: (order.get(one.code, -1), one.code, one.item, one.message))
    return ValidationReport(corpus.name, str(corpus.root), _count(utterances), tuple(ranked))


def _check_audio(corpus: Corpus, utterance: Utterance, by_digest: dict[str, Utterance]) -> list[Problem]:
    path = utterance.path
    try:
        with one_of_many(path):
            sound = scan(corpus.root / path)
    except SepvaeError as error:
        return [Problem("broken", path, str(error))]
    problems = [Problem("header_length", path, f"{path}: {sound.note}")] if sound.note else []
    if sound.n_channels > 1:
        problems.append(Problem("channels", path, f"{path}: has {sound.n_channels} channels, expected one"))
    if utterance.duration_s < _SHORT_S:
        problems.append(Problem("short", path, f"{path}: lasts {1000 * utterance.duration_s:.1f} ms"))
    if sound.swing < _SILENT_AMPLITUDE:
        problems.append(Problem("silent", path, f"{path}: silent (amplitude {sound.swing:.1e}, full scale is 1)"))
        return problems
    problems += _check_transfer(sound.damage, path)
    if sound.clipped:
        run = max(sound.high.run, sound.low.run)
        problems.append(Problem("clipped", path, f"{path}: clipped ({run} samples in a row at its largest amplitude)"))
    if abs(sound.mean) > _OFFSET_TO_RMS * sound.rms:
        message = f"{path}: has a constant offset of {sound.mean:.3g} ({abs(sound.mean) / sound.rms:.0%} of its RMS)"
        problems.append(Problem("dc_offset", path, message))
    first = by_digest.setdefault(sound.digest, utterance)
    if first is not utterance and first.split == utterance.split:
        problems.append(Problem("duplicate_audio", path, f"{path}: same audio as {first.path}"))
    elif first is not utterance:
        message = f"{path} ({utterance.split}): same audio as {first.path} ({first.split})"
        problems.append(Problem("audio_leak", path, message))
    return problems


def _check_transfer(damage: Damage, path: str) -> list[Problem]:
    """Report the traces of a program for text."""
    if damage.shifted_from is not None:
        message = (
            f"{path}: noise from about sample {damage.shifted_from} on, where a byte was lost: copy the file again"
        )
        return [Problem("shifted_bytes", path, message)]
    if damage.text_mode:
        return [Problem("text_mode", path, f"{path}: no byte 13 in it, they were turned into 10: copy the file again")]
    return []


def _check_alignments(utterance: Utterance) -> list[Problem]:
    problems = []
    for tier, labels in (("word", utterance.words), ("phone", utterance.phones)):
        reversed_ = [label for label in labels if label.stop <= label.start]
        over = [label for label in labels if label.stop > utterance.n_samples or label.start < 0]
        if reversed_:
            problems.append(_misplaced("alignment_reversed", utterance, tier, reversed_))
        if over:
            worst = max(max(label.stop - utterance.n_samples, -label.start) for label in over)
            code = "alignment_overhang" if worst <= _OVERHANG_SAMPLES else "alignment_outside"
            problems.append(_misplaced(code, utterance, tier, over))
    return problems


def _misplaced(code: str, utterance: Utterance, tier: str, labels: list[Interval]) -> Problem:
    label = labels[0]
    more = f" (and {len(labels) - 1} more)" if len(labels) > 1 else ""
    message = (
        f"{utterance.path}: {tier} {label.label!r} spans samples {label.start} to {label.stop}, "
        f"the audio has {utterance.n_samples}{more}"
    )
    return Problem(code, utterance.path, message)


def _check_rates(reader: type[CorpusReader], utterances: list[Utterance]) -> list[Problem]:
    rates = Counter(utterance.sample_rate for utterance in utterances)
    if not rates:
        return []
    usual = max(rates, key=lambda rate: (rates[rate], rate))
    problems = [
        Problem("sample_rate", one.path, f"{one.path}: sampled at {one.sample_rate} Hz, most of the rest at {usual} Hz")
        for one in utterances
        if one.sample_rate != usual
    ]
    if usual != (published := reader.published.sample_rate or usual):
        message = f"sampled at {usual} Hz, the published corpus at {published} Hz"
        problems.append(Problem("unusual_sample_rate", reader.name, message))
    return problems


def _check_splits(utterances: list[Utterance]) -> list[Problem]:
    places: dict[str, Counter[str]] = {}
    for utterance in utterances:
        if utterance.split is not None:
            places.setdefault(utterance.speaker, Counter())[utterance.split] += 1
    return [
        Problem(
            "speaker_leak", speaker, f"{speaker}: in " + " and ".join(f"{s} ({n[s]} utterances)" for s in sorted(n))
        )
        for speaker, n in places.items()
        if len(n) > 1
    ]


def check_complete(reader: type[CorpusReader], utterances: Iterable[Utterance]) -> list[Problem]:
    """Compare with the published counts when most of the speakers are there: less is meant to be a part."""
    published = reader.published
    counted = [utterance for utterance in utterances if utterance.split in published.files]
    n_speakers = len({utterance.speaker for utterance in counted})
    counts = Counter(utterance.split for utterance in counted)
    known = {split: number for split, number in published.files.items() if number is not None}
    if published.speakers is None or n_speakers <= published.speakers // 2:
        return []
    if n_speakers == published.speakers and all(counts[split] == number for split, number in known.items()):
        return []
    here = " and ".join(f"{counts[split]} {split}" for split in known)
    there = " and ".join(str(number) for number in known.values())
    message = (
        f"{here} files of {n_speakers} speakers; the full {published.title} has {there} of {published.speakers}"
        if known
        else f"{n_speakers} speakers; the full {published.title} has {published.speakers}"
    )
    return [Problem("incomplete_copy", reader.name, message)]


def _amount(utterances: Iterable[Utterance]) -> dict[str, Any]:
    chosen = list(utterances)
    return {
        "utterances": len(chosen),
        "speakers": len({one.speaker for one in chosen}),
        "duration_s": round(sum(one.duration_s for one in chosen), 3),
    }


def _count(utterances: list[Utterance]) -> dict[str, Any]:
    speakers = {one.speaker: one.sex for one in utterances}
    splits = sorted({one.split for one in utterances if one.split is not None})
    return {
        **_amount(utterances),
        "sexes": dict(sorted(Counter(speakers.values()).items())),
        "splits": {split: _amount(one for one in utterances if one.split == split) for split in splits},
        "sample_rates_hz": {str(rate): n for rate, n in sorted(Counter(one.sample_rate for one in utterances).items())},
        "with_text": sum(one.text is not None for one in utterances),
        "with_words": sum(bool(one.words) for one in utterances),
        "with_phones": sum(bool(one.phones) for one in utterances),
    }


def _describe(counts: dict[str, Any]) -> list[str]:
    def amount(part: dict[str, Any]) -> str:
        return f"{part['utterances']} utterances, {part['speakers']} speakers, {part['duration_s'] / 60:.1f} minutes"

    sexes = ", ".join(f"{number} {sex}" for sex, number in counts["sexes"].items())
    rates = ", ".join(f"{rate} Hz" for rate in counts["sample_rates_hz"])
    lines = [f"  {amount(counts)} ({sexes or 'none'}; {rates or 'no audio'})"]
    lines += [f"  {split}: {amount(part)}" for split, part in counts["splits"].items()]
    with_ = f"text {counts['with_text']}, words {counts['with_words']}, phones {counts['with_phones']}"
    return [*lines, f"  utterances with {with_}"]
