"""What a request can fail with: each error knows its HTTP status and says what was got, what is wanted, the way out.

ServiceError
|-- Refused (400)            the request is understood and not done
|   `-- InvalidUpload        what was uploaded is no dataset
|-- WrongKey (401)
|-- NotFound (404)           no such dataset or job of this key
`-- TooLarge (413)

StartError                   the server cannot start: not an answer to a request
"""


class ServiceError(Exception):
    """A request that is answered with an error. Never shows a path of this machine or a key."""

    status = 500
    """HTTP status of the answer."""

    def __init__(self, detail: str, code: str | None = None) -> None:
        """Answer with `detail` and, where a program is to tell it from others of its status, a `code`."""
        super().__init__(detail)
        self.detail = detail
        self.code = code


class RefusedError(ServiceError):
    """The request is understood and not done."""

    status = 400


class InvalidUploadError(RefusedError):
    """What was uploaded is no dataset."""


class WrongKeyError(ServiceError):
    """The request has no key, or one that this server does not know."""

    status = 401


class NotFoundError(ServiceError):
    """This key has no such dataset or job."""

    status = 404


class TooLargeError(ServiceError):
    """The request has more bytes than the server takes."""

    status = 413


class StartError(Exception):
    """The server cannot start."""


class DataFolderInUseError(StartError):
    """Another server works on the same data."""
