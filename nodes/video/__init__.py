"""Films taken apart: pictures and sound."""
