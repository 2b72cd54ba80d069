"""Tables: files, scikit-learn tables and a random prior become scaled numbers, in roles by family.

Names are imported on first use: this package costs nothing until a table is touched, and scaling
rows needs no pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autometa.tables._cache import default_cache_dir
    from autometa.tables._columns import ColumnKind, ColumnPlan
    from autometa.tables._contents import make_table
    from autometa.tables._encode import encode_table, scale_table
    from autometa.tables._encoder import FrameEncoder
    from autometa.tables._families import SharedRows, check_leakage, find_families, shared_rows
    from autometa.tables._fetch_sources import (
        OFFLINE_VARIABLE,
        fetch_sources,
        is_offline,
        settled,
        sources_of,
    )
    from autometa.tables._files import list_files
    from autometa.tables._load_scaled import cached_bytes, load_scaled
    from autometa.tables._read_file import read_frame
    from autometa.tables._records import (
        SYNTHETIC,
        EncodedTable,
        RowHashes,
        ScaledTable,
        Skipped,
        Table,
    )
    from autometa.tables._roles import ROLES, Roles, load_roles
    from autometa.tables._scaling import (
        MOMENT_ROWS,
        MOST_DISTINCT,
        N_CHANNELS,
        N_STATISTICS,
        Z_LIMIT,
        ScaledRows,
        Scaling,
        normal_scores_of,
        scale_rows,
    )
    from autometa.tables._sklearn import SKLEARN_NAMES
    from autometa.tables._sources import load_source, parse_source
    from autometa.tables._summary import TableSummary, summarise
    from autometa.tables._synthetic import synthetic_table

_MODULES = {
    "MOMENT_ROWS": "_scaling",
    "MOST_DISTINCT": "_scaling",
    "N_CHANNELS": "_scaling",
    "N_STATISTICS": "_scaling",
    "OFFLINE_VARIABLE": "_fetch_sources",
    "ROLES": "_roles",
    "SKLEARN_NAMES": "_sklearn",
    "SYNTHETIC": "_records",
    "ColumnKind": "_columns",
    "ColumnPlan": "_columns",
    "EncodedTable": "_records",
    "FrameEncoder": "_encoder",
    "Roles": "_roles",
    "RowHashes": "_records",
    "ScaledRows": "_scaling",
    "ScaledTable": "_records",
    "Scaling": "_scaling",
    "SharedRows": "_families",
    "Skipped": "_records",
    "Table": "_records",
    "TableSummary": "_summary",
    "Z_LIMIT": "_scaling",
    "cached_bytes": "_load_scaled",
    "check_leakage": "_families",
    "default_cache_dir": "_cache",
    "encode_table": "_encode",
    "fetch_sources": "_fetch_sources",
    "find_families": "_families",
    "is_offline": "_fetch_sources",
    "list_files": "_files",
    "load_roles": "_roles",
    "load_scaled": "_load_scaled",
    "load_source": "_sources",
    "make_table": "_contents",
    "normal_scores_of": "_scaling",
    "parse_source": "_sources",
    "read_frame": "_read_file",
    "scale_rows": "_scaling",
    "scale_table": "_encode",
    "settled": "_fetch_sources",
    "shared_rows": "_families",
    "sources_of": "_fetch_sources",
    "summarise": "_summary",
    "synthetic_table": "_synthetic",
}

__all__ = [
    "MOMENT_ROWS",
    "MOST_DISTINCT",
    "N_CHANNELS",
    "N_STATISTICS",
    "OFFLINE_VARIABLE",
    "ROLES",
    "SKLEARN_NAMES",
    "SYNTHETIC",
    "Z_LIMIT",
    "ColumnKind",
    "ColumnPlan",
    "EncodedTable",
    "FrameEncoder",
    "Roles",
    "RowHashes",
    "ScaledRows",
    "ScaledTable",
    "Scaling",
    "SharedRows",
    "Skipped",
    "Table",
    "TableSummary",
    "cached_bytes",
    "check_leakage",
    "default_cache_dir",
    "encode_table",
    "fetch_sources",
    "find_families",
    "is_offline",
    "list_files",
    "load_roles",
    "load_scaled",
    "load_source",
    "make_table",
    "normal_scores_of",
    "parse_source",
    "read_frame",
    "scale_rows",
    "scale_table",
    "settled",
    "shared_rows",
    "sources_of",
    "summarise",
    "synthetic_table",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
