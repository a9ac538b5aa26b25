"""Documents of datasets: the filters over their metadata."""
