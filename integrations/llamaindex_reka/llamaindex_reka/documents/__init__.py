"""Documents of LlamaIndex in a dataset that is made of documents: how they are stored, changed, filtered and found."""
