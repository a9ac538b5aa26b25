"""API keys: authentication of requests, and the keys registered with a server."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, delete, exists, or_, select
from sqlalchemy.orm import Session

from reka.server.errors import WrongKeyError
from reka.server.storage.database import Database, KeyRow, RevokedKeyRow, now

PREFIX = "reka_"
"""Prefix of generated keys, so that secret scanners recognise a leaked one (ours)."""

_OWNER: Final = select(
    select(KeyRow.owner).where(KeyRow.digest == bindparam("digest")).scalar_subquery(),
    or_(exists(select(KeyRow.digest)), exists(select(RevokedKeyRow.digest))),
)
"""The owner of a key, and whether any key is or was registered, in one statement."""


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A registered key, without the key itself."""

    digest: str
    """SHA-256 of the key, in hexadecimal; its first characters are enough to revoke the key."""
    owner: str
    """Owner of the datasets that the key gives access to."""
    created: str
    """When the key was created (UTC)."""


class KeyRing:
    """The registered API keys of one server.

    While no key was ever registered and `accept_any` is set, every key is valid and each gets datasets of its own.
    """

    def __init__(self, database: Database, *, accept_any: bool) -> None:
        """Use the keys registered in a database.

        Args:
            database: The server's database.
            accept_any: Whether any key is valid while none was ever registered; only safe for a server on loopback.
        """
        self._database = database
        self._owner = database.prepare(_OWNER)
        self._accept_any = accept_any

    @property
    def is_nonblocking(self) -> bool:
        """Whether `owner_of` is faster than dispatching it to a thread."""
        return self._database.is_file

    @property
    def is_new(self) -> bool:
        """Whether no key was ever registered."""
        return not self._owner(digest="")[1]

    def owner_of(self, key: str | None) -> str:
        """Authenticate a key.

        Returns:
            The owner of the datasets that the key gives access to.

        Raises:
            WrongKeyError: There is no key, or it is not registered.
        """
        if not key:
            raise WrongKeyError("No API key: send yours in the header X-Api-Key (in Python: reka.API_KEY = ...)")
        # The look-up is by digest, so its timing can leak only the digest, from which the key cannot be recovered.
        # One round of SHA-256 is enough because keys, unlike passwords, are long and random.
        digest = _digest(key)
        owner, had_keys = self._owner(digest=digest)
        if owner is not None:
            return str(owner)
        if self._accept_any and not had_keys:
            return digest
        raise WrongKeyError("This server does not know this API key: check it, or create one with `reka keys create`")

    def create(self, owner: str) -> str:
        """Generate and register a key.

        Args:
            owner: Owner of the datasets that the key gives access to; an owner may have several keys.

        Returns:
            The key. Only its digest is stored, so it cannot be shown again.

        Raises:
            ValueError: `owner` is blank or has more than 255 characters.
        """
        if not owner.strip() or len(owner) > 255:
            raise ValueError(f"owner: got {len(owner)} characters, want 1 to 255, not all white space")
        key = PREFIX + secrets.token_urlsafe(32)
        with self._database.write() as session:
            session.add(KeyRow(digest=_digest(key), owner=owner, created=now()))
        return key

    def list(self) -> list[KeyInfo]:
        """List all registered keys, oldest first."""
        with self._database.read() as session:
            rows = session.scalars(select(KeyRow).order_by(KeyRow.created, KeyRow.digest))
            return [KeyInfo(row.digest, row.owner, row.created) for row in rows]

    def revoke(self, key: str) -> KeyInfo:
        """Remove a key; the datasets of its owner are kept. After the last one the server accepts no key at all.

        Args:
            key: The key itself, or the first 8 or more characters of its digest.

        Returns:
            The revoked key.

        Raises:
            LookupError: `key` matches no registered key, or more than one.
        """
        digest = _digest(key)
        keys = self.list()
        matches = [info for info in keys if info.digest == digest]
        if not matches and len(key) >= 8:
            matches = [info for info in keys if info.digest.startswith(key)]
        if len(matches) != 1:
            raise LookupError(f"{len(matches)} keys match; give the key, or 8 or more characters of its digest")
        (match,) = matches

        def remove(session: Session) -> None:
            session.execute(delete(KeyRow).where(KeyRow.digest == match.digest))
            session.merge(RevokedKeyRow(digest=match.digest, owner=match.owner, revoked=now()))

        self._database.remove(remove)
        return match


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
