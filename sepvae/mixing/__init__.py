"""From utterances to mixtures that can be rebuilt bit for bit from a manifest."""
