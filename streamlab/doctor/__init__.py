"""What is here, what it allows, and what would mend the rest: `streamlab doctor`."""

from streamlab.doctor.checks import examine
from streamlab.doctor.deployment import examine_deployment
from streamlab.doctor.diagnosis import Diagnosis, Examination

__all__ = ["Diagnosis", "Examination", "examine", "examine_deployment"]
