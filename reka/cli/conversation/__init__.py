"""An interactive chat: its state, its commands, the prompt, and answers as they come."""
