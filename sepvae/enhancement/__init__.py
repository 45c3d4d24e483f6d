"""Speech enhancement: a VAE as the prior of clean speech, non-negative matrix factors as the model of any noise."""
