"""What is seen of a cell while it runs: fits, predictions, metrics, files, figures.

Swapped code objects, one audit hook and a late-import finder, all gone when no tracked cell runs.
"""

from nbops.capture.instruments.instruments import Instruments, current
from nbops.capture.observation import Observations, Scope

__all__ = ["Instruments", "Observations", "Scope", "current"]
