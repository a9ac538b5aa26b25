"""Files of datasets: what is text in them, and what is left out."""
