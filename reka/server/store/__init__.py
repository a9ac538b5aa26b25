"""Where a server keeps files and tables: its data folder, or an object store that any number of servers share."""
