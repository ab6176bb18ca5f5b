"""An archive on disk: Parquet files, and a manifest that names them."""
