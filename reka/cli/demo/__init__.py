"""`reka demo`: the main job, from the first byte to the last."""
