"""What a server keeps: datasets, jobs, API keys and the data folder."""
