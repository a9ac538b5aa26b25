"""The stage between upload and index that understands kinds of text: sections, rows, code and prose, as chunks."""
