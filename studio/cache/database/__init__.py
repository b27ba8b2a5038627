"""Databases: SQLite files that survive forks, damage and full disks. They know no table."""

from studio.cache.database.connection import Answer, Malformed
from studio.cache.database.database import Database
from studio.cache.database.exclusive import ExclusiveDatabase

__all__ = ["Answer", "Database", "ExclusiveDatabase", "Malformed"]
