"""Keys: who a request comes from, and the keys that a server was told to know."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, delete, exists, select

from reka.server.errors import WrongKeyError
from reka.server.storage.database import Database, KeyRow, now

PREFIX = "reka_"
"""How keys of our making begin, so that one found in a wrong place is known for what it is (ours)."""

_OWNER: Final = select(
    select(KeyRow.owner).where(KeyRow.digest == bindparam("digest")).scalar_subquery(), exists(select(KeyRow.digest))
)
"""Whose a key is, and whether any key is known, in one statement."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key as a list shows it."""

    digest: str
    """SHA-256 of the key, in hexadecimal; its first characters are enough to revoke it."""
    owner: str
    """Whose datasets it opens."""
    created: str
    """When it was made (UTC)."""


class KeyRing:
    """The keys of one server.

    While it knows none, any key will do where `accept_any` is set, and each opens datasets of its own.
    """

    def __init__(self, database: Database, *, accept_any: bool) -> None:
        """Keep keys in `database`; accept any for want of known ones only if the server is on loopback."""
        self._database = database
        self._owner = database.prepared(_OWNER)
        self._accept_any = accept_any

    @property
    def is_nonblocking(self) -> bool:
        """Whether `owner_of` takes less than handing it to a thread would."""
        return self._database.is_file

    def owner_of(self, key: str | None) -> str:
        """Tell whose datasets a key opens.

        Raises:
            WrongKeyError: There is no key, or it is not known.
        """
        if not key:
            raise WrongKeyError("No API key: send yours in the header X-Api-Key (in Python: reka.API_KEY = ...)")
        # Looked up by digest: how long that takes tells about the digest, from which nobody comes back to the key.
        # One round of SHA-256 is enough, because keys are random and long, unlike passwords.
        digest = _digest(key)
        owner, knows_any = self._owner(digest=digest)
        if owner is not None:
            return str(owner)
        if self._accept_any and not knows_any:
            return digest
        raise WrongKeyError("This server does not know this API key: check it, or make one with `reka keys create`")

    def create(self, owner: str) -> str:
        """Make a key.

        Args:
            owner: Whose datasets it opens; several keys may open the same ones.

        Returns:
            The key. It is not stored, so this is the only time it can be seen.

        Raises:
            ValueError: `owner` is empty or has more than 255 characters.
        """
        if not owner.strip() or len(owner) > 255:
            raise ValueError(f"owner: got {len(owner)} characters, want 1 to 255, not all white space")
        key = PREFIX + secrets.token_urlsafe(32)
        with self._database.write() as session:
            session.add(KeyRow(digest=_digest(key), owner=owner, created=now()))
        return key

    def list(self) -> list[KnownKey]:
        """All known keys, oldest first."""
        with self._database.read() as session:
            rows = session.scalars(select(KeyRow).order_by(KeyRow.created, KeyRow.digest))
            return [KnownKey(row.digest, row.owner, row.created) for row in rows]

    def revoke(self, key: str) -> KnownKey:
        """Forget a key; the datasets of its owner stay.

        Args:
            key: The key itself, or at least 8 characters that its digest begins with.

        Returns:
            What was revoked.

        Raises:
            LookupError: No key, or more than one, is meant.
        """
        digest = _digest(key)
        found = [known for known in self.list() if known.digest == digest]
        if not found and len(key) >= 8:
            found = [known for known in self.list() if known.digest.startswith(key)]
        if len(found) != 1:
            raise LookupError(f"{len(found)} keys are meant; give the key, or 8 or more characters of its digest")
        with self._database.write() as session:
            session.execute(delete(KeyRow).where(KeyRow.digest == found[0].digest))
        return found[0]


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
