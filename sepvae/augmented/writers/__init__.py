"""Formats of augmented speech: files, archives of features, and tar files of audio."""

from sepvae.augmented.writers.contract import Block as Block
from sepvae.augmented.writers.contract import block_utterances as block_utterances
from sepvae.augmented.writers.contract import open_writer as open_writer
