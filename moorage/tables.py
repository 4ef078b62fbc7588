"""Reading a person's table, and saying clearly what is wrong with it."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from moorage.errors import Refused


def read(path: str | Path, *, least_rows: int = 1) -> Any:
    """A CSV (or Parquet) file as a DataFrame; raises Refused for what is no table with a header."""
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise Refused(f"{path} can not be read: there is no such file.", code="no-file", hint="Check the path.")
    if path.stat().st_size == 0:
        raise Refused(f"{path} is empty; a table has a header and at least {least_rows} row(s).", code="empty-file", hint="Save it again as CSV.")
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, skipinitialspace=True)
    except ImportError:
        raise Refused(f"{path} is Parquet, and pyarrow is not installed.", code="no-pyarrow", hint='pip install "moorage[files]", or save it as CSV.') from None
    except UnicodeDecodeError:
        raise Refused(f"{path} is not text in UTF-8, so it is no CSV.", code="not-csv", hint="Save it as CSV (UTF-8).") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise Refused(f"{path} can not be read as CSV: {str(error).strip()[:200]}", code="not-csv", hint="Save it as CSV with commas and a header.") from None
    frame.columns = [str(name).strip() for name in frame.columns]
    if frame.shape[1] == 1 and ";" in frame.columns[0]:
        raise Refused(f"{path} has one column, {frame.columns[0][:40]!r}: it seems to be separated by semicolons.", code="not-csv", hint="Save it with commas.")
    if len(frame) < least_rows:
        raise Refused(f"{path} must have at least {least_rows} row(s); it has {len(frame)}.", code="too-few-rows", hint="Bring more rows.")
    return frame


LARGE = 256 * 2**20  # bytes of a file that is read in parts
PART = 50_000  # rows


def parts(path: str | Path) -> Iterator[Any]:
    """A large CSV or Parquet file as DataFrames of some 50,000 rows, one after the other."""
    import pandas as pd

    path = Path(path)
    if path.suffix == ".parquet":
        import pyarrow.parquet

        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(PART):
            yield _named(batch.to_pandas())
        return
    with pd.read_csv(path, skipinitialspace=True, chunksize=PART) as reader:
        for frame in reader:
            yield _named(frame)


def _named(frame: Any) -> Any:
    frame.columns = [str(name).strip() for name in frame.columns]
    return frame


def check_target(frame: Any, target: str | None, path: str | Path = "the table") -> None:
    """Raise Refused, naming the columns there are, unless the target is one of them."""
    if target is not None and target not in frame.columns:
        names = ", ".join(map(str, frame.columns[:20]))
        raise Refused(f"{path} has no column {target!r}; it has {names}.", code="no-target", hint="Name one of those with --target.")


def task_of(values: Any) -> str:
    """What predicting these values would be: regression for more than 20 different numbers, else classification."""
    import pandas as pd

    series = pd.Series(values).dropna()
    numeric = pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series)
    return "regression" if numeric and series.nunique() > 20 else "classification"


def read_labelled(path: str | Path, target: str) -> Any:
    """A table whose target column has values; raises Refused otherwise."""
    frame = read(path, least_rows=2)
    check_target(frame, target, path)
    if frame[target].isna().all():
        raise Refused(f"Column {target!r} of {path} is empty in every row.", code="no-labels", hint="Fill in labels for some rows: 20 to 100 are enough.")
    return frame


def frame_of(data: Any) -> Any:
    """Whatever holds columns, as it is; a dictionary or the like as a DataFrame."""
    import pandas as pd

    return data if hasattr(data, "columns") else pd.DataFrame(data)


def csv_of(data: Any, target: str | None) -> bytes:
    """A table (or the path of a CSV file) as the bytes of a CSV file; raises Refused when it lacks the target."""
    if isinstance(data, str | Path):
        return Path(data).read_bytes()
    frame = frame_of(data)
    check_target(frame, target)
    out = io.StringIO()
    frame.to_csv(out, index=False)
    return out.getvalue().encode()
