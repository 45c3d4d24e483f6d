"""A small recogniser of phones and one of voices: instruments that measure what augmentation does to speech."""
