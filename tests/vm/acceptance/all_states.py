"""The states that pages can be in, all of them: each module adds its own."""

import states_plain  # noqa: F401, pylint: disable=unused-import
import states_huge  # noqa: F401, pylint: disable=unused-import
import states_life  # noqa: F401, pylint: disable=unused-import
import states_slow  # noqa: F401, pylint: disable=unused-import
from states import STATES  # noqa: F401, pylint: disable=unused-import
