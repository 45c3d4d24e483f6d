"""What is to be made: the utterances of a corpus that can be augmented, in a file that every worker and shard reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.identity import Identity
from sepvae.augmented.journal import Lines
from sepvae.augmented.records import Failure, check_labels, within
from sepvae.augmented.saved import damaged, read_saved
from sepvae.corpora.records import Corpus, Problem, Utterance, warn_of
from sepvae.corpora.validate import severity
from sepvae.errors import ConfigError, InputError
from sepvae.files import hash_file, output_error, read_jsonl, write_json, write_jsonl

# The header is written last: where it is, the rest is.
HEADER = "plan.json"
_FIELDS = {"fingerprint": str, "sample_rate": int, "duration_s": float, "corpus": dict, "corpus_hash": str}
_UTTERANCES, _FAILURES = "utterances.jsonl", "left-out.jsonl"


@dataclass(frozen=True)
class Plan:
    """The utterances to augment, sorted by id and read from disk one by one, and what had to be left out."""

    utterances: Lines[Utterance]
    failures: tuple[Failure, ...]
    sample_rate: int
    duration_s: float
    fingerprint: str
    corpus_hash: str
    corpus: Identity

    def blocks(self, size: int) -> range:
        """Return the numbers of the blocks of `size` utterances."""
        return range(-(-len(self.utterances) // size))

    def block(self, number: int, size: int) -> list[Utterance]:
        """Return the utterances of one block."""
        return self.utterances[number * size : (number + 1) * size]


def write_plan(folder: Path, corpus: Corpus, identity: Identity, config: AugmentConfig, fingerprint: str) -> None:
    """Read the headers of a corpus once, and write what is to be made into `folder`.

    `identity` is that of the corpus before it is read: what changes meanwhile is noticed later.

    Raises:
        InputError: there is nothing to augment.
        ConfigError: the corpus has no such split.
    """
    rates: Counter[int] = Counter()
    splits: set[str] = set()

    def chosen() -> Iterator[dict[str, Any]]:
        for utterance in corpus.utterances():
            splits.add(str(utterance.split))
            if config.split in (None, utterance.split):
                rates[utterance.sample_rate] += 1
                yield asdict(utterance)

    listed = folder / "listed.jsonl"
    write_jsonl(listed, chosen())
    if not rates:
        raise ConfigError(f"split {config.split!r}: the corpus has none of that name, but {', '.join(sorted(splits))}")
    rate = config.sample_rate or max(rates, key=lambda rate: (rates[rate], rate))
    warn_of([one for one in corpus.problems if severity(one) == "warning"], corpus.root)
    left_out = [reader_failure(one, corpus.root) for one in corpus.problems if severity(one) == "error"]
    utterances: Lines[Utterance] = Lines(listed, Utterance.from_json)
    write_jsonl(folder / _UTTERANCES, usable_utterances(utterances, rate, config, left_out))
    usable: Lines[Utterance] = Lines(folder / _UTTERANCES, Utterance.from_json)
    duration_s = sum(one.duration_s for one in usable)
    if duration_s == 0:
        first = f", the first: {left_out[0].message}" if left_out else ""
        raise InputError(f"{corpus.root}: nothing can be augmented, {len(left_out)} files were left out{first}")
    write_jsonl(folder / _FAILURES, (asdict(failure) for failure in left_out))
    header = {"fingerprint": fingerprint, "sample_rate": rate, "duration_s": duration_s, "corpus": identity.to_json()}
    write_json(folder / HEADER, {**header, "corpus_hash": hash_file(folder / _UTTERANCES)})
    usable.close()
    utterances.close()
    listed.unlink()


def reader_failure(problem: Problem, root: Path) -> Failure:
    """Return what the reader of the corpus found; a file that it reads under another id would be heard twice."""
    message = problem.message.partition("; read under")[0] if problem.code == "duplicate_id" else problem.message
    return Failure(problem.code, problem.item, within(message, root, root.resolve()))


def usable_utterances(
    utterances: Iterable[Utterance], rate: int, config: AugmentConfig, left_out: list[Failure]
) -> Iterator[dict[str, Any]]:
    """Yield the utterances whose header and labels are as they have to be; the others become failures."""
    seen: set[str] = set()
    twice = {one.item for one in left_out if one.code == "duplicate_id"}
    for one in utterances:
        if one.path in twice:
            continue
        failure = _unfit(one, rate, config, seen)
        if failure is not None:
            left_out.append(failure)
            continue
        seen.add(one.id)
        yield asdict(one)


def _unfit(one: Utterance, rate: int, config: AugmentConfig, seen: set[str]) -> Failure | None:
    """Return why an utterance cannot be augmented, if so."""
    if one.id in seen:
        return Failure("duplicate_id", one.path, f"{one.path}: a second utterance with the id {one.id!r}: rename one")
    if one.sample_rate != rate:
        what = f"sampled at {one.sample_rate} Hz, the rest at {rate} Hz: resample it first"
        return Failure("sample_rate", one.path, f"{one.path}: {what}")
    if one.duration_s < config.min_duration_s:
        what = f"lasts {1000 * one.duration_s:.0f} ms, less than a segment ({1000 * config.min_duration_s:.0f} ms)"
        return Failure("too_short", one.path, f"{one.path}: {what}: leave it out")
    try:
        check_labels(one)
    except InputError as error:
        return Failure("labels", one.path, str(error))
    return None


def publish_plan(draft: Path, folder: Path) -> None:
    """Move a plan from the folder `draft` to `folder` beside it; OutputError when that cannot be."""
    for name in (_UTTERANCES, _FAILURES, HEADER):
        try:
            (draft / name).replace(folder / name)
        except OSError as error:
            raise output_error(folder / name, error) from error


def has_plan(folder: Path) -> bool:
    """Whether `folder` holds a whole plan."""
    return (folder / HEADER).is_file()


def read_plan(folder: Path) -> Plan:
    """Return the plan in `folder`; InputError when it is damaged."""
    header = read_saved(folder / HEADER, _FIELDS)
    corpus = Identity.from_json(header["corpus"], folder / HEADER)
    path = folder / _UTTERANCES
    if not path.is_file() or hash_file(path) != header["corpus_hash"]:
        raise damaged(path, "its hash is another one")
    try:
        failures = tuple(Failure(**record) for record in read_jsonl(folder / _FAILURES))
    except (InputError, TypeError) as error:
        raise damaged(folder / _FAILURES, str(error)) from error
    plain = {name: header[name] for name in _FIELDS if name != "corpus"}
    return Plan(Lines(path, Utterance.from_json), failures, corpus=corpus, **plain)
