"""Requests of one's own: the one part of `reka-api` 2 that this package does not have."""

from typing import NoReturn

from reka.errors import UnsupportedRequestError

__all__ = ["make_request"]


def make_request(*_arguments: object, **_options: object) -> NoReturn:
    """Refuse: an arbitrary request would go past the checks, retries and typed answers of this package.

    Raises:
        UnsupportedRequestError: Always; the message says what to write instead.
    """
    raise UnsupportedRequestError(
        "reka.api.driver.make_request: this package has no such function; write the function of the endpoint "
        "(reka.chat with extra_request_args for further fields, reka.add_dataset, reka.retrieval_job_status, ...), or "
        'requests.request(..., headers={"X-Api-Key": reka.API_KEY}) for an endpoint that has none'
    )
