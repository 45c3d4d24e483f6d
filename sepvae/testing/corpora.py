"""What every reader of a corpus keeps, shown on its `example`."""

from __future__ import annotations

import shutil
import tempfile
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path, PurePosixPath

import numpy as np

from sepvae import audio
from sepvae.corpora import CORPORA
from sepvae.corpora.reader import CorpusReader, corpus_class
from sepvae.corpora.records import Corpus, Utterance, open_corpus
from sepvae.corpora.validate import validate
from sepvae.errors import InputError
from sepvae.files import read_json, write_json, write_text
from sepvae.seeds import generator
from sepvae.testing.contract import expect, only, raises

RECORDING_S = 0.2


@contextmanager
def empty_folder() -> Iterator[Path]:
    """Give an empty folder; what a reader looks for in the two folders above is not there either."""
    with tempfile.TemporaryDirectory(prefix="sepvae-") as above:
        folder = Path(above).resolve() / "above" / "corpus"
        folder.mkdir(parents=True)
        yield folder


def write_example(name: str, folder: Path, *, rename: Callable[[str], str] = str) -> CorpusReader:
    """Write the example of a layout, with noise of 0.2 s for its recordings, and open it."""
    reader = corpus_class(name)
    for path, content in reader.example.items():
        if content is None:
            write_noise(folder, rename(path), reader.published.sample_rate or 16000)
        else:
            write_text(folder / rename(path), content)
    return reader(folder)


@contextmanager
def example(name: str) -> Iterator[CorpusReader]:
    """Give a reader of the example of a layout."""
    with empty_folder() as folder:
        yield write_example(name, folder)


def write_noise(folder: Path, name: str, rate: int) -> None:
    """Write a recording that depends on its name alone, in the container of its ending, in lower case or not."""
    path = folder / name
    noise = generator(0, name).normal(0, 0.05, round(RECORDING_S * rate)).clip(-0.9, 0.9)
    written = path.with_name("written" + path.suffix.lower())
    audio.write(written, noise.astype(np.float32), sample_rate=rate, subtype="pcm16")
    written.rename(path)


def ids(corpus: Corpus) -> list[str]:
    """Return the ids of all utterances."""
    return [one.id for one in corpus.utterances()]


def _unchanged(corpus: Corpus, before: list[str], what: str) -> None:
    """Raise AssertionError when a corpus holds other utterances than before, or has problems."""
    found = ids(corpus)
    expect(found == before, f"{what}: utterances {found}, before {before}")
    expect(corpus.problems == [], f"{what}: problems {corpus.problems}")


def check_the_example_is_recognised_and_whole(name: str) -> None:
    """A folder like the example is recognised as this layout, and read without a problem: all its recordings."""
    with example(name) as corpus:
        expect(corpus.name == name, f"the reader calls itself {corpus.name!r}")
        found = open_corpus(corpus.root)
        expect(found.name == name, f"{found.name}, which is asked before it, takes the example for its own")
        utterances = list(found.utterances())
        expect(found.problems == [], f"problems {found.problems}")
        recordings = [path for path, content in corpus.example.items() if content is None]
        expect(len(utterances) == len(recordings), f"{len(utterances)} utterances of {len(recordings)} recordings")
        expect(len(recordings) > 2, f"the example has {len(recordings)} recordings: give three or more")
        expect(len({one.speaker for one in utterances}) >= 2, "the example has one speaker: give two or more")
        problems = validate(found).problems
        expect(problems == (), f"'sepvae corpus check' finds {problems}")


def check_it_is_recognised_by_names_alone(name: str) -> None:
    """Recognising a layout reads no file."""
    with empty_folder() as folder:
        _touch(name, folder)
        expect(corpus_class(name).matches(folder), "the example with empty files does not match")


def _touch(name: str, folder: Path) -> None:
    for path in corpus_class(name).example:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


def check_it_takes_no_other_corpus_for_its_own(name: str) -> None:
    """The examples of the other layouts are still recognised as theirs."""
    for other in CORPORA:
        with empty_folder() as folder:
            _touch(other, folder)
            found = open_corpus(folder).name
            expect(found != name or other == name, f"the example of {other} is taken for {found}")


def check_an_empty_folder_is_refused(name: str) -> None:
    """A folder of nothing does not match, and reading it is an error that names the folder and what was expected."""
    reader = corpus_class(name)
    with empty_folder() as folder:
        expect(not reader.matches(folder) and not reader.matches(folder / "missing"), "an empty folder matches")
        expect((reader(folder).root, reader(folder).problems) == (folder, []), "a reader that is new has problems")
        with raises(InputError, "") as caught:
            list(reader(folder).utterances())
        text = str(caught.exception)
        expect(str(folder) in text and reader.layout in text, f"the error says: {text}")


def check_the_records(name: str) -> None:
    """Records have unique sorted ids, paths that stay in the folder, the length of the file, labels inside it."""
    with example(name) as corpus:
        utterances = list(corpus.utterances())
        found = [one.id for one in utterances]
        expect(found == sorted(set(found)), f"ids are not unique and sorted: {found}")
        for one in utterances:
            place = PurePosixPath(one.path)
            inside = not place.is_absolute() and ".." not in place.parts and "\\" not in one.path
            expect(inside, f"{one.path}: is no relative path with forward slashes")
            info = audio.inspect(corpus.root / one.path)
            read = one.sample_rate, one.n_samples
            expect(read == (info.sample_rate, info.n_samples), f"{one.path}: {read}, the file says {info}")
            expect(abs(one.duration_s - RECORDING_S) < 1e-6, f"{one.path}: lasts {one.duration_s} s")
            expect(bool(one.speaker) and one.sex in ("female", "male", "unknown"), f"{one.speaker!r}, sex {one.sex!r}")
            unknown = (one.split, one.text, one.prompt, one.dialect)
            expect("" not in unknown, f"{one.id}: what is not known is None, not '': {unknown}")
            for label in (*one.words, *one.phones):
                expect(0 <= label.start < label.stop <= one.n_samples, f"{one.id}: {label} of {one.n_samples} samples")


def check_reading_again_gives_the_same(name: str) -> None:
    """A second reading, by the same reader or a new one, gives the same utterances and problems."""
    with example(name) as corpus:
        (corpus.root / next(corpus.utterances()).path).write_bytes(b"")
        first = list(corpus.utterances()), list(corpus.problems)
        expect((list(corpus.utterances()), corpus.problems) == first, f"read again: {corpus.problems}, first {first}")
        new = corpus_class(name)(corpus.root)
        expect((list(new.utterances()), new.problems) == first, f"a new reader: {new.problems}, first {first}")
        expect(len(first[1]) == 1, f"one file holds nothing, and the problems are {first[1]}")


def check_records_survive_json(name: str) -> None:
    """A record written as JSON reads back as the same one."""
    with example(name) as corpus:
        for one in corpus.utterances():
            path = corpus.root.parent / "one.json"
            write_json(path, asdict(one))
            read = Utterance.from_json(read_json(path))
            expect(read == one, f"{one} reads back as {read}")


def check_files_that_cannot_be_read_are_problems(name: str) -> None:
    """A file that is cut, or holds no samples, is left out and named as a problem, and nothing else is."""
    with example(name) as corpus:
        folder = corpus.root
        (cut, path), (bare, other), *rest = [(one.id, one.path) for one in corpus.utterances()]
        (folder / path).write_bytes((folder / path).read_bytes()[:30])
        # What a file holds is seen by its content, whatever its ending.
        audio.write(folder / "nothing.wav", np.zeros(0, np.float32), sample_rate=16000)
        (folder / "nothing.wav").rename(folder / other)
        found = ids(corpus)
        expect(found == [one for one, _ in rest], f"{cut} and {bare} have to be left out, and nothing else: {found}")
        problems = {(one.code, one.item) for one in corpus.problems}
        expect(problems == {("broken", path), ("empty", other)}, f"problems {problems}")
        expect(all(one.item in one.message for one in corpus.problems), f"no file is named in {corpus.problems}")


def check_audio_outside_the_layout_is_a_problem(name: str) -> None:
    """Audio that does not fit the layout is named as `unrecognised`, and nothing else changes."""
    with example(name) as corpus:
        before = ids(corpus)
        write_noise(corpus.root, "stray recording.wav", 16000)
        found = ids(corpus)
        expect(found == before, f"utterances {found}, before the stray file {before}")
        problems = [(one.code, one.item) for one in corpus.problems]
        expect(problems == [("unrecognised", "stray recording.wav")], f"problems {problems}")


def check_hidden_files_are_passed_over(name: str) -> None:
    """Hidden files and folders, such as copying from a Mac leaves, are as if they were not there."""
    with example(name) as corpus:
        before = ids(corpus)
        for path in corpus.example:
            hidden = corpus.root / path
            hidden.with_name("._" + hidden.name).write_bytes(b"\0\5\26\7")
        shutil.copytree(corpus.root, corpus.root.parent / "copy")
        (corpus.root.parent / "copy").rename(corpus.root / ".trash")
        _unchanged(corpus, before, "with hidden files")


def check_links_to_folders_are_followed_once(name: str) -> None:
    """A link to a folder is followed, and one that leads round in a circle does no harm."""
    with example(name) as corpus:
        before, root = ids(corpus), corpus.root
        top = root / next(corpus.utterances()).path.split("/")[0]
        try:
            top.rename(root.parent / "elsewhere")
            top.symlink_to(root.parent / "elsewhere", target_is_directory=True)
            (root / "again").symlink_to(root, target_is_directory=True)
        except OSError as error:
            raise unittest.SkipTest(f"this system has no links to folders ({error})") from error
        expect(corpus_class(name).matches(root), "with a link the folder does not match")
        _unchanged(corpus, before, "with links")


@only(lambda reader: bool(reader.ignores_case), "does not say that it ignores the case of letters")
def check_letters_in_other_case(name: str) -> None:
    """A reader that `ignores_case` reads a copy in capital or small letters as the same corpus."""
    with example(name) as corpus:
        before = ids(corpus)
    for rename in (str.upper, str.lower):
        with empty_folder() as folder:
            other = write_example(name, folder, rename=rename)
            found = open_corpus(folder).name
            expect(found == name, f"in other letters it is taken for {found}")
            _unchanged(other, before, "in other letters")
