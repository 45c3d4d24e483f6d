"""The page of a run: scores, figures and players in one HTML file that opens from disk."""
