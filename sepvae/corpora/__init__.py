"""Corpora on disk behind one interface: each reader yields utterance records."""

from sepvae.corpora.records import CORPORA, Corpus, Interval, Problem, Utterance, open_corpus

__all__ = ["CORPORA", "Corpus", "Interval", "Problem", "Utterance", "open_corpus"]
