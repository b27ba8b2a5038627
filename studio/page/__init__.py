"""A run as one HTML page: what happened when, why, and every value; of one over a data set, how it stands."""

from __future__ import annotations

from studio.page.dataset_page import DatasetPage
from studio.page.run_page import Page

__all__ = ["DatasetPage", "Page"]
