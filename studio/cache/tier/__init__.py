"""Tier: a shared folder or object store behind the caches of many machines."""

from studio.cache.tier.tier import Tier, Wanted

__all__ = ["Tier", "Wanted"]
