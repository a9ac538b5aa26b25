"""Arguments of the public functions: checked, and brought to one form, before anything is sent."""
