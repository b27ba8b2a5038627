"""A Studio that stays up: its process, its clients, and how they speak."""
