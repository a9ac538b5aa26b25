"""Backups of what a server stores: a folder of rows as JSON lines and of uploaded files, for any database and store.

The tables of the index are no part of it: a server builds them anew from the texts when it starts.
"""
