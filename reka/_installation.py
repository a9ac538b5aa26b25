"""Whether this package is whole: `reka-api` has the import name `reka` too, and both fill the folder `reka/`."""

import sys
from typing import Final

from reka._version import __version__

VENDOR: Final = "reka-api"
"""The distribution that has the same import name."""

_DISTRIBUTION: Final = "reka"


class InstallationError(ImportError):
    """Files of another distribution lie over those of this one; the message has the commands that mend it."""


def check_installation() -> None:
    """Refuse to go on with a package that is made of two.

    Raises:
        InstallationError: `reka` is not this package, although this module is a part of it.
    """
    damage = damage_found()
    if damage is not None:
        raise InstallationError(damage, name="reka")


def damage_found() -> str | None:
    """Say in one line what lies over what, and what mends it; None if `reka` is this package."""
    package = sys.modules[_DISTRIBUTION]
    # The string itself: ours is set before anything else of this package is imported, and no other module has it.
    if vars(package).get("__version__") is __version__:
        return None
    from pathlib import Path  # loaded only where something is wrong: `import reka` runs this function

    folder = Path(__file__).parent
    version = vendor_version()
    if version is None:
        what = f"{folder} lacks files of this package: {VENDOR}, which was removed, fills the same folder"
    else:
        what = f"{VENDOR} {version} lies over this package: both fill {folder}"
    return (
        f"{what}. Two commands mend it: `pip uninstall -y {VENDOR}` and "
        f"`pip install --force-reinstall --no-deps {_source()}`"
    )


def vendor_version() -> str | None:
    """Version of `reka-api` in this environment; None if it is not installed."""
    from importlib import metadata

    try:
        return metadata.version(VENDOR)
    except metadata.PackageNotFoundError:
        return None


def _source() -> str:
    """What this package was installed from, if the installer has noted it (PEP 610); else a placeholder.

    A bare name would fetch whatever the package index has under it.
    """
    import json
    from importlib import metadata

    try:
        noted = json.loads(metadata.distribution(_DISTRIBUTION).read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        noted = {}
    url = noted.get("url", "")
    if not url or "@" in url:  # what stands before an @ may be a password
        return "WHAT_IT_WAS_INSTALLED_FROM"
    vcs = noted.get("vcs_info", {}).get("vcs")
    return f"'{_DISTRIBUTION} @ {f'{vcs}+' if vcs else ''}{url}'"
