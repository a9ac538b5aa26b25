"""The only code that touches a socket, and the policy by which it tries again."""
