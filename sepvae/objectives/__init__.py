"""What to minimise: callables from models and a batch to a loss with named terms."""

from sepvae.objectives.contract import OBJECTIVES, Batch, Loss, Objective, make_objective, parse_objective_config

__all__ = ["OBJECTIVES", "Batch", "Loss", "Objective", "make_objective", "parse_objective_config"]
