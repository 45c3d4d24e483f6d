"""Whatever separates a mixture in an experiment: trained models, baselines, floor and ceilings, behind one contract."""

from sepvae.systems.contract import SYSTEMS, Material, System, make_system, parse_system_config

__all__ = ["SYSTEMS", "Material", "System", "make_system", "parse_system_config"]
