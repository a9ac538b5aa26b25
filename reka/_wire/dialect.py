"""Which generation of the API a request goes to."""

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

from reka._protocol.constants import V0_ONLY, V1_RETRIEVAL
from reka.errors import UnsupportedRequestError
from reka.types import Api

Dialect: TypeAlias = Literal["v0", "v1"]

APIS: Final[tuple[Api, ...]] = ("auto", "v0", "v1")


def dialect(api: Api, preferred: Dialect, needs: Iterable[str], features: frozenset[str] = frozenset()) -> Dialect:
    """Choose the generation of a request.

    Args:
        api: What the caller set; `auto` leaves it to us.
        preferred: Where the request goes if either would do.
        needs: Names of what the request requires; one that is not in V0_ONLY is of v1 alone.
        features: What the server says it can do.

    Raises:
        UnsupportedRequestError: No generation can do all of it; the error names what clashes.
    """
    of_v0 = sorted(V0_ONLY.intersection(needs))
    of_v1 = sorted(set(needs) - V0_ONLY)
    if V1_RETRIEVAL in features:
        of_v0 = []
    if api == "v0" and of_v1:
        raise UnsupportedRequestError(f'{", ".join(of_v1)}: not on the documented endpoint; leave out api="v0"')
    if api == "v1" and of_v0:
        raise UnsupportedRequestError(f'{", ".join(of_v0)}: not on this server\'s v1 endpoint; leave out api="v1"')
    if of_v0 and of_v1:
        raise UnsupportedRequestError(
            f"{', '.join(of_v1)} and {', '.join(of_v0)}: this server takes them at different endpoints, so not in one "
            'request; `reka serve` takes them together, and a retrieval_dataset goes with anything if datasets="local"'
        )
    if api != "auto":
        return api
    return "v0" if of_v0 else "v1" if of_v1 else preferred
