"""Names for the sentences of parallel corpora, whose speakers read the same prompts, with or without transcripts."""

from __future__ import annotations

from collections.abc import Iterable

from sepvae.corpora.records import plain_words


class Prompts:
    """Tells which sentences are the same: by their words where these are known, by the corpus's own ids otherwise.

    Neither is enough by itself: one speaker's transcript may be missing, or spelt another way, and a speaker may have
    read an earlier list in which other numbers stand for the same words.

    Args:
        texts: pairs of the corpus's id of a sentence and its words, of any speaker.

    Example:
        >>> prompts = Prompts([("a0001", "Good morning."), ("a0007", "good morning")])
        >>> prompts.name("a0007", "Good morning"), prompts.name("a0001"), prompts.name("b0002")
        ('a0001', 'a0001', 'b0002')
    """

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        self._texts: dict[str, str] = {}
        self._first: dict[str, str] = {}
        for name, text in sorted(texts):
            words = plain_words(text)
            if words:
                self._texts.setdefault(name, words)
                self._first.setdefault(words, name)

    def name(self, sentence: str, text: str | None = None) -> str:
        """Return the first id with the same words; `text` is the speaker's own, that of others with the id if None."""
        words = self._texts.get(sentence, "") if text is None else plain_words(text)
        return self._first.get(words, sentence)
