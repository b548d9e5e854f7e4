"""A Parquet file as DuckDB and pandas see it.

    read.py FILE     prints one JSON object: DuckDB's column types, pandas' dtypes, and both readings of the first and last rows
Needs duckdb, pandas and pyarrow (PyPI; Debian has neither the first nor the last).
"""
import json
import sys

import duckdb
import pandas

path = sys.argv[1]
described = duckdb.execute("DESCRIBE SELECT * FROM read_parquet(?)", [path]).fetchall()
rows = duckdb.execute("SELECT * FROM read_parquet(?) ORDER BY Image", [path]).fetchall()
names = [column[0] for column in described]
frame = pandas.read_parquet(path, engine="pyarrow")


def plain(value):
    return None if pandas.isna(value) else value.item() if hasattr(value, "item") else value


ends = [0, 1, 2, len(rows) - 1]
json.dump(
    {
        "count": [len(rows), len(frame)],
        "types": {column[0]: column[1] for column in described},
        "dtypes": {name: str(kind) for name, kind in frame.dtypes.items()},
        "duckdb": [dict(zip(names, rows[i])) for i in ends],
        "pandas": [{name: plain(value) for name, value in frame.iloc[i].items()} for i in ends],
    },
    sys.stdout,
)
