"""Names of `typing` that Python 3.10 has in `typing_extensions` only, which takes long to load."""

import sys

if sys.version_info >= (3, 11):
    from typing import Never as Never
    from typing import Unpack as Unpack
    from typing import dataclass_transform as dataclass_transform
else:
    from typing_extensions import Never as Never
    from typing_extensions import Unpack as Unpack
    from typing_extensions import dataclass_transform as dataclass_transform
