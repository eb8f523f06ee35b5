"""What is here, what it allows, and what would mend the rest: `streamlab doctor`."""

from streamlab.doctor.checks import examine
from streamlab.doctor.diagnosis import Diagnosis

__all__ = ["Diagnosis", "examine"]
