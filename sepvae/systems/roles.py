"""What a system, or whatever else is compared, is in a comparison."""

from __future__ import annotations

from typing import Literal

# In the order of tables and pages. What is informed is given the true sources and is no bound, a ceiling is one.
Role = Literal["floor", "baseline", "ours", "informed", "ceiling"]
# Of those that may be marked as the best: what others published, and the toolkit's own.
Competitor = Literal["baseline", "ours"]
