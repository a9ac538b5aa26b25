"""The processes of a server: those that answer requests on one port, and the one that runs the jobs."""
