"""Tier: a shared folder or object store behind the caches of many machines."""

from studio.cache.tier.tier import Tier

__all__ = ["Tier"]
