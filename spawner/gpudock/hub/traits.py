"""Traits of the spawner whose values traitlets would not check."""

from __future__ import annotations

import math
from typing import Any

from traitlets import Float, TraitError

MAX_SECONDS = 10 * 365 * 24 * 3600.0
"""Longer times overflow the Hub's clock arithmetic, and are typing errors."""


class Seconds(Float):  # type: ignore[misc]
    """A time from one second to ten years; traitlets' ``Float`` takes NaN for any number."""

    info_text = "a number of seconds from 1 to 315,360,000"

    def validate(self, obj: Any, value: Any) -> float:
        """Return the value as a float.

        Raises:
            TraitError: it is not such a number.
        """
        seconds: float = super().validate(obj, value)
        if not (math.isfinite(seconds) and 1.0 <= seconds <= MAX_SECONDS):
            message = f'The trait "{self.name}" must be {self.info()}, but is {value!r}.'
            raise TraitError(message)
        return seconds
