"""What is to be made: the utterances of a corpus that can be augmented, in a file that every worker and shard reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sepvae import plugins
from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.fingerprint import CorpusSnapshot
from sepvae.augmented.journal import Lines, damaged, read_checked
from sepvae.augmented.records import Failure
from sepvae.augmented.usable import reader_failure, usable_utterances
from sepvae.corpora.records import Corpus, Utterance, warn_of
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
    corpus: CorpusSnapshot
    block_size: int

    @property
    def n_blocks(self) -> int:
        """How many blocks of `block_size` utterances there are, the last of which may be smaller."""
        return -(-len(self.utterances) // self.block_size)

    def block(self, number: int) -> list[Utterance]:
        """Return the utterances of one block."""
        return self.utterances[number * self.block_size : (number + 1) * self.block_size]

    def size_of(self, number: int) -> int:
        """Return how many utterances one block has."""
        return min(self.block_size, len(self.utterances) - number * self.block_size)


def write_plan(folder: Path, corpus: Corpus, snapshot: CorpusSnapshot, config: AugmentConfig, fingerprint: str) -> None:
    """Read the headers of a corpus once, and write what is to be made into `folder`.

    `snapshot` is of the corpus before it is read: what changes meanwhile is noticed later.

    Raises:
        InputError: there is nothing to augment.
        ConfigError: the corpus has no such split.
    """
    rates: Counter[int] = Counter()
    splits: set[str] = set()

    def chosen() -> Iterator[dict[str, Any]]:
        for utterance in corpus.utterances():
            splits.add(utterance.split or "")
            if config.split in (None, utterance.split):
                rates[utterance.sample_rate] += 1
                yield asdict(utterance)

    listed = folder / "listed.jsonl"
    write_jsonl(listed, chosen())
    if not rates:
        named = ", ".join(sorted(splits - {""}))
        found = f"none of that name, but {named}" if named else "no splits: leave it out"
        raise ConfigError(f"split {config.split!r}: the corpus has {found}")
    rate = config.sample_rate or max(rates, key=lambda rate: (rates[rate], rate))
    warn_of([one for one in corpus.problems if severity(one) == "warning"], corpus.root)
    left_out = [reader_failure(one, corpus.root) for one in corpus.problems if severity(one) == "error"]
    utterances: Lines[Utterance] = Lines(listed, Utterance.from_json)
    good = usable_utterances(utterances, rate, config.min_duration_s, left_out)
    write_jsonl(folder / _UTTERANCES, (asdict(one) for one in good))
    usable: Lines[Utterance] = Lines(folder / _UTTERANCES, Utterance.from_json)
    duration_s = sum(one.duration_s for one in usable)
    if duration_s == 0:
        first = f", the first: {left_out[0].message}" if left_out else ""
        raise InputError(f"{corpus.root}: nothing can be augmented, {len(left_out)} files were left out{first}")
    write_jsonl(folder / _FAILURES, (asdict(failure) for failure in left_out))
    header = {
        "fingerprint": fingerprint, "sample_rate": rate, "duration_s": duration_s, "corpus": snapshot.to_json(),
        "corpus_hash": hash_file(folder / _UTTERANCES), "plugins": plugins.needed_by(config),
    }  # fmt: skip
    write_json(folder / HEADER, header)
    usable.close()
    utterances.close()
    listed.unlink()


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


def read_plan(folder: Path, block_size: int) -> Plan:
    """Return the plan in `folder`, cut into blocks of so many utterances; InputError when it is damaged."""
    header = read_checked(folder / HEADER, _FIELDS)
    corpus = CorpusSnapshot.from_json(header["corpus"], folder / HEADER)
    path = folder / _UTTERANCES
    if not path.is_file() or hash_file(path) != header["corpus_hash"]:
        raise damaged(path, "its hash is another one")
    try:
        failures = tuple(Failure(**record) for record in read_jsonl(folder / _FAILURES))
    except (InputError, TypeError) as error:
        raise damaged(folder / _FAILURES, str(error)) from error
    plain = {name: header[name] for name in _FIELDS if name != "corpus"}
    return Plan(Lines(path, Utterance.from_json), failures, corpus=corpus, block_size=block_size, **plain)
