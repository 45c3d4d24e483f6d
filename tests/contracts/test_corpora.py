"""What every reader of a corpus keeps, shown on its `example`; an entry of the table is tested without another line.

The checks are plain functions of the entry's name and an empty folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from sepvae import audio
from sepvae.corpora import CORPORA
from sepvae.corpora.reader import CorpusReader, corpus_class
from sepvae.corpora.records import Corpus, Utterance, open_corpus
from sepvae.corpora.validate import validate
from sepvae.errors import InputError
from sepvae.files import read_json, write_json, write_text
from sepvae.seeds import generator

RECORDING_S = 0.2


def write_example(name: str, folder: Path, *, rename: Callable[[str], str] = str) -> CorpusReader:
    """Write the example of a layout, with noise of 0.2 s for its recordings, and open it."""
    reader = corpus_class(name)
    for path, content in reader.example.items():
        place = folder / rename(path)
        if content is None:
            write_noise(place, reader.published.sample_rate or 16000)
        else:
            write_text(place, content)
    return reader(folder)


def write_noise(path: Path, rate: int, *, seconds: float = RECORDING_S) -> None:
    """Write a recording that depends on the file's name alone, in the container of its ending, in lower case or not."""
    noise = generator(0, path.as_posix()[-40:]).normal(0, 0.05, round(seconds * rate)).clip(-0.9, 0.9)
    written = path.with_name("written" + path.suffix.lower())
    audio.write(written, noise.astype(np.float32), sample_rate=rate, subtype="pcm16")
    written.rename(path)


def ids(corpus: Corpus) -> list[str]:
    return [one.id for one in corpus.utterances()]


def check_the_example_is_recognised_and_whole(name: str, folder: Path) -> None:
    corpus = write_example(name, folder)
    assert corpus.name == name, f"the reader calls itself {corpus.name!r}"
    found = open_corpus(folder)
    assert found.name == name, f"{found.name}, which comes before it in the table, takes the example for its own"
    utterances = list(found.utterances())
    assert found.problems == []
    assert len(utterances) == sum(content is None for content in corpus.example.values())
    assert len({one.speaker for one in utterances}) >= 2, "the example has one speaker"
    assert validate(found).problems == ()


def check_it_is_recognised_by_names_alone(name: str, folder: Path) -> None:
    for path in corpus_class(name).example:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    assert corpus_class(name).matches(folder)


def check_an_empty_folder_is_refused(name: str, folder: Path) -> None:
    reader = corpus_class(name)
    assert not reader.matches(folder) and not reader.matches(folder / "missing")
    assert (reader(folder).root, reader(folder).problems) == (folder, [])
    with pytest.raises(InputError) as caught:
        list(reader(folder).utterances())
    assert str(folder) in str(caught.value) and reader.layout in str(caught.value)


def check_the_records(name: str, folder: Path) -> None:
    corpus = write_example(name, folder)
    utterances = list(corpus.utterances())
    found = [one.id for one in utterances]
    assert found == sorted(set(found)), "ids are unique and sorted"
    for one in utterances:
        place = PurePosixPath(one.path)
        assert not place.is_absolute() and ".." not in place.parts and "\\" not in one.path, one.path
        info = audio.inspect(folder / one.path)
        assert (one.sample_rate, one.n_samples) == (info.sample_rate, info.n_samples)
        assert one.duration_s == pytest.approx(RECORDING_S)
        assert one.speaker and one.sex in ("female", "male", "unknown")
        assert one.split != "" and one.text != "" and one.prompt != "" and one.dialect != ""
        assert all(0 <= label.start < label.stop <= one.n_samples for label in (*one.words, *one.phones))


def check_reading_again_gives_the_same(name: str, folder: Path) -> None:
    corpus = write_example(name, folder)
    (folder / next(corpus.utterances()).path).write_bytes(b"")
    first = list(corpus.utterances()), list(corpus.problems)
    assert (list(corpus.utterances()), corpus.problems) == first
    assert (list(corpus_class(name)(folder).utterances()), len(first[1])) == (first[0], 1)


def check_records_survive_json(name: str, folder: Path) -> None:
    for one in write_example(name, folder / "corpus").utterances():
        write_json(folder / "one.json", asdict(one))
        assert Utterance.from_json(read_json(folder / "one.json")) == one


def check_files_that_cannot_be_read_are_problems(name: str, folder: Path) -> None:
    corpus = write_example(name, folder)
    (cut, path), (bare, other), *rest = [(one.id, one.path) for one in corpus.utterances()]
    (folder / path).write_bytes((folder / path).read_bytes()[:30])
    # What a file holds is seen by its content, whatever its ending.
    audio.write(folder / "nothing.wav", np.zeros(0, np.float32), sample_rate=16000)
    (folder / "nothing.wav").rename(folder / other)
    assert ids(corpus) == [one for one, _ in rest], f"{cut} and {bare} are left out, and nothing else"
    assert {(one.code, one.item) for one in corpus.problems} == {("broken", path), ("empty", other)}
    assert all(one.item in one.message for one in corpus.problems)


def check_audio_outside_the_layout_is_a_problem(name: str, folder: Path) -> None:
    corpus = write_example(name, folder)
    before = ids(corpus)
    write_noise(folder / "stray recording.wav", 16000)
    assert ids(corpus) == before
    assert [(one.code, one.item) for one in corpus.problems] == [("unrecognised", "stray recording.wav")]


def check_hidden_files_are_passed_over(name: str, folder: Path) -> None:
    corpus = write_example(name, folder)
    before = ids(corpus)
    for path in corpus.example:
        # What copying from a Mac leaves beside each file.
        hidden = folder / path
        hidden.with_name("._" + hidden.name).write_bytes(b"\0\5\26\7")
    shutil.copytree(folder, folder / ".trash")
    assert ids(corpus) == before and corpus.problems == []


def check_links_to_folders_are_followed_once(name: str, folder: Path) -> None:
    corpus = write_example(name, folder / "corpus")
    before = ids(corpus)
    top = folder / "corpus" / next(iter(corpus.utterances())).path.split("/")[0]
    try:
        top.rename(folder / "elsewhere")
        top.symlink_to(folder / "elsewhere", target_is_directory=True)
        (folder / "corpus/again").symlink_to(folder / "corpus", target_is_directory=True)
    except OSError:
        pytest.skip("this system has no links to folders")
    assert corpus_class(name).matches(folder / "corpus")
    assert ids(corpus) == before and corpus.problems == []


def check_letters_in_other_case(name: str, folder: Path) -> None:
    if not corpus_class(name).ignores_case:
        pytest.skip("this reader does not say that it ignores the case of letters")
    before = ids(write_example(name, folder / "as it is"))
    for rename in (str.upper, str.lower):
        other = write_example(name, folder / rename.__name__, rename=rename)
        assert open_corpus(other.root).name == name
        assert ids(other) == before and other.problems == []


CHECKS = (
    check_the_example_is_recognised_and_whole,
    check_it_is_recognised_by_names_alone,
    check_an_empty_folder_is_refused,
    check_the_records,
    check_reading_again_gives_the_same,
    check_records_survive_json,
    check_files_that_cannot_be_read_are_problems,
    check_audio_outside_the_layout_is_a_problem,
    check_hidden_files_are_passed_over,
    check_links_to_folders_are_followed_once,
    check_letters_in_other_case,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("name", CORPORA)
def test_every_reader(name: str, check: Callable[[str, Path], None], tmp_path: Path) -> None:
    check(name, tmp_path)
