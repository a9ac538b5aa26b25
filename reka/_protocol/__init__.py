"""Facts and rules of the API that both halves read, the client and the server: tables and pure functions, no sockets.

It imports `reka.errors`, `reka.types` and the standard library alone; adapters read it through `reka.adapters`.
"""

from reka._installation import check_installation

# Here, since every module of this package that does something imports this room before it uses anything of `reka`.
check_installation()
