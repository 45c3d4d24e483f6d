"""From mixtures to a checkpoint: cached features, one loop, model folders without code in them."""
