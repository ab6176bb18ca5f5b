"""Events as Arrow tables, for analysis. The only room that knows pyarrow."""
