"""Reads a FOCUS file with DuckDB and pyarrow, and compares what they find with its CSV.

read.py NAME: NAME.parquet and NAME.csv, in which every number has all its digits.
"""

import csv
import datetime
import decimal
import sys

import duckdb
import pyarrow
import pyarrow.parquet

name = sys.argv[1]
with open(name + ".csv", newline="", encoding="utf-8") as file:
    want = list(csv.DictReader(file))


def typed(field, text):
    if text == "":
        return None
    if pyarrow.types.is_decimal(field.type):
        return decimal.Decimal(text)
    if pyarrow.types.is_timestamp(field.type):
        return datetime.datetime.fromisoformat(text)
    return text


def same(reader, rows, schema):
    assert len(rows) == len(want), f"{reader}: {len(rows)} rows, {len(want)} in CSV"
    for n, (got, text) in enumerate(zip(rows, want)):
        for field in schema:
            expected = typed(field, text[field.name])
            assert got[field.name] == expected, f"{reader}: row {n}, {field.name}: {got[field.name]!r}, {expected!r} in CSV"


table = pyarrow.parquet.read_table(name + ".parquet")
assert table.column_names == list(want[0]), "other columns than in CSV"
for column in table.schema:
    if pyarrow.types.is_decimal(column.type):
        assert column.type.precision == 38, column
    elif pyarrow.types.is_timestamp(column.type):
        assert column.type.tz == "UTC", column
    else:
        assert column.type == pyarrow.string(), column
same("pyarrow", table.to_pylist(), table.schema)

# Bounds: a reader skips row groups by them.
metadata = pyarrow.parquet.read_metadata(name + ".parquet")
for group in range(metadata.num_row_groups):
    for n in range(metadata.num_columns):
        column = metadata.row_group(group).column(n)
        values = [v for v in table.column(n).to_pylist() if v is not None]
        assert column.statistics.null_count == len(want) - len(values), column
        if values and column.statistics.has_min_max:
            assert (column.statistics.min, column.statistics.max) == (min(values), max(values)), column

duckdb.sql("SET TimeZone = 'UTC'")
found = duckdb.sql(f"SELECT * FROM '{name}.parquet'")
rows = [dict(zip(found.columns, row)) for row in found.fetchall()]
same("DuckDB", rows, table.schema)
for condition, holds in {"< 0": lambda c: c < 0, "= 0": lambda c: c == 0, "> 1": lambda c: c > 1}.items():
    count = duckdb.sql(f"SELECT count(*) FROM '{name}.parquet' WHERE BilledCost {condition}").fetchall()[0][0]
    expected = sum(holds(decimal.Decimal(row["BilledCost"])) for row in want)
    assert count == expected, f"DuckDB: {count} costs {condition}, {expected} in CSV"
print(f"{len(want)} rows, {len(table.column_names)} columns: pyarrow {pyarrow.__version__} and DuckDB {duckdb.__version__} agree with the CSV")
