"""Formats of augmented speech: files, archives of features, and tar files of audio."""

from sepvae.augmentation.writers.contract import Block as Block
from sepvae.augmentation.writers.contract import block_utterances as block_utterances
from sepvae.augmentation.writers.contract import open_writer as open_writer
