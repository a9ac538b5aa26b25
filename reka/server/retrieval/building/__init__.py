"""The making of a table's rows."""
