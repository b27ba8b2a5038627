"""Lines of results: an item that is over as a line of the results folder, its media in files beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.cache.cache import Cache
from studio.dataset.item_result import ItemResult
from studio.dataset.items import Item
from studio.dataset.map import ItemFinished
from studio.dataset.results import ResultLine, ResultsFolder, as_json
from studio.errors import StoreError
from studio.run.again import Again
from studio.run.result import Result

__all__ = ["line_of", "output_data"]


def line_of(finished: ItemFinished, results: ResultsFolder, cache: Cache | None, again: Again) -> ResultLine:
    """The line of an item; OSError where its media cannot be written.

    again: makes outputs again whose values are gone. An item of which one cannot be made again has failed.
    """
    item, outputs = finished.item, finished.outputs
    encoded = {name: artifact.inline for name, artifact in outputs.items() if artifact.inline}  # it is JSON
    if len(encoded) < len(outputs) or finished.failures:
        try:
            return _line_with_files(ItemResult(finished, cache, again), item, results, encoded)
        except StoreError as error:
            lost = replace(finished, outputs={}, failures={**finished.failures, "": f"{item.place}: {error}"})
            return _line_with_files(ItemResult(lost, cache, again), item, results, {})
    return ResultLine(item.id, item.digest, item.position, "done", encoded, finished.seconds)


def _line_with_files(
    result: ItemResult, item: Item, results: ResultsFolder, encoded: Mapping[str, bytes]
) -> ResultLine:
    """The line of an item that failed, or has outputs that are more than a few words."""
    outputs = {name: encoded.get(name) or as_json(output_data(result, name, name, item.id, results)) for name in result}
    ending = (outputs, result.seconds, result.error, result.kind)
    return ResultLine(item.id, item.digest, item.position, result.status, *ending)


def output_data(result: Result, name: str, folder: str, stem: str, results: ResultsFolder | None) -> Any:
    """An output as plain data; media are written to a file beside the results, and told by where that is."""
    if result.artifacts[name].absent or result.is_plain(name) or results is None:
        return result.data(name)
    places = result.save_as(name, results.media_path(folder, stem, ""))
    return _from(results.folder, result.data(name, places))


def _from(folder: Path, data: Any) -> Any:
    """The same, with paths from the folder of the results, so that it can be moved."""
    if isinstance(data, list):
        return [_from(folder, each) for each in data]
    return {**data, "path": os.path.relpath(data["path"], folder)} if data else data
